"""What the data looks like in numbers: class counts, text lengths, duplicates. Judges nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from automl.plan import Profile
from automl.tasks import Role


def profile(
    tables: Mapping[str, pa.Table], roles: Sequence[Role], hashes: Sequence[bytes], dropped: int
) -> Profile:
    """Return the profile of the split tables.

    ``hashes`` are the train rows' content hashes, whose repeats are the duplicate rows;
    ``dropped`` is how many rows had no text. Lengths add up all texts of a row.
    """
    classes = next((role.name for role in roles if role.kind == "class"), None)
    texts = [role.name for role in roles if role.kind == "text" and role.name in tables["train"]
             .column_names]  # fmt: skip
    return Profile(
        class_counts={split: _counts(table, classes) for split, table in tables.items()},
        characters=_lengths(tables["train"], texts),
        duplicate_rows=len(hashes) - len(set(hashes)),
        dropped_rows=dropped,
    )


def _counts(table: pa.Table, role: str | None) -> dict[str, int]:
    if role is None or role not in table.column_names:
        return {}
    return dict(sorted(Counter(table[role].to_pylist()).items()))


def _lengths(table: pa.Table, texts: Sequence[str]) -> dict[str, int]:
    if not texts or table.num_rows == 0:
        return {"p50": 0, "p95": 0, "max": 0}
    total = pc.utf8_length(table[texts[0]])
    for name in texts[1:]:
        total = pc.add(total, pc.utf8_length(table[name]))
    ordered = sorted(total.to_pylist())
    return {
        "p50": ordered[(len(ordered) - 1) // 2],
        "p95": ordered[(len(ordered) - 1) * 95 // 100],
        "max": ordered[-1],
    }
