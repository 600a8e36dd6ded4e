"""What a worker is given to work on, by where it lies on this machine. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A candidate's files on this machine; ``path`` is a folder that ``from_pretrained`` takes."""

    id: str
    path: str
    trust_remote_code: bool = False


@dataclass(frozen=True, slots=True)
class DataRef:
    """The split tables on this machine. The Arrow files' columns are named by role."""

    tables: Mapping[str, str]
    """Split name → Arrow file (IPC stream, as ``datasets.Dataset.from_file`` reads)."""
    labels: tuple[str, ...]
    fingerprint: str
    max_length: int


@dataclass(frozen=True, slots=True)
class Parent:
    """The process whose end means: save and leave. ``created`` is psutil's create_time, seconds."""

    pid: int
    created: float


@dataclass(frozen=True, slots=True)
class Tracking:
    """Who is told of a trial besides its metrics file."""

    study: str
    trackers: tuple[str, ...]
    folder: str
    """Where trackers write what they keep on this machine."""
