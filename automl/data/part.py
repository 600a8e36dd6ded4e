"""The rows of one file as they were read, with where each stands. Knows no format and no task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from automl.errors import DataError, Problem
from automl.plan import FileHash

SOURCE = "__source__"
"""Column that says where a row stands: ``train.csv:17``."""
GROUP = "__group__"
"""Column of ``group_by`` values, as strings; only while splitting."""
SLICE = "__slice__"
"""Begins the names of columns by which results are told, as strings; only until rows are split."""
OWN = (SOURCE, GROUP, SLICE)
"""What columns begin with that belong to no role."""


@dataclass(frozen=True, slots=True)
class Target:
    """A file on this machine that holds rows."""

    path: Path
    name: str
    """What people call it: as the recipe wrote it, or its place in the repository or bucket."""
    relative: str
    """Posix path from the source's root; goes into the plan, so it is never absolute."""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Class names by column, where the source's own description declares them."""


@dataclass(frozen=True, slots=True)
class Part:
    """All columns of one file, and the number of each row."""

    name: str
    table: pa.Table
    numbers: pa.Array
    """Line (csv, jsonl) or row (json array, parquet, arrow) of each row, int64, from 1."""
    typed: bool
    """False where the format knows nothing but text (csv, tsv)."""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Class names in their declared order, for columns that were indices into them."""
    mixed: Mapping[str, str] = field(default_factory=dict)
    """Column → what is inconsistent about it; a reason to refuse the column, not the file."""
    places: pa.Array | None = None
    """Where each row stands, where that is no number within a file."""
    folder: Path | None = None
    """Folder that paths in the rows start from; null: they can't be found."""
    depth: int = 0
    """How many folders above it they may start from as well: those within the source."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one source reference stands for."""

    parts: tuple[Part, ...]
    files: tuple[FileHash, ...]
    revision: str | None = None
    """Commit of a hub data set."""


def refused(message: str, hint: str | None = None) -> DataError:
    """Return a DataError whose place is not known yet; ``load`` adds where the recipe says so."""
    return DataError(Problem(message, hint=hint))


def listed(names: Iterable[object], limit: int = 10) -> str:
    """Return names joined by commas, the first ``limit`` of them and how many more there are."""
    found = [str(name) for name in names]
    more = f" and {len(found) - limit} more" if len(found) > limit else ""
    return ", ".join(found[:limit]) + more
