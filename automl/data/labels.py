"""Classes: their order, and the mistakes in them that would spoil a model. Knows no split rule."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from unicodedata import is_normalized, normalize

import pyarrow as pa
import pyarrow.compute as pc

from automl.data.arrays import strings
from automl.data.part import SOURCE, Part, listed
from automl.data.relabelling import written
from automl.errors import Problem

_WHOLE = re.compile(r"-?\d+")
_MISSING = ("nan", "null", "n/a", "#n/a", "<na>")
"""What programs write where there is nothing. Not ``none`` and ``na``, which may be classes."""
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


def misspelled(
    tables: Iterable[pa.Table], role: str, column: str, meant: Collection[str] = ()
) -> list[Problem]:
    """Return a problem for each class that is likely no class of its own, naming rows and a fix.

    Those are classes that differ only by letter case, spacing or Unicode form, that begin or end
    with a space, or that say that there is none. Those in ``meant`` the recipe has named itself.
    """
    rows: dict[str, list[str]] = defaultdict(list)
    for table in tables:
        pairs = zip(table[role].to_pylist(), table[SOURCE].to_pylist(), strict=True)
        for label, source in pairs:
            rows[label].append(source)
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in rows:
        spellings[same_class(label)].append(label)
    problems = []
    for labels in spellings.values():
        usual, *others = sorted(labels, key=lambda label: (-len(rows[label]), label))
        if all(label in meant for label in labels):
            continue
        if others:
            problems.append(_alike(usual, others, rows, column))
        elif usual != usual.strip():
            message = f"column {column!r}: {_counted(usual, rows)} begins or ends with a space"
            problems.append(_fixed(message, {usual: usual.strip()}))
        elif usual.casefold() in _MISSING:
            message = f"column {column!r}: {_counted(usual, rows)} reads like a missing class"
            hint = f"to leave these rows out, under data: {written({usual: None})}; to keep it: "
            problems.append(Problem(message, hint=hint + written({usual: usual})))
    return problems


def same_class(label: str) -> str:
    """Return the label without letter case, spacing and Unicode's choice of composed letters."""
    return " ".join(normalize("NFC", label).casefold().split())


def _alike(
    usual: str, others: Sequence[str], rows: Mapping[str, Sequence[str]], column: str
) -> Problem:
    shown = ", ".join(_counted(label, rows) for label in others)
    verb = "differs" if len(others) == 1 else "differ"
    name = " ".join(normalize("NFC", usual).split())
    return _fixed(
        f"column {column!r}: {shown} {verb} from {_seen(usual)} ({_rows(rows[usual])}) only by "
        "case, spaces or Unicode form",
        {label: name for label in (usual, *others) if label != name},
    )


def _fixed(message: str, names: Mapping[str, str]) -> Problem:
    name = next(iter(names.values()))
    hint = f"write {name!r} everywhere, or merge them, under data: {written(names)}"
    return Problem(message, hint=hint)


def _counted(label: str, rows: Mapping[str, Sequence[str]]) -> str:
    return f"{_seen(label)} ({_rows(rows[label])}: {listed(rows[label], 3)})"


def _seen(label: str) -> str:
    """Return the label so that what is told apart can be: letters in parts show as such."""
    return repr(label) if is_normalized("NFC", label) else ascii(label)


def _rows(sources: Sequence[str]) -> str:
    return f"{len(sources)} row{'' if len(sources) == 1 else 's'}"


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
