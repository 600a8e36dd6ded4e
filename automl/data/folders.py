"""Folders of pictures or sounds: rows told by data files in them, else by how they are laid out.

Knows which files belong to a split; what their layout means is the task's to say.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import pyarrow as pa

from automl.data import media
from automl.data.arrays import integers, strings
from automl.data.formats import PLAIN, data_files, is_hidden
from automl.data.part import Part, Reading, Target, listed, refused
from automl.data.splitnames import WORDS, picked
from automl.data.streams import hashed
from automl.plan import FileHash
from automl.tasks import Task
from automl.tasks._layouts import NAMED


def read(root: Path, reference: str, split: str, task: Task) -> Reading | list[Target]:
    """Return the rows of ``split`` below ``root``; or the data files that hold them.

    Data files win over a layout. Raises DataError where there is neither, or nothing for the split.
    """
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    paths = [path.as_posix() for path in sorted(found) if not is_hidden(path.as_posix())]
    aside = (PLAIN, *(f"/{name}" for name in NAMED))
    tables = [path for path in data_files(paths) if not f"/{path.lower()}".endswith(aside)]
    if tables:
        return [
            Target(root / path, _name(reference, path), path)
            for path in picked(tables, split, reference)
        ]
    medium = task.media[0].kind
    if task.gather is None or not any(media.is_media(path, medium) for path in paths):
        endings = " ".join(media.SUFFIXES[medium])
        raise refused(f"{reference} holds no {medium} and no data file", f"files end in {endings}")
    listed_in = _lists(root, paths)
    if listed_in:
        wanted = _on_list(paths, split, reference, medium, listed_in)
    else:
        wanted = _of_split(paths, split, reference, medium)
    return _laid_out(root, reference, wanted, task)


def split_of(path: str) -> str | None:
    """Return the split that the outermost of the path's folders names which names one.

    Names of files say what is in a picture. ``val2017`` and ``train_images`` name a split.
    """
    for name in PurePosixPath(path).parts[:-1]:
        words = set(re.split(r"[^a-z]+", name.lower()))
        found = [split for split, known in WORDS.items() if words & set(known)]
        if len(found) == 1:
            return found[0]
    return None


def _lists(root: Path, paths: Sequence[str]) -> dict[str, set[str]]:
    """Return split → names of its files without suffix, where Pascal VOC's lists tell them.

    Those are ``ImageSets/Main/train.txt`` and its like; lists of a class (``cat_train``) are not.
    """
    found: dict[str, set[str]] = {}
    for path in map(PurePosixPath, paths):
        named = next((split for split, known in WORDS.items() if path.stem.lower() in known), None)
        if path.parts[-3:-1] == ("ImageSets", "Main") and path.suffix == PLAIN and named:
            lines = (root / path).read_text(encoding="utf-8", errors="replace").splitlines()
            found.setdefault(named, set()).update(line.split()[0] for line in lines if line.strip())
    return found


def _on_list(
    paths: Sequence[str],
    split: str,
    reference: str,
    medium: str,
    lists: Mapping[str, set[str]],
) -> list[str]:
    if split not in lists:
        raise refused(
            f"{reference} has no list for {split} in ImageSets/Main; it has some for "
            f"{listed(sorted(lists))}",
            "name a folder of its own, or give a share such as 0.1",
        )
    media_files = {path for path in paths if media.is_media(path, medium)}
    there = {PurePosixPath(path).stem for path in media_files}
    if missing := sorted(lists[split] - there):
        raise refused(f"{reference}: ImageSets/Main lists {listed(missing, 5)} for {split}, of "
                      f"which there is no {medium}")  # fmt: skip
    return [
        path
        for path in paths
        if path not in media_files or PurePosixPath(path).stem in lists[split]
    ]


def _of_split(paths: Sequence[str], split: str, reference: str, medium: str) -> list[str]:
    named = {path: split_of(path) for path in paths}
    if not any(found for path, found in named.items() if media.is_media(path, medium)):
        return list(paths)
    # What belongs to no split (a list of class names) may be needed for any.
    wanted = [path for path, found in named.items() if found in (split, None)]
    if not any(media.is_media(path, medium) and named[path] for path in wanted):
        there = sorted({found for found in named.values() if found})
        raise refused(
            f"{reference} has no folder for {split}; it has some for {listed(there)}",
            "name the folder itself, or give a share such as 0.1",
        )
    return wanted


def _laid_out(root: Path, reference: str, paths: Sequence[str], task: Task) -> Reading:
    assert task.gather is not None
    columns = task.gather(root, paths)
    roles = [role.name for role in task.media if role.name in columns]
    first = columns[roles[0]]
    files = {role: [str((root / path).absolute()) for path in columns[role]] for role in roles}
    table = pa.table({**{k: _array(v) for k, v in columns.items()}, **files})
    part = Part(
        name=reference,
        table=table,
        numbers=integers(range(1, table.num_rows + 1)),
        typed=True,
        places=strings(_name(reference, path) for path in first),
        folder=root.absolute(),
    )
    return Reading((part,), (_hashed_together(root, paths, task),))


def _array(values: Sequence[object]) -> pa.Array:
    return pa.array(values)


def _hashed_together(root: Path, paths: Sequence[str], task: Task) -> FileHash:
    """Return one hash for all files, by their names and contents: there may be a million."""
    digests: dict[str, str] = {}
    rest = list(paths)
    for kind in dict.fromkeys(role.kind for role in task.media):
        those = {str((root / path).absolute()): path for path in rest if media.is_media(path, kind)}
        seen = media.seen_files(those, kind)
        digests |= {those[path]: each.sha256 for path, each in seen.items()}
        rest = [path for path in rest if path not in digests]
    digests |= {path: hashed(Target(root / path, path, path)).sha256 for path in rest}
    lines = "".join(f"{path} {digests[path]}\n" for path in sorted(digests))
    size = sum((root / path).stat().st_size for path in paths)
    return FileHash(".", hashlib.sha256(lines.encode()).hexdigest(), size)


def _name(reference: str, path: str) -> str:
    """Return what to call a file: as the recipe would write it, unless that is absolute."""
    if Path(reference).expanduser().is_absolute():
        return path
    return f"{Path(reference).as_posix()}/{path}"
