"""Encoded rows on disk as flat arrays, mapped into memory: a row is a slice, nothing is decoded.

Two arrays per ragged column (values, offsets), one per scalar column, and an index. Knows no text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from automl import documents

Array = npt.NDArray[Any]
INDEX = "index.json"
_HEADER_BYTES = 128
"""Size of an .npy file without values, which can't be mapped."""


@dataclass(frozen=True, slots=True)
class Index:
    """What a folder of encoded rows holds: row count and, by column, how many values a row has."""

    rows: int
    columns: Mapping[str, Literal["scalar", "ragged"]]
    schema: Literal["automl/rows"] = "automl/rows"
    version: int = 1


@dataclass(frozen=True, slots=True)
class Ragged:
    """Row ``i`` is ``values[offsets[i]:offsets[i + 1]]``."""

    values: Array
    offsets: Array

    def __getitem__(self, row: int) -> Array:
        """Return the row's values; a view, not to be written to."""
        found: Array = self.values[self.offsets[row] : self.offsets[row + 1]]
        return found


@dataclass(frozen=True, slots=True)
class Rows:
    """Encoded rows, indexable as a torch dataset is."""

    length: int
    columns: Mapping[str, Array | Ragged]

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.length

    def __getitem__(self, row: int) -> dict[str, Any]:
        """Return input name → array or scalar of one row."""
        return {name: column[row] for name, column in self.columns.items()}

    @property
    def lengths(self) -> Array:
        """Values of the longest ragged column per row: what padding costs. Zeros without one."""
        spans = [np.diff(c.offsets) for c in self.columns.values() if isinstance(c, Ragged)]
        found: Array = np.max(spans, axis=0) if spans else np.zeros(self.length, dtype=np.int64)
        return found

    def take(self, rows: npt.NDArray[np.int64]) -> Rows:
        """Return the rows with these indices, in this order, copied."""
        found: dict[str, Array | Ragged] = {}
        for name, column in self.columns.items():
            if isinstance(column, Ragged):
                parts = [column[int(row)] for row in rows]
                ends = np.cumsum([0, *map(len, parts)])
                flat = np.concatenate(parts) if parts else column.values[:0]
                found[name] = Ragged(flat, ends.astype(np.int64))
            else:
                found[name] = column[rows]
        return Rows(len(rows), found)

    def scalars(self, name: str) -> Array:
        """Return a scalar column whole; KeyError when there is none of that name."""
        column = self.columns[name]
        if isinstance(column, Ragged):
            raise KeyError(name)
        return np.asarray(column)


def rows(columns: Mapping[str, Sequence[Any]]) -> Rows:
    """Return columns (lists of numbers, or of lists of numbers, all equally long) as Rows.

    Raises TypeError for what is neither.
    """
    found: dict[str, Array | Ragged] = {}
    for name, values in columns.items():
        if len(values) > 0 and hasattr(values[0], "__len__"):
            offsets = np.concatenate([[0], np.cumsum([len(value) for value in values])])
            flat = np.asarray([item for value in values for item in value])
            found[name] = Ragged(_narrow(flat, name), offsets.astype(np.int64))
        else:
            found[name] = _narrow(np.asarray(values), name)
    return Rows(len(next(iter(columns.values()))), found)


def save(rows: Rows, folder: Path) -> None:
    """Write the rows to ``folder``, which must exist."""
    for name, column in rows.columns.items():
        if isinstance(column, Ragged):
            np.save(folder / f"{name}.offsets.npy", column.offsets)
        np.save(folder / f"{name}.npy", column.values if isinstance(column, Ragged) else column)
    kinds: dict[str, Literal["scalar", "ragged"]] = {
        name: "ragged" if isinstance(column, Ragged) else "scalar"
        for name, column in rows.columns.items()
    }
    documents.write(folder / INDEX, Index(rows.length, kinds))


def load(folder: Path) -> Rows:
    """Return the rows saved in ``folder``, mapped into memory."""
    index = documents.read(Index, folder / INDEX)
    columns: dict[str, Array | Ragged] = {}
    for name, kind in index.columns.items():
        values = _mapped(folder / f"{name}.npy")
        ragged = kind == "ragged"
        columns[name] = (
            Ragged(values, _mapped(folder / f"{name}.offsets.npy")) if ragged else values
        )
    return Rows(index.rows, columns)


def _narrow(values: Array, name: str) -> Array:
    """Return integers as int64 (int32 where they are tokens by the million), floats as float32."""
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    if values.dtype.kind not in "iub" or values.ndim != 1:
        raise TypeError(f"column {name!r} holds neither numbers nor lists of numbers")
    return values.astype(np.int32 if name != "labels" else np.int64)


def _mapped(path: Path) -> Array:
    # The plain view of the map slices five times faster than numpy's memmap class.
    empty = path.stat().st_size <= _HEADER_BYTES
    return np.asarray(np.load(path, mmap_mode=None if empty else "r"))
