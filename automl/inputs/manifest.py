"""What a file of inputs says of itself: its first member, ``manifest.json``. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from automl.errors import InputError
from automl.plan import FileHash, Refusal

NAME = "manifest.json"
PROJECT = "project"
"""Folder of the recipe, its data and its model folders, as they lie to each other."""
HUB = "hub"
"""Folder that the hub's client takes for its cache."""
ORIGINAL = "original"
"""Folder of the recipe and its parents as they were written, to be read."""
WHEELS = "wheels"
REQUIREMENTS = "requirements.txt"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files, each with its hash, and what they are for. Holds no clock."""

    name: str
    """The study's."""
    recipe: str
    """Path of the recipe that is to be run."""
    files: tuple[FileHash, ...]
    left_out: tuple[Refusal, ...]
    """Models that were refused, and settings that need a network; they did not come along."""
    python: str
    """Version and platform of the machine that packed: what ``wheels/`` fits."""
    schema: Literal["automl/inputs"] = "automl/inputs"
    version: int = 1

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(each.bytes for each in self.files)

    def refuse_escapes(self, source: str) -> None:
        """Raise InputError where a path leads out of the folder, or two are the same."""
        paths = [each.path for each in self.files]
        for path in (*paths, self.recipe):
            parts = PurePosixPath(path).parts
            plain = path == "/".join(parts) and "\\" not in path and "\0" not in path
            if not parts or not plain or ".." in parts or path.startswith("/") or path == NAME:
                raise InputError(f"{source} is refused: the path {path!r} leads out of it")
        if len(set(paths)) != len(paths) or self.recipe not in paths:
            raise InputError(f"{source} is refused: its manifest contradicts itself")
        if any(each.bytes < 0 for each in self.files):
            raise InputError(f"{source} is refused: its manifest contradicts itself")
