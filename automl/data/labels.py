"""Classes: their order, and the mistakes in them that would spoil a model. Knows no split rule."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from automl.data.arrays import strings
from automl.data.part import Part, listed
from automl.data.rows import SOURCE
from automl.errors import Problem

_WHOLE = re.compile(r"-?\d+")
_ENOUGH_ROWS = 50
"""Rows from which mostly different labels are taken for a wrong column."""


def class_order(train: pa.Table, role: str, column: str, parts: Iterable[Part]) -> tuple[str, ...]:
    """Return the classes that occur in ``train``.

    In the order the data declares (``ClassLabel``), where all its files declare the same; else
    whole numbers by value; else by name.
    """
    present = set(train[role].unique().to_pylist())
    declared = {part.classes.get(column) for part in parts}
    if len(declared) == 1 and (names := declared.pop()) is not None:
        return tuple(name for name in names if name in present)
    if all(_WHOLE.fullmatch(name) for name in present):
        return tuple(sorted(present, key=lambda name: (int(name), name)))
    return tuple(sorted(present))


def unused_classes(labels: tuple[str, ...], column: str, parts: Iterable[Part]) -> list[str]:
    """Return the classes that the data declares and no train row has."""
    declared = {name: None for part in parts for name in part.classes.get(column, ())}
    return [name for name in declared if name not in labels]


def spelled_alike(tables: Iterable[pa.Table], role: str, column: str) -> list[Problem]:
    """Return a problem for classes that differ only by letter case or spacing, naming rows."""
    rows: dict[str, list[str]] = defaultdict(list)
    for table in tables:
        pairs = zip(table[role].to_pylist(), table[SOURCE].to_pylist(), strict=True)
        for label, source in pairs:
            rows[label].append(source)
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in rows:
        spellings[" ".join(label.casefold().split())].append(label)
    problems = []
    for labels in spellings.values():
        if len(labels) > 1:
            usual, *others = sorted(labels, key=lambda label: (-len(rows[label]), label))
            shown = ", ".join(f"{label!r} ({listed(rows[label], 3)})" for label in others)
            message = f"column {column!r}: {shown} differs from {usual!r} only by case or spaces"
            problems.append(Problem(message, hint=f"write {usual.strip()!r} everywhere"))
    return problems


def unseen(
    labels: Iterable[str], tables: Mapping[str, pa.Table], role: str, column: str
) -> list[Problem]:
    """Return a problem for each split with classes that train has not, naming the first rows."""
    known = strings(labels)
    problems = []
    for split, table in tables.items():
        foreign = pc.invert(pc.is_in(table[role], value_set=known))
        rows = table.filter(foreign)
        if rows.num_rows:
            names = sorted(set(rows[role].to_pylist()))
            message = (
                f"{split} has classes that train has not: {listed(map(repr, names))} in column "
                f"{column!r}, {rows.num_rows} rows: {listed(rows[SOURCE].to_pylist())}"
            )
            hint = f"add rows of them to train, or remove them from {split}"
            problems.append(Problem(message, hint=hint))
    return problems


def unlike_classes(train: pa.Table, role: str, column: str) -> list[Problem]:
    """Return a problem when train has one class only, or nearly as many as rows."""
    counts = Counter(train[role].to_pylist())
    if len(counts) == 1:
        (only,) = counts
        message = f"column {column!r} ({role}) has one class only, {only!r}, in all train rows"
        return [Problem(message, hint=f"name another column: columns: {{{role}: <column>}}")]
    if train.num_rows >= _ENOUGH_ROWS and len(counts) > train.num_rows / 2:
        message = f"column {column!r} ({role}) has {len(counts)} classes in {train.num_rows} rows"
        hint = f"it does not hold classes; name another: columns: {{{role}: <column>}}"
        return [Problem(message, hint=hint)]
    return []
