"""YAML text to a syntax tree in which every node knows its place. Knows nothing of recipes.

Takes the safe, plain part of YAML 1.2 and refuses the rest by name: tags, anchors and aliases,
duplicate keys, keys that are not text, several documents, large or deeply nested files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from automl.errors import Place
from automl.recipe import scalars
from automl.recipe.scalars import Scalar
from automl.recipe.text import Text

DEEPEST = 40
"""Levels of nesting; a recipe needs about six."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar. ``style`` is the quote or block indicator it was written with, "" for plain.

    ``text`` is what was written, or, after substitution, the substituted text before it was read
    as a number; ``variables`` names the environment variables that took part, and ``written`` is
    the text with their references, "" where none took part.
    """

    value: Scalar
    text: str
    place: Place
    start: int
    end: int
    style: str = ""
    variables: tuple[str, ...] = ()
    written: str = ""


@dataclass(frozen=True, slots=True)
class Items:
    """A sequence. ``start`` and ``end`` count characters of the document."""

    nodes: tuple[Node, ...]
    place: Place
    start: int
    end: int
    flow: bool
    column: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value."""

    key: Leaf
    node: Node


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping, in the order written. A block's ``place`` is the key above it, if any."""

    entries: dict[str, Entry]
    place: Place
    start: int
    end: int
    flow: bool
    column: int


Node = Leaf | Items | Table


def parse(text: Text) -> Table:
    """Return the document's mapping; RecipeError names the first thing YAML or we refuse."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        events = YAML(typ="safe", pure=True).parse(text.text)
        return _Composer(text, events).document()
    except MarkedYAMLError as error:
        _refuse_syntax(text, error)


class _Composer:
    """Builds the tree from parser events; depth is bounded, so recursion is."""

    def __init__(self, text: Text, events: Iterator[Any]) -> None:
        self._text = text
        self._events = events

    def _next(self) -> tuple[str, Any]:
        event = next(self._events)
        return type(event).__name__.removesuffix("Event"), event

    def document(self) -> Table:
        kind, event = self._next()
        kind, event = self._next()
        if kind != "DocumentStart":
            self._text.refuse(0, "the recipe is empty", "start with `recipe: 1`")
        if event.version or event.tags:
            self._text.refuse(event.start_mark.index, "YAML directives (%…) are not allowed")
        root = self._node(*self._next(), depth=0)
        self._next()
        kind, event = self._next()
        if kind == "DocumentStart":
            self._text.refuse(
                event.start_mark.index,
                "a second document starts here; a recipe is one document",
                "move it to a file of its own",
            )
        if not isinstance(root, Table):
            what = describe(plain(root))
            self._text.refuse(
                root.start,
                f"a recipe is a mapping of keys to values, found {what}",
                "start with `recipe: 1`",
            )
        return root

    def _node(self, kind: str, event: Any, depth: int) -> Node:
        self._refuse_extras(kind, event, depth)
        if kind == "Scalar":
            return self._leaf(event)
        place = self._text.place(event.start_mark.index)
        flow = bool(event.flow_style)
        start = event.start_mark.index
        column = self._text.column_of(start)
        if kind == "SequenceStart":
            nodes, end = self._items(depth + 1)
            return Items(nodes, place, start, end, flow, column)
        entries, end = self._entries(depth + 1)
        return Table(entries, place, start, end, flow, column)

    def _refuse_extras(self, kind: str, event: Any, depth: int) -> None:
        at = event.start_mark.index
        share = "write the value out, or share it between recipes with `extends`"
        if kind == "Alias":
            self._text.refuse(at, f"YAML aliases (*{event.anchor}) are not allowed", share)
        if event.anchor:
            self._text.refuse(at, f"YAML anchors (&{event.anchor}) are not allowed", share)
        if event.tag:
            self._text.refuse(at, f"YAML tags ({event.tag}) are not allowed", "delete the tag")
        if depth > DEEPEST:
            self._text.refuse(at, f"nested more than {DEEPEST} levels deep")

    def _leaf(self, event: Any) -> Leaf:
        start, end = event.start_mark.index, event.end_mark.index
        style = event.style or ""
        place = self._text.place(start)
        try:
            value = _joined(event.value) if style else scalars.read(event.value)
        except ValueError as error:
            self._text.refuse(start, str(error))
        return Leaf(value, event.value, place, start, end, style)

    def _items(self, depth: int) -> tuple[tuple[Node, ...], int]:
        nodes: list[Node] = []
        while True:
            kind, event = self._next()
            if kind == "SequenceEnd":
                return tuple(nodes), event.end_mark.index
            nodes.append(self._node(kind, event, depth))

    def _entries(self, depth: int) -> tuple[dict[str, Entry], int]:
        entries: dict[str, Entry] = {}
        while True:
            kind, event = self._next()
            if kind == "MappingEnd":
                return entries, event.end_mark.index
            key = self._key(self._node(kind, event, depth))
            name = str(key.value)
            if name in entries:
                first = entries[name].key.place.line
                self._text.refuse(
                    key.start, f"{name!r} is written twice", f"keep this one or line {first}'s"
                )
            entries[name] = Entry(key, _placed(self._node(*self._next(), depth), key))

    def _key(self, node: Node) -> Leaf:
        if not isinstance(node, Leaf) or not isinstance(node.value, str):
            found = describe(plain(node))
            hint = f'quote it: "{node.text}"' if isinstance(node, Leaf) else None
            self._text.refuse(node.start, f"a key is text, found {found}", hint)
        return node


def _placed(node: Node, key: Leaf) -> Node:
    """Return the node with the key's place where its own would be below the key, or nowhere."""
    empty = isinstance(node, Leaf) and not node.style and not node.text
    block = not isinstance(node, Leaf) and not node.flow
    return replace(node, place=key.place) if empty or block else node


def _joined(text: str) -> str:
    r"""Return the text with halves of surrogate pairs, JSON's ``"\ud83d\ude00"``, joined."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise ValueError("the text holds half of a surrogate pair, which is no character") from None


def plain(node: Node) -> Any:
    """Return the node as dicts, lists and scalars."""
    if isinstance(node, Leaf):
        return node.value
    if isinstance(node, Items):
        return [plain(item) for item in node.nodes]
    return {name: plain(entry.node) for name, entry in node.entries.items()}


def describe(value: object) -> str:
    """Return what a value is, in words and short, for use after "found"."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return scalars.write(value)
    if isinstance(value, int | float):
        kind = "a whole number" if isinstance(value, int) else "a number"
        return f"{_short(scalars.write(value))} ({kind})"
    if isinstance(value, str):
        return f"{_short(value)!r} (text)"
    return "a list" if isinstance(value, list | tuple) else "a mapping"


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


_SYNTAX = (
    ("'\\t' that cannot start", "a tab cannot indent", "indent with spaces"),
    ("mapping values are not allowed", "a ':' is not expected here",
     "indent keys of one section alike, and quote text that holds ': '"),
    ("could not find expected ':'", "a ':' is missing after the key", "write `key: value`"),
    ("expected <block end>", "this does not fit what stands before it",
     "indent keys of one section alike, and a section's keys deeper than its name"),
    ("expected ',' or", "a ',' or a closing bracket is missing before this",
     "close what `[` or `{` opened"),
    ("found unexpected end of stream", "the quote opened here is never closed", "close it"),
    ("found character '%'", "text cannot start with '%'", "put it in quotes"),
    ("found character '@'", "text cannot start with '@'", "put it in quotes"),
    ("found character '`'", "text cannot start with '`'", "put it in quotes"),
    ("found unknown escape character", "there is no such escape in double quotes",
     "use single quotes, or double the backslash"),
    ("alias", "YAML aliases (*) and anchors (&) are not allowed",
     "quote text that starts with '*' or '&'"),
)  # fmt: skip


def _refuse_syntax(text: Text, error: Any) -> NoReturn:
    """Raise the parser's complaint in our words, where it is one we know."""
    said = " ".join(part for part in (error.context, error.problem) if part)
    mark = error.problem_mark or error.context_mark
    at = min(mark.index, len(text.text)) if mark else 0
    opening = error.context_mark.index if error.context_mark else at
    for phrase, message, hint in _SYNTAX:
        if phrase not in said:
            continue
        if "quote opened" in message:
            at = opening
        if "bracket" in message and text.line_of(opening) < text.line_of(at):
            at, message = opening, "the bracket opened here is not closed, or a ',' is missing"
        text.refuse(at, message, hint)
    text.refuse(at, f"not valid YAML: {said}")
