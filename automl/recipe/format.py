"""A recipe in its normal form: keys in the schema's order, two spaces, every comment kept.

Rewrites text, not values: quotes, number formats and the choice between brackets and lines stay
the author's, as far as a line holds them.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from automl import documents
from automl.errors import AutoMLError, RecipeError
from automl.recipe import scalars, shape
from automl.recipe.comments import Comment, Commented, Part, attach, find
from automl.recipe.loaded import Location
from automl.recipe.syntax import Leaf, Table, parse, plain
from automl.recipe.text import Text, decode

WIDTH = 100
"""Columns; what is in brackets and would pass it is written on lines of its own."""


def formatted(data: bytes, name: str) -> str:
    """Return the recipe in ``data`` in its normal form; formatting that again changes nothing.

    ``name`` names the file in errors. Raises RecipeError when it cannot be parsed; whether it is
    a valid recipe does not matter, so that parents and drafts can be formatted.
    """
    text = decode(data, name)
    tree = parse(text)
    result = _Writer(text, attach(text, tree)).document()
    _verify(text, tree, result)
    return result


def read(path: Path) -> bytes:
    """Return the file's bytes; RecipeError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror or error}") from error


def write(path: Path, data: bytes) -> None:
    """Replace the file's content atomically; its permissions, and links to it, stay."""
    target = path.resolve()
    mode = target.stat().st_mode
    documents.write_bytes(target, data)
    target.chmod(mode)


def _verify(text: Text, tree: Table, result: str) -> None:
    """Raise if the result does not say what the text said, which is a bug here."""
    after = Text.of(text.name, result)
    same_values = _canonical(tree) == _canonical(parse(after))
    if not same_values or _comments(text) != _comments(after):
        what = "comments" if same_values else "values"
        raise AutoMLError(f"formatting {text.name} would change its {what}; it is left as it is")


def _canonical(tree: Table) -> str:
    return json.dumps(plain(tree), sort_keys=True)


def _comments(text: Text) -> Counter[str]:
    return Counter(comment.text for comment in find(text))


class _Writer:
    """Writes a commented tree. A head is a list of lines without indent, "" for a blank one."""

    def __init__(self, text: Text, commented: Commented) -> None:
        self._text = text
        self._root = commented.root
        self._header = commented.header

    def document(self) -> str:
        """Return the whole document, ending in one newline."""
        head, lines = self._children(self._root, (), "")
        lines = [*self._top(), *head, *(lines or ["{}"])]
        return "\n".join(lines).strip("\n") + "\n"

    def _top(self) -> list[str]:
        """Return the lines about the whole file, the editor's first, and the gap after them."""
        editor = [one for one in self._header if one.is_for_editors]
        others = _stacked([one for one in self._header if not one.is_for_editors])
        lines = [one.text for one in editor]
        if editor and editor[-1].parted:
            lines.append("")
        return [*lines, *others, ""] if others else lines

    def _children(self, part: Part, at: Location, indent: str) -> tuple[list[str], list[str]]:
        """Return the first child's head (for its parent to place), and the lines from there on."""
        first: list[str] = []
        lines: list[str] = []
        for number, (location, child) in enumerate(_ordered(part, at)):
            head, body = self._part(child, location, indent)
            if number == 0:
                first = head[1:] if head[:1] == [""] else head
            else:
                lines += _indented(head, indent)
            lines += body
        if part.parts:
            lines += _indented(_stacked(part.foot, spaced=True), indent)
        return first, lines

    def _part(self, part: Part, at: Location, indent: str) -> tuple[list[str], list[str]]:
        """Return the part's head and its lines."""
        label = f"{indent}{self._key(part.key)}:" if part.key else f"{indent}-"
        extra = part.inline[1:]
        if isinstance(part.node, Leaf):
            body = self._leaf(part.node, label, indent)
        elif brackets := self._brackets(part, at, label):
            body = [f"{label} {brackets}"]
            extra = extra + part.foot
        else:
            return self._block(part, at, label, indent)
        return self._head(part, extra), [_beside(body[0], part.inline[:1]), *body[1:]]

    def _block(
        self, part: Part, at: Location, label: str, indent: str
    ) -> tuple[list[str], list[str]]:
        """Return head and lines of a section or list; an item's begins beside its dash."""
        inner = f"{indent}  "
        head, lines = self._children(part, at, inner)
        if part.key:
            own = self._head(part, part.inline[1:])
            return own, [_beside(label, part.inline[:1]), *_indented(head, inner), *lines]
        lines[0] = f"{label} {lines[0][len(inner) :]}"
        return self._head(part, part.inline) + head, lines

    def _head(self, part: Part, extra: list[Comment]) -> list[str]:
        """Return the comments above the part, with the blank lines among and after them."""
        stacked = _stacked(part.head, spaced=True)
        return [*stacked, *([""] if part.spaced else []), *(one.text for one in extra)]

    def _key(self, key: Leaf) -> str:
        raw = self._text.text[key.start : key.end]
        return scalars.write(key.value) if "\n" in raw or key.style in ("|", ">") else raw

    def _scalar(self, leaf: Leaf) -> str:
        """Return the scalar on one line, as it was written where that was one line."""
        raw = self._text.text[leaf.start : leaf.end]
        rewrite = leaf.value is None or isinstance(leaf.value, bool) or "\n" in raw
        return scalars.write(leaf.value) if rewrite else raw

    def _leaf(self, leaf: Leaf, label: str, indent: str) -> list[str]:
        """Return the lines of a scalar; a block keeps its lines where shifting them is safe."""
        raw = self._text.text[leaf.start : leaf.end]
        header, *content = raw.split("\n")
        indicator = header.split("#")[0].strip()
        filled = [line for line in content if line.strip(" ")]
        if indicator not in ("|", "|-", ">", ">-") or leaf.style not in ("|", ">") or not filled:
            return [f"{label} {self._scalar(leaf)}"]
        depth = len(filled[0]) - len(filled[0].lstrip(" "))
        shifted = [line[depth:] for line in content]
        if any(line and not line.strip(" ") for line in shifted):  # spaces that are text
            return [f"{label} {scalars.write(leaf.value)}"]
        while not shifted[-1]:
            shifted.pop()
        return [f"{label} {indicator}", *_indented(shifted, f"{indent}  ")]

    def _brackets(self, part: Part, at: Location, label: str) -> str | None:
        """Return the value in brackets, or None where it does not belong or fit there."""
        commented = any(one.head or one.inline or one.foot for one in part.inside())
        if not part.parts:
            return "{}" if isinstance(part.node, Table) else "[]"
        if not part.flow or commented or part.foot:
            return None
        text = self._flow(part, at)
        return text if len(label) + 1 + len(text) <= WIDTH else None

    def _flow(self, part: Part, at: Location) -> str:
        if isinstance(part.node, Leaf):
            return self._scalar(part.node)
        inside = ", ".join(
            f"{self._key(one.key)}: {self._flow(one, place)}" if one.key else self._flow(one, place)
            for place, one in _ordered(part, at)
        )
        return f"{{{inside}}}" if isinstance(part.node, Table) else f"[{inside}]"


def _ordered(part: Part, at: Location) -> list[tuple[Location, Part]]:
    """Return the children with their locations, keys in the schema's order, unknown ones last."""
    if not isinstance(part.node, Table):
        return [((*at, index), child) for index, child in enumerate(part.parts)]
    named = [(str(child.key.value), child) for child in part.parts if child.key]
    section = shape.section(shape.at(at), part.node.entries)
    order = list(section.model_fields) if section else []
    named.sort(key=lambda one: order.index(one[0]) if one[0] in order else len(order))
    return [((*at, name), child) for name, child in named]


def _stacked(comments: list[Comment], spaced: bool = False) -> list[str]:
    """Return the comments' lines, blank ones kept; above the first only where ``spaced``."""
    lines: list[str] = []
    for comment in comments:
        if comment.spaced and (lines or spaced):
            lines.append("")
        lines.append(comment.text)
    return lines


def _indented(lines: list[str], indent: str) -> list[str]:
    return [f"{indent}{line}" if line else "" for line in lines]


def _beside(line: str, comments: list[Comment]) -> str:
    """Return the line with its comment, which keeps its column if the line leaves it free."""
    for comment in comments:
        line = f"{line}{' ' * max(2, comment.column - len(line))}{comment.text}"
    return line
