"""Markdown that stays what it says: any text in a table cell or a code span, nothing breaks out.

Knows GitHub-flavoured Markdown, as the hub renders it, and nothing of cards.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal

LONGEST = 14
"""Rows of a table beyond which it is folded away."""
_MARKUP = re.compile(r"[\\`*_\[\]|~$]")
_ENTITIES = {"&": "&amp;", "<": "&lt;"}
_LINKS = re.compile(r"(?i)(https?|ftp)://|www\.|(?<=\w)@(?=\w)")


def plain(text: object, longest: int = 160) -> str:
    """Return ``text`` on one line as readers shall see it: no markup, HTML or link comes alive.

    Line breaks become ``↵``, other control and direction characters ``�``; what is longer than
    ``longest`` characters is cut and ends in ``…``.
    """
    line = re.sub(r"\s*(?:\r\n|[\n\r\v\f\u0085\u2028\u2029])\s*", " ↵ ", str(text)).strip()
    line = "".join(
        "�" if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\t\u200d" else c
        for c in line
    ).replace("\t", " ")
    if len(line) > longest:
        line = line[: longest - 1] + "…"
    return _escaped(line)


def _escaped(line: str) -> str:
    parts, start = [], 0
    for link in _LINKS.finditer(line):
        parts.append(_marked(line[start : link.start()]))
        # an entity in the middle keeps renderers from making a link of it
        parts.append("".join(f"&#{ord(c)};" if c in ":.@" else c for c in link.group()))
        start = link.end()
    return "".join(parts) + _marked(line[start:])


def _marked(text: str) -> str:
    for character, entity in _ENTITIES.items():
        text = text.replace(character, entity)
    return _MARKUP.sub(lambda found: "\\" + found.group(), text)


def code(text: object) -> str:
    """Return ``text`` as a code span that may stand in a table cell, backticks or not."""
    line = " ".join(str(text).split())
    if "`" in line or "|" in line or not line:
        return plain(line)
    return f"`{line}`"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    """Return a table of cells that are Markdown already; the columns ``right`` align right."""
    aligned = set(right)
    rule: list[Literal["---:", ":---"]] = [
        "---:" if column in aligned else ":---" for column in range(len(header))
    ]
    lines = [header, rule, *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def folded(title: str, content: str) -> str:
    """Return Markdown that is shown when its title is opened; GitHub and the hub render it."""
    return f"<details>\n<summary>{plain(title)}</summary>\n\n{content}\n\n</details>"


def long_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], right: Iterable[int] = ()
) -> str:
    """Return the table, folded away under ``title`` where it has more than ``LONGEST`` rows."""
    made = table(header, rows, right)
    return folded(title, made) if len(rows) > LONGEST else made
