"""Comments of a recipe, each attached to the key, item or section it is about.

The YAML parser drops comments; here they are found in the gaps between its tokens. Knows nothing
of the schema and nothing of how a recipe should look.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from automl.recipe.syntax import Items, Leaf, Node, Table
from automl.recipe.text import Text

_COMMENT = re.compile(r"#[^\n]*")
_FOR_EDITORS = re.compile(r"#\s*yaml-language-server\s*:")
_BLOCK_HEADER = re.compile(r"[|>][-+0-9]*[ \t]+(#[^\n]*)")


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment. ``alone``: on its own line; ``spaced``/``parted``: a blank line above/below."""

    text: str
    index: int
    column: int
    alone: bool
    spaced: bool
    parted: bool

    @property
    def is_for_editors(self) -> bool:
        """Whether it is the line that tells an editor's language server the schema."""
        return bool(_FOR_EDITORS.match(self.text))


@dataclass(slots=True)
class Part:
    """A mapping's entry, a sequence's item, or (without ``key`` and ``parent``) the document.

    ``head`` stands above it, ``inline`` beside it, ``foot`` below the last thing in it.
    """

    node: Node
    start: int
    column: int
    spaced: bool
    key: Leaf | None = None
    parent: Part | None = None
    parts: list[Part] = field(default_factory=list)
    head: list[Comment] = field(default_factory=list)
    inline: list[Comment] = field(default_factory=list)
    foot: list[Comment] = field(default_factory=list)

    def around(self) -> Iterator[Part]:
        """Yield the part itself, then what it is in, outward."""
        part: Part | None = self
        while part:
            yield part
            part = part.parent

    def inside(self) -> Iterator[Part]:
        """Yield every part in this one, in the order written."""
        for part in self.parts:
            yield part
            yield from part.inside()

    @property
    def flow(self) -> bool:
        """Whether its value is written in brackets."""
        return not isinstance(self.node, Leaf) and self.node.flow


@dataclass(frozen=True, slots=True)
class Commented:
    """A document with its comments; ``header`` holds those about the whole file.

    These are the editor's line and what a blank line parts from the first key.
    """

    root: Part
    header: list[Comment]


def attach(text: Text, tree: Table) -> Commented:
    """Return the tree with every comment of the text attached to one part of it, or the header."""
    comments, dashes = _scan(text)
    root = Part(tree, tree.start, tree.column, spaced=False)
    _grow(root, text, dashes)
    parts = list(root.inside())
    header = [comment for comment in comments if comment.is_for_editors]
    comments = [comment for comment in comments if not comment.is_for_editors]
    preamble = [one for one in comments if not parts or one.index < parts[0].start]
    for comment in comments[len(preamble) :]:
        if comment.alone:
            _attach_alone(comment, parts, root)
        else:
            _attach_inline(comment, parts)
    end = _end_of_header(preamble, parts)
    if parts:
        parts[0].head[:0] = preamble[end:]
    return Commented(root, header + preamble[:end])


def _end_of_header(preamble: list[Comment], parts: list[Part]) -> int:
    """Return how many of the comments before the first key are not about that key."""
    if not parts or parts[0].spaced:
        return len(preamble)
    return max((number for number, one in enumerate(preamble, 1) if one.parted), default=0)


def find(text: Text) -> list[Comment]:
    """Return the comments of a text that has been parsed, in order."""
    return _scan(text)[0]


def _scan(text: Text) -> tuple[list[Comment], list[int]]:
    """Return the comments, and where the dashes of block sequences stand."""
    from ruamel.yaml import YAML

    comments: list[Comment] = []
    dashes: list[int] = []
    position = 0
    for token in YAML(typ="safe", pure=True).scan(text.text):
        start, end = token.start_mark.index, token.end_mark.index
        comments += [
            _comment(text, found[0], found.start())
            for found in _COMMENT.finditer(text.text, position, max(start, position))
        ]
        if type(token).__name__ == "BlockEntryToken":
            dashes.append(start)
        header = _BLOCK_HEADER.match(text.text, start, end)
        if header and getattr(token, "style", None) in ("|", ">"):
            comments.append(_comment(text, header[1], header.start(1)))
        position = max(position, end)
    return comments, dashes


def _comment(text: Text, found: str, index: int) -> Comment:
    line = text.line_of(index)
    column = text.column_of(index)
    alone = not text.line(line)[:column].strip()
    spaced, parted = _is_blank(text, line - 1), _is_blank(text, line + 1)
    return Comment(found.rstrip(), index, column, alone, spaced, parted)


def _is_blank(text: Text, line: int) -> bool:
    return 0 <= line < len(text.line_starts) and not text.line(line).strip()


def _grow(part: Part, text: Text, dashes: list[int]) -> None:
    """Give the part its children."""
    children: list[tuple[Leaf | None, Node, int]]
    if isinstance(part.node, Table):
        children = [
            (entry.key, entry.node, entry.key.start) for entry in part.node.entries.values()
        ]
    elif isinstance(part.node, Items):
        children = [(None, node, _item_start(node, part.node, dashes)) for node in part.node.nodes]
    else:
        return
    for key, node, start in children:
        spaced = _is_blank(text, text.line_of(start) - 1)
        made = Part(node, start, text.column_of(start), spaced, key, part)
        part.parts.append(made)
        _grow(made, text, dashes)


def _item_start(node: Node, sequence: Items, dashes: list[int]) -> int:
    return node.start if sequence.flow else max(dash for dash in dashes if dash < node.start)


def _attach_alone(comment: Comment, parts: list[Part], root: Part) -> None:
    """Attach a comment on its own line: to what follows, or to what its indentation is in."""
    last = [part for part in parts if part.start < comment.index][-1]
    following = next((part for part in parts if part.start > comment.index), None)
    if last.node.start > comment.index and not _is_block(last):
        last.head.append(comment)
        return
    brackets = [one for one in last.around() if one.flow and comment.index < one.node.end]
    if brackets:
        ends = following is None or following.start > brackets[0].node.end
        (brackets[0].foot if ends or following is None else following.head).append(comment)
        return
    if following is None or comment.column > following.column:
        still_open = set(map(id, following.around())) if following else set()
        closed = [one for one in last.around() if _is_block(one) and id(one) not in still_open]
        fitting = [one for one in closed if _column(one) <= comment.column]
        if fitting:
            fitting[0].foot.append(comment)
            return
    (following.head if following else root.foot).append(comment)


def _is_block(part: Part) -> bool:
    return not isinstance(part.node, Leaf) and not part.node.flow


def _column(part: Part) -> int:
    return part.column if isinstance(part.node, Leaf) else part.node.column


def _attach_inline(comment: Comment, parts: list[Part]) -> None:
    """Attach a comment after something: to the part whose brackets just closed, or began last."""
    last = [part for part in parts if part.start < comment.index][-1]
    closed = [
        one for one in last.around() if one.flow and last.start < one.node.end <= comment.index
    ]
    owner = closed[-1] if closed else last
    (owner.inline if owner.parent else owner.foot).append(comment)
