"""``${env:NAME}`` and ``${env:NAME:-default}`` inside values. The environment is an argument."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from automl.errors import Problem
from automl.recipe import scalars
from automl.recipe.loaded import nearest
from automl.recipe.syntax import Entry, Items, Leaf, Node, Table

_OPENING = re.compile(r"\$(\$*)\{")
_REFERENCE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}")


def substitute(tree: Table, environ: Mapping[str, str]) -> tuple[Table, list[Problem]]:
    """Return the tree with every reference replaced, and what could not be.

    As in a shell, a default also stands in for a variable that is set but empty. A value that is
    one reference and nothing else is read as an unquoted scalar, so that it can be a number.
    ``$${`` stands for ``${``. Keys are left alone.
    """
    problems: list[Problem] = []
    return _table(tree, environ, problems), problems


def _table(table: Table, environ: Mapping[str, str], problems: list[Problem]) -> Table:
    entries = {
        name: Entry(entry.key, _node(entry.node, environ, problems))
        for name, entry in table.entries.items()
    }
    return replace(table, entries=entries)


def _node(node: Node, environ: Mapping[str, str], problems: list[Problem]) -> Node:
    if isinstance(node, Table):
        return _table(node, environ, problems)
    if isinstance(node, Items):
        return replace(node, nodes=tuple(_node(item, environ, problems) for item in node.nodes))
    if not isinstance(node.value, str) or "${" not in node.value:
        return node
    try:
        return _leaf(node, node.value, environ)
    except _Refused as refused:
        problems.append(Problem(str(refused), node.place, refused.hint))
        return node


class _Refused(Exception):
    def __init__(self, message: str, hint: str | None) -> None:
        self.hint = hint
        super().__init__(message)


def _leaf(leaf: Leaf, written: str, environ: Mapping[str, str]) -> Leaf:
    if alone := _REFERENCE.fullmatch(written):
        text = _value(alone, environ)
        return replace(leaf, value=_read(text), text=text, variables=(alone[1],), written=written)
    text, variables = _expanded(written, environ)
    return replace(
        leaf, value=text, text=text, variables=variables, written=written if variables else ""
    )


def _expanded(written: str, environ: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return the text with references replaced, left to right, and the variables' names."""
    parts: list[str] = []
    variables: list[str] = []
    position = 0
    while opening := _OPENING.search(written, position):
        parts.append(written[position : opening.start()])
        if opening[1]:
            parts.append(opening[0][1:])
            position = opening.end()
            continue
        reference = _REFERENCE.match(written, opening.start())
        if reference is None:
            raise _malformed(written[opening.start() :])
        parts.append(_value(reference, environ))
        variables.append(reference[1])
        position = reference.end()
    return "".join((*parts, written[position:])), tuple(dict.fromkeys(variables))


def _malformed(rest: str) -> _Refused:
    shown = rest[: rest.find("}") + 1] or rest
    name = re.fullmatch(r"\$\{([A-Za-z_]\w*)\}", shown)
    write = f"${{env:{name[1]}}}" if name else "${env:NAME} or ${env:NAME:-default}"
    return _Refused(
        f"{shown!r} is not a reference to an environment variable",
        f"write {write}; for the characters themselves $${{",
    )


def _value(reference: re.Match[str], environ: Mapping[str, str]) -> str:
    name, default = reference[1], reference[2]
    value = environ.get(name)
    if default is not None:
        value = value or default
    if value is None:
        close = nearest(name, tuple(environ)) or ""
        similar = f"; {close}" if close.startswith("did") else ""
        raise _Refused(
            f"the environment variable {name} is not set",
            f"export {name}=…, or give a default: ${{env:{name}:-default}}{similar}",
        )
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise _Refused(f"the environment variable {name} is not valid UTF-8", None)
    return value


def _read(text: str) -> scalars.Scalar:
    try:
        return scalars.read(text)
    except ValueError as error:
        raise _Refused(str(error), None) from None
