"""What the data looks like in numbers: class counts, text lengths, duplicates. Judges nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from automl.data.nested import readable
from automl.plan import Profile
from automl.tasks import MEDIA, Columns, Role


def profile(
    tables: Mapping[str, pa.Table],
    roles: Sequence[Role],
    hashes: Sequence[bytes],
    dropped: int,
    within: Callable[[Columns], tuple[str, ...]] | None = None,
) -> Profile:
    """Return the profile of the split tables.

    ``hashes`` are the train rows' content hashes, whose repeats are the duplicate rows;
    ``dropped`` is how many rows had no text. Lengths add up all texts of a row. ``within`` tells
    the classes in rows, where these are no role's values.
    """
    classes = next((role for role in roles if role.kind in ("class", "classes")), None)
    train = tables["train"]
    inputs = [
        role
        for role in roles
        if not role.is_target and role.kind not in MEDIA and role.name in train.column_names
    ]
    return Profile(
        class_counts={
            split: _counts(table, classes) if within is None else _counts_within(table, within)
            for split, table in tables.items()
        },
        characters=_lengths(train, inputs),
        duplicate_rows=len(hashes) - len(set(hashes)),
        dropped_rows=dropped,
    )


def _counts(table: pa.Table, role: Role | None) -> dict[str, int]:
    if role is None or role.name not in table.column_names:
        return {}
    values = table[role.name].to_pylist()
    if role.kind == "classes":
        values = [each for several in values for each in several]
    return dict(sorted(Counter(values).items()))


def _counts_within(
    table: pa.Table, classes: Callable[[Columns], tuple[str, ...]]
) -> dict[str, int]:
    """Return how many rows hold each class."""
    columns = table.to_pydict()
    each = (
        classes({role: values[row : row + 1] for role, values in columns.items()})
        for row in range(table.num_rows)
    )
    return dict(sorted(Counter(label for found in each for label in found).items()))


def _lengths(table: pa.Table, inputs: Sequence[Role]) -> dict[str, int]:
    if not inputs or table.num_rows == 0:
        return {"p50": 0, "p95": 0, "max": 0}
    by_role = [[len(text) for text in readable(table, role)] for role in inputs]
    ordered = sorted(map(sum, zip(*by_role, strict=True)))
    return {
        "p50": ordered[(len(ordered) - 1) // 2],
        "p95": ordered[(len(ordered) - 1) * 95 // 100],
        "max": ordered[-1],
    }
