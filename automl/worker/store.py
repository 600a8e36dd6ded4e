"""Encoded rows on disk as flat arrays, mapped into memory: a row is a slice, nothing is decoded.

Two arrays per ragged column (values, offsets), one per scalar column and per column of blocks, all
of one shape (pictures), and an index. Knows no text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from automl import documents

Array = npt.NDArray[Any]
INDEX = "index.json"
_HEADER_BYTES = 128
"""Size of an .npy file without values, which can't be mapped."""
Kind = Literal["scalar", "ragged", "block"]
_AS_THEY_ARE = (np.uint8, np.int16)
"""Types of pictures and sounds, which are stored as they come."""


@dataclass(frozen=True, slots=True)
class Index:
    """What a folder of encoded rows holds: row count and, by column, how many values a row has."""

    rows: int
    columns: Mapping[str, Kind]
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
        """Values of the longest column per row, scalars aside: what padding costs. Else zeros."""
        spans = [
            np.diff(column.offsets)
            if isinstance(column, Ragged)
            else np.full(self.length, np.prod(column.shape[1:], dtype=np.int64))
            for column in self.columns.values()
            if isinstance(column, Ragged) or column.ndim > 1
        ]
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
        if isinstance(column, Ragged) or column.ndim > 1:
            raise KeyError(name)
        return np.asarray(column)


def rows(columns: Mapping[str, Sequence[Any]]) -> Rows:
    """Return columns (lists of numbers, of lists of numbers, or of arrays of one shape) as Rows.

    All are equally long. Raises TypeError for what is none of these.
    """
    found: dict[str, Array | Ragged] = {}
    for name, values in columns.items():
        if len(values) > 0 and getattr(values[0], "ndim", 0) > 1:
            found[name] = np.stack(values)
        elif len(values) > 0 and hasattr(values[0], "__len__"):
            offsets = np.concatenate([[0], np.cumsum([len(value) for value in values])])
            if isinstance(values[0], np.ndarray):
                flat = np.concatenate(values)
            else:
                flat = np.asarray([item for value in values for item in value])
            found[name] = Ragged(_narrow(flat, name), offsets.astype(np.int64))
        else:
            found[name] = _narrow(np.asarray(values), name)
    return Rows(len(next(iter(columns.values()))), found)


def save(parts: Iterable[Rows], folder: Path) -> None:
    """Write the rows of all parts, one after the other, to ``folder``, which must exist.

    Only one part is in memory at a time. There is at least one.
    """
    length = 0
    files: dict[str, _File] = {}
    kinds: dict[str, Kind] = {}
    with ExitStack() as held:

        def file(name: str) -> _File:
            if name not in files:
                stream = held.enter_context((folder / f"{name}.npy").open("wb"))
                files[name] = _File(stream)
            return files[name]

        for part in parts:
            for name, column in part.columns.items():
                kinds[name] = _kind(column)
                if isinstance(column, Ragged):
                    begun = files[name].rows if name in files else 0
                    # Where one part's last row ends, the next one's first begins.
                    ends = column.offsets[1:] + begun if length else column.offsets
                    file(f"{name}.offsets").append(ends)
                    file(name).append(column.values)
                else:
                    file(name).append(column)
            length += part.length
        for each in files.values():
            each.finish()
    documents.write(folder / INDEX, Index(length, kinds))


def _kind(column: Array | Ragged) -> Kind:
    if isinstance(column, Ragged):
        return "ragged"
    return "scalar" if column.ndim == 1 else "block"


@dataclass(slots=True)
class _File:
    """An .npy file that grows: its header, which tells the shape, is written last."""

    stream: IO[bytes]
    rows: int = 0
    shape: tuple[int, ...] = ()
    dtype: np.dtype[Any] | None = None

    def append(self, values: Array) -> None:
        """Write the values, of a type and a shape (rows aside) that all parts share."""
        if self.dtype is None:
            self.stream.write(bytes(_HEADER_BYTES))
            self.dtype, self.shape = values.dtype, values.shape[1:]
        elif (self.dtype, self.shape) != (values.dtype, values.shape[1:]):
            raise TypeError(f"parts of {self.dtype} {self.shape}, then {values.dtype}")
        self.stream.write(np.ascontiguousarray(values).data)
        self.rows += len(values)

    def finish(self) -> None:
        """Write the header."""
        assert self.dtype is not None
        self.stream.seek(0)
        described = np.lib.format.dtype_to_descr(self.dtype)
        shape = (self.rows, *self.shape)
        np.lib.format.write_array_header_1_0(
            self.stream, {"descr": described, "fortran_order": False, "shape": shape}
        )
        assert self.stream.tell() == _HEADER_BYTES


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
    if values.dtype in _AS_THEY_ARE:
        return values
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    if values.dtype.kind not in "iub" or values.ndim != 1:
        raise TypeError(f"column {name!r} holds neither numbers nor lists of numbers")
    return values.astype(np.int32 if name != "labels" else np.int64)


def _mapped(path: Path) -> Array:
    # The plain view of the map slices five times faster than numpy's memmap class.
    empty = path.stat().st_size <= _HEADER_BYTES
    return np.asarray(np.load(path, mmap_mode=None if empty else "r"))
