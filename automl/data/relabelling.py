"""Classes under the names that the recipe gives them: merged, renamed, left out, never unasked.

``names`` is the recipe's ``data.labels``: class → what it is called, or null to leave it out. The
empty name stands for rows without a class.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from unicodedata import is_normalized

import pyarrow as pa

from automl.data.arrays import integers, strings
from automl.data.part import Part, listed, refused
from automl.tasks import Role

Names = Mapping[str, str | None]
NOTHING = ""
_WORDS = ("null", "true", "false", "yes", "no", "on", "off")


@dataclass(frozen=True, slots=True)
class Relabelled:
    """Rows with their classes renamed, and what became of which."""

    table: pa.Table
    renamed: Counter[str] = field(default_factory=Counter)
    """Class as it was written → rows that had it, of those the names speak of."""
    dropped: tuple[str, ...] = ()
    """Where rows stood that are left out."""


def relabelled(
    table: pa.Table, role: Role, names: Names, source: str, *, aligned: bool = False
) -> Relabelled:
    """Return the rows with the role's classes named by ``names``; ``source`` says where they stood.

    Of a row with several classes, one named null is left out; of a row with one, the row is.
    ``aligned`` classes stand beside something else of the row, one for one: none may be left out,
    which raises DataError.
    """
    if not names:
        return Relabelled(table)
    found: Counter[str] = Counter()
    several = role.kind == "classes"
    if aligned and None in names.values():
        left = next(name for name, new in names.items() if new is None)
        raise refused(
            f"class {left!r} cannot be left out: each class of a row belongs to one of its parts",
            "give it a name, or remove the rows",
        )
    made: list[tuple[bool, Any]] = [
        _several(value, names, found, aligned) if several else _single(value, names, found)
        for value in table[role.name].to_pylist()
    ]
    values = [value for _, value in made]
    column = pa.array(values, type=table[role.name].type) if several else strings(values)
    place = table.column_names.index(role.name)
    kept = [row for row, (keep, _) in enumerate(made) if keep]
    sources = table[source].to_pylist()
    return Relabelled(
        table.set_column(place, role.name, column).take(integers(kept)),
        found,
        tuple(at for at, (keep, _) in zip(sources, made, strict=True) if not keep),
    )


def _single(value: str | None, names: Names, found: Counter[str]) -> tuple[bool, str | None]:
    """Return whether the row stays, and its class."""
    written = value if value is not None and value.strip() else NOTHING
    if written not in names:
        return True, value
    found[written] += 1
    return names[written] is not None, names[written]


def _several(
    values: Sequence[str] | None, names: Names, found: Counter[str], aligned: bool
) -> tuple[bool, list[str] | None]:
    if values is None:
        keep, single = _single(None, names, found)
        return keep, None if single is None else [single]
    made = [_single(each, names, found) for each in values]
    kept = [each for keep, each in made if keep and each is not None]
    return True, kept if aligned else list(dict.fromkeys(kept))


def declared(part: Part, names: Names) -> Part:
    """Return the part with the classes that its source declares named by ``names``."""
    if not names or not part.classes:
        return part
    return replace(
        part,
        classes={
            column: tuple(
                dict.fromkeys(new for each in known if (new := names.get(each, each)) is not None)
            )
            for column, known in part.classes.items()
        },
    )


def notes(names: Names, renamed: Counter[str], dropped: Sequence[str]) -> Iterator[str]:
    """Yield what a person should know of what the names did."""
    changed = [
        f"{written!r} is {new!r} ({renamed[written]} rows)"
        for written, new in names.items()
        if new is not None and new != written and renamed[written]
    ]
    if changed:
        yield f"classes were renamed as data.labels says: {listed(changed)}"
    if dropped:
        yield f"{len(dropped)} rows were left out as data.labels says: {listed(dropped)}"


def written(names: Names) -> str:
    """Return the names as a recipe takes them: ``labels: {"Refund ": refund}``."""
    pairs = (
        f"{_scalar(old)}: {'null' if new is None else _scalar(new)}" for old, new in names.items()
    )
    return f"labels: {{{', '.join(pairs)}}}"


def _scalar(text: str) -> str:
    """Return the text as YAML takes it inside braces."""
    if not is_normalized("NFC", text):
        return json.dumps(text)  # its letters are in parts, which nobody would see
    plain = re.fullmatch(r"[^\W\d]([\w. -]*\w)?", text) and text.lower() not in _WORDS
    return text if plain else "'" + text.replace("'", "''") + "'"
