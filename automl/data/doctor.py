"""What a person should know of their data before training on it. Reads tables, changes nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pyarrow as pa

from automl.data.nested import readable
from automl.data.part import GROUP, SOURCE, listed
from automl.data.splits import same_text
from automl.tasks import Role

IMBALANCE = 20
"""Times the largest class may outnumber the smallest before it is said."""
LONG_CHARACTERS = 5000
"""Characters from which a text surely exceeds the 512 tokens that most encoders read."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """One row as the checks see it."""

    split: str
    texts: tuple[str, ...]
    label: str | None
    source: str


def findings(tables: Mapping[str, pa.Table], roles: Sequence[Role]) -> tuple[str, ...]:
    """Return all findings as sentences, the gravest kind first; empty when there is none.

    Conflicting classes for one text, texts on two sides of a split, repeated and nearly repeated
    train texts, class imbalance, very long texts. Equal means: letter case and spacing aside.
    """
    return (
        *doubts(tables, roles),
        *_repeats(tables["train"], roles),
        *imbalance(tables["train"], roles),
        *_long(tables["train"], roles),
    )


def things(roles: Sequence[Role]) -> str:
    """Return what rows are told apart by, in words: texts, pictures, sounds."""
    kinds = {role.kind for role in roles if not role.is_target}
    return "pictures" if "image" in kinds else "sounds" if "audio" in kinds else "texts"


def doubts(tables: Mapping[str, pa.Table], roles: Sequence[Role]) -> tuple[str, ...]:
    """Return the findings that put any score in doubt: conflicting classes, leaks between splits.

    One sentence on texts with several classes; one per pair of splits that share texts, or
    groups; each with the first such rows.
    """
    texts = [rows for rows in _by_text(tables, roles).values() if len(rows) > 1]
    noun = things(roles)
    return (*_conflicts(texts, noun), *_leaks(tables, texts, noun[:-1]))


def _conflicts(texts: Sequence[Sequence[Seen]], noun: str) -> tuple[str, ...]:
    clashing = [rows for rows in texts if len({row.label for row in rows}) > 1]
    if not clashing:
        return ()
    shown = "; ".join(
        listed((f"{row.source} {row.label!r}" for row in rows), 4) for rows in clashing[:_SHOWN]
    )
    more = f"; and {len(clashing) - _SHOWN} more" if len(clashing) > _SHOWN else ""
    return (f"{len(clashing)} {noun} have different classes in different rows: {shown}{more}",)


def _leaks(
    tables: Mapping[str, pa.Table], texts: Sequence[Sequence[Seen]], noun: str
) -> tuple[str, ...]:
    found = []
    for one, other in combinations(tables, 2):
        shared = [
            rows for rows in texts if {one, other} <= {row.split for row in rows}
        ]  # fmt: skip
        if shared:
            pairs = (
                " = ".join(next(r.source for r in rows if r.split == s) for s in (other, one))
                for rows in shared
            )
            count = sum(row.split == other for rows in shared for row in rows)
            found.append(
                f"{count} of {tables[other].num_rows} {other} rows have a {noun} that {one} has "
                f"too: {listed(pairs, _SHOWN)}"
            )
        found.extend(_shared_groups(tables, one, other))
    return tuple(found)


def _shared_groups(tables: Mapping[str, pa.Table], one: str, other: str) -> list[str]:
    if any(GROUP not in tables[split].column_names for split in (one, other)):
        return []
    first, second = (set(tables[split][GROUP].to_pylist()) - {None} for split in (one, other))
    shared = sorted(first & second)
    return [f"{len(shared)} groups are in both {one} and {other}: {listed(shared)}"] * bool(shared)


def _by_text(
    tables: Mapping[str, pa.Table], roles: Sequence[Role]
) -> dict[tuple[str, ...], list[Seen]]:
    """Return all rows by their text, in the order of the tables."""
    found: dict[tuple[str, ...], list[Seen]] = defaultdict(list)
    for split, table in tables.items():
        for row in _rows(split, table, roles):
            found[tuple(map(same_text, row.texts))].append(row)
    return found


def _rows(split: str, table: pa.Table, roles: Sequence[Role]) -> list[Seen]:
    held = [role for role in roles if role.name in table.column_names]
    texts = [readable(table, role) for role in held if not role.is_target]
    labels: list[Any] = [None] * table.num_rows
    for role in held:
        if role.kind == "class":
            labels = table[role.name].to_pylist()
    sources = table[SOURCE].to_pylist()
    rows = zip(zip(*texts, strict=True), labels, sources, strict=True)
    return [Seen(split, text, label, source) for text, label, source in rows]


def _repeats(train: pa.Table, roles: Sequence[Role]) -> tuple[str, ...]:
    exact: list[list[Seen]] = []
    near: list[list[Seen]] = []
    for rows in _by_text({"train": train}, roles).values():
        if len(rows) > 1:
            (exact if len({row.texts for row in rows}) == 1 else near).append(rows)
    found = []
    for what, kind in ((exact, "more than once"), (near, "again with other case or spacing")):
        if what:
            shown = listed((" = ".join(row.source for row in rows[:_SHOWN]) for rows in what), 3)
            found.append(f"{len(what)} {things(roles)} are in train {kind}: {shown}")
    return tuple(found)


def imbalance(train: pa.Table, roles: Sequence[Role]) -> tuple[str, ...]:
    """Return a sentence where one class has ``IMBALANCE`` times the rows of another."""
    name = next((role.name for role in roles if role.kind == "class"), None)
    if name is None:
        return ()
    counts = Counter(train[name].to_pylist()).most_common()
    (most, high), (least, low) = counts[0], counts[-1]
    if high < IMBALANCE * low:
        return ()
    return (
        f"classes are far from even: {high} rows of {most!r}, {low} of {least!r}; "
        "macro_f1 counts them alike, accuracy hardly sees the small one; in the loss it can weigh "
        "more: search.space: {class_weights: [none, balanced]}",
    )


def _long(train: pa.Table, roles: Sequence[Role]) -> tuple[str, ...]:
    rows = [
        row for row in _rows("train", train, roles) if sum(map(len, row.texts)) > LONG_CHARACTERS
    ]
    if not rows:
        return ()
    longest = max(sum(map(len, row.texts)) for row in rows)
    return (
        f"{len(rows)} texts are longer than {LONG_CHARACTERS} characters (up to {longest}) and "
        f"will be cut: {listed((row.source for row in rows), _SHOWN)}",
    )
