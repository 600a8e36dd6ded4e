"""Finds the files that a path, folder, glob or saved data set stands for. Reads no rows."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from automl.data.columnar import class_names
from automl.data.formats import SUFFIXES, data_files
from automl.data.part import Target, listed, refused
from automl.data.splitnames import picked
from automl.errors import DataError

_DATASET = "state.json"
_DATASETS = "dataset_dict.json"


def exists(reference: str, folder: Path) -> bool:
    """Return whether the reference is a path here, or a pattern rather than a name."""
    return _path(reference, folder).exists() or glob.has_magic(reference)


def find(reference: str, folder: Path, split: str) -> list[Target]:
    """Return the files that hold ``split``, sorted by path.

    ``reference`` is a path or a glob (``**`` crosses folders) relative to ``folder``. In a folder,
    and in what ``save_to_disk`` wrote, the split picks by name. Raises DataError where there is
    none, with the nearest existing name.
    """
    path = _path(reference, folder)
    if path.is_dir():
        return _in_folder(reference, path, split)
    if path.is_file():
        return [Target(path, _name(reference, path.name), path.name)]
    if glob.has_magic(reference):
        return _matching(reference, folder)
    raise missing(reference, folder)


def is_saved(folder: Path) -> bool:
    """Return whether the folder was written by ``save_to_disk``."""
    return (folder / _DATASETS).is_file() or (folder / _DATASET).is_file()


def missing(reference: str, folder: Path, more: str = "") -> DataError:
    """Return the error for a reference that leads nowhere, hinting at the nearest existing name."""
    return refused(f"{reference} does not exist{more}", _nearest(reference, folder))


def _path(reference: str, folder: Path) -> Path:
    return folder / Path(reference).expanduser()


def _name(reference: str, relative: str) -> str:
    """Return what to call a file: as the recipe would write it, unless that is absolute."""
    if Path(reference).expanduser().is_absolute():
        return relative
    written = Path(reference).as_posix()
    return written if written.endswith(relative) else f"{written}/{relative}"


def _in_folder(reference: str, root: Path, split: str) -> list[Target]:
    if (root / _DATASETS).is_file():
        splits = [str(name) for name in _described(root / _DATASETS)["splits"]]
        (wanted,) = picked(splits, split, reference)[:1]
        return _saved(reference, root, wanted)
    if (root / _DATASET).is_file():
        return _saved(reference, root, "")
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    paths = data_files(path.as_posix() for path in sorted(found))
    if not paths:
        raise refused(f"{reference} holds no data file", f"data files end in {SUFFIXES}")
    return [
        Target(root / path, _name(reference, path), path)
        for path in picked(paths, split, reference)
    ]


def _saved(reference: str, root: Path, split: str) -> list[Target]:
    """Return the Arrow files of a data set written by ``save_to_disk``, in their order."""
    folder = root / split
    state = _described(folder / _DATASET)
    info = folder / "dataset_info.json"
    classes = class_names(_described(info).get("features") or {}) if info.is_file() else {}
    names = [Path(split, file["filename"]).as_posix() for file in state["_data_files"]]
    return [Target(root / name, _name(reference, name), name, classes) for name in names]


def _described(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise refused(f"{path.name} of the saved data set cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise refused(f"{path.name} of the saved data set is not an object")
    return found


def _matching(reference: str, folder: Path) -> list[Target]:
    pattern = str(Path(reference).expanduser())
    found = data_files(
        path
        for path in sorted(glob.glob(pattern, root_dir=folder, recursive=True))
        if (folder / path).is_file()
    )
    if not found:
        raise refused(
            f"no data file matches {reference}",
            f"data files end in {SUFFIXES}; ** crosses folders",
        )
    root = _fixed(pattern)
    relatives = [Path(path).relative_to(root).as_posix() for path in found]
    absolute = Path(pattern).is_absolute()
    return [
        Target(folder / path, relative if absolute else Path(path).as_posix(), relative)
        for path, relative in zip(found, relatives, strict=True)
    ]


def _fixed(pattern: str) -> Path:
    """Return the folders of a pattern before its first wildcard."""
    parts: list[str] = []
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts)


def _nearest(reference: str, folder: Path) -> str | None:
    """Return a hint with the closest name in the nearest folder that exists."""
    path = _path(reference, folder)
    parent = path.parent
    while not parent.is_dir() and parent != parent.parent:
        path, parent = parent, parent.parent
    there = _visible(parent)
    close = get_close_matches(path.name, there, n=1, cutoff=0.5)
    where = parent.name if parent != folder else "the recipe's folder"
    if close:
        found = parent / close[0]
        inside = found.is_relative_to(folder)
        return f"did you mean {found.relative_to(folder).as_posix() if inside else close[0]!r}?"
    return f"{where} holds {listed(there)}" if there else f"{where} is empty"


def _visible(folder: Path) -> list[str]:
    names: Iterable[str] = (path.name for path in folder.iterdir())
    return sorted(name for name in names if not name.startswith("."))
