"""Which split a file belongs to by its name. Knows names only; opens nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from automl.data.part import listed, refused

WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""What a split is called in file, folder and configuration names."""


def split_of(path: str) -> str | None:
    """Return the split that a relative posix path names: its file name, else its nearest folder.

    ``train-00000-of-00002.parquet``, ``my_dev.csv`` and ``test/a.csv`` name one; a name with words
    of two splits names none.
    """
    place = PurePosixPath(path)
    for name in (place.name.split(".")[0], *reversed(place.parts[:-1])):
        words = set(re.split(r"[^a-z]+", name.lower()))
        found = [split for split, known in WORDS.items() if words & set(known)]
        if len(found) == 1:
            return found[0]
    return None


def picked(paths: Sequence[str], split: str, source: str) -> list[str]:
    """Return the paths that hold ``split``: those named so, or all where none is named.

    Raises DataError listing what is there when others are named and ``split`` is not.
    """
    named = {path: split_of(path) for path in paths}
    if not any(named.values()):
        return list(paths)
    wanted = [path for path, found in named.items() if found == split]
    if not wanted:
        there = [f"{path} ({found})" for path, found in named.items() if found]
        raise refused(
            f"{source} has no file for {split}; it has {listed(there)}",
            "name the file itself, or give a share such as 0.1",
        )
    return wanted
