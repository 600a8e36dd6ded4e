"""Builds Arrow arrays and scalars from Python values without ``pa.array`` and ``pa.scalar``.

Those two import pandas when it is installed (35 MB and half a second in a process that needs
none of it).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import pyarrow as pa


def strings(values: Iterable[str | None]) -> pa.Array:
    """Return a string array. Raises TypeError for what is no string and UnicodeEncodeError for
    half a surrogate pair."""
    builder = pa.lib.StringBuilder()
    builder.append_values(values)
    return builder.finish()


def integers(values: Iterable[int]) -> pa.Array:
    """Return an int64 array; OverflowError for values beyond 64 bits."""
    held = array("q", values)
    return pa.Array.from_buffers(pa.int64(), len(held), [None, pa.py_buffer(held)])


def string(value: str) -> pa.Scalar:
    """Return a string scalar, for Arrow's compute functions."""
    return strings([value])[0]


def null(type_: pa.DataType) -> pa.Scalar:
    """Return the null scalar of a type."""
    return pa.nulls(1, type_)[0]
