"""Pages of documentation and the fenced blocks in them, found by search.

A comment on the line before a block says what the tests do with it:
``<!-- file: NAME -->`` writes it, ``<!-- file: NAME, refused -->`` a recipe that is a bad example;
``<!-- file: NAME, of a new task -->`` one whose task the page itself adds;
``<!-- run -->`` runs it (``exact``: its output is what stands below; ``exit N``: it ends so);
``<!-- skip: REASON -->`` leaves it. A page's blocks run in order, in one folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A fenced block; ``mark`` is what the comment before it says, "" without one."""

    page: Path
    line: int
    language: str
    text: str
    mark: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> str | None:
        """Name of the file it is written to."""
        found = re.match(r"file: ([^,]+)", self.mark)
        return found[1] if found else None

    @property
    def refused(self) -> bool:
        return self.mark.startswith("file:") and "refused" in self.mark

    @property
    def of_a_new_task(self) -> bool:
        return self.mark.endswith("of a new task")

    @property
    def runs(self) -> bool:
        return re.match(r"run\b", self.mark) is not None

    @property
    def skipped(self) -> bool:
        return self.mark.startswith("skip: ")

    @property
    def exact(self) -> bool:
        return self.runs and "exact" in self.mark

    @property
    def exit_code(self) -> int:
        found = re.search(r"exit (\d+)", self.mark)
        return int(found[1]) if found else 0

    @property
    def commands(self) -> list[str]:
        """The lines of a console block that begin with ``$``, without it."""
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]

    @property
    def output(self) -> str:
        """The other lines of a console block."""
        lines = self.text.splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("$ "))


def pages() -> list[Path]:
    """Every page: README and its neighbours, docs/, and what lies beside recipes."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("recipes/**/*.md")]
    return sorted(page for page in found if "runs" not in page.parts)


def blocks(language: str | None = None) -> list[Block]:
    """Every block of every page, or those of one language."""
    return [
        block for page in pages() for block in blocks_of(page) if language in (None, block.language)
    ]


def blocks_of(page: Path) -> list[Block]:
    """The blocks of one page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start()) + 1,
            found["language"],
            found["text"],
            found["mark"] or "",
        )
        for found in BLOCK.finditer(text)
    ]


def anchors(page: Path) -> set[str]:
    """The names by which the page's headings can be linked to."""
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", prose, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    """The targets of the page's links that are not on the web."""
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)\s]+)\)", prose)
    return [target for target in targets if not re.match(r"[a-z]+:", target)]
