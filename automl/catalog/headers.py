"""The header of a safetensors file: whether the file is whole, what it holds. Reads no tensor.

Format: 8 bytes little-endian header length, the header as JSON, then the tensors' bytes.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

LONGEST_HEADER = 100_000_000
"""Bytes; the limit of the safetensors library itself."""


def defect(path: Path) -> str | None:
    """Return what is wrong with the safetensors file, or None when header and length agree."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > min(LONGEST_HEADER, size - 8):
            return f"{path.name} is no safetensors file or is cut short ({size:,} bytes)"
        header = stream.read(length)
    try:
        tensors = json.loads(header)
        ends = [
            entry["data_offsets"][1] for name, entry in tensors.items() if name != "__metadata__"
        ]
        expected = 8 + length + max(ends, default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return f"{path.name} has a damaged safetensors header"
    if not ends:
        return f"{path.name} holds no tensors"
    if size != expected:
        return f"{path.name} has {size:,} bytes where its header says {expected:,}"
    return None


def weights(path: Path) -> dict[str, int]:
    """Return how many numbers each tensor of a file without ``defect`` has, by name."""
    with path.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    return {
        name: math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__"
    }
