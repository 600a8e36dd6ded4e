"""What the layout of a folder of files says: a class by folder, a mask beside a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from automl.errors import DataError, Problem

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
NAMED = ("id2label.json", "classes.json", "class_dict.csv")
"""Files that name classes, and hold no rows."""
SOUNDS = (".wav", ".flac", ".ogg", ".mp3", ".opus", ".aiff", ".aif", ".au")


def by_class(paths: Sequence[str], suffixes: Sequence[str], role: str) -> dict[str, list[str]]:
    """Return the files and their classes: each is named by the folder that it lies in.

    Raises DataError where a file lies in no folder.
    """
    files = [path for path in paths if path.lower().endswith(tuple(suffixes))]
    loose = [path for path in files if len(PurePosixPath(path).parts) < 2]
    if loose:
        raise DataError(
            Problem(
                f"{len(loose)} of {len(files)} files lie in no folder that names their class, e.g. "
                f"{loose[0]}",
                hint="one folder a class: train/cat/1.jpg; or a metadata.csv with file_name, label",
            )
        )
    return {role: files, "label": [PurePosixPath(path).parent.name for path in files]}


def pictures_by_class(root: Path, paths: Sequence[str]) -> dict[str, list[str]]:
    """Return pictures with the class that their folder names; errors as ``by_class``."""
    return by_class(paths, IMAGES, "image")


def sounds_by_class(root: Path, paths: Sequence[str]) -> dict[str, list[str]]:
    """Return sounds with the class that their folder names; errors as ``by_class``."""
    return by_class(paths, SOUNDS, "audio")


def undescribed(missing: str) -> Callable[[Path, Sequence[str]], Mapping[str, Sequence[str]]]:
    """Return what refuses a folder of pictures, as no layout of one tells what is ``missing``."""

    def refuse(root: Path, paths: Sequence[str]) -> Mapping[str, Sequence[str]]:
        raise DataError(
            Problem(
                f"{root.name} holds pictures, and no file that tells {missing}",
                hint="write a metadata.csv into it, with the columns file_name and label",
            )
        )

    return refuse
