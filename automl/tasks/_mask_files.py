"""Folders of pictures with a mask for each, and files that name the values of masks.

Knows layouts; what masks hold, ``_masks`` says.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from automl.errors import DataError, Problem
from automl.tasks import _masks
from automl.tasks._layouts import IMAGES, NAMED

PICTURES = frozenset(
    {"images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "photo", "rgb",
     "leftimg8bit"}
)  # fmt: skip
MASKS = frozenset(
    {"masks", "mask", "labels", "label", "annotations", "annotation", "segmentationclass",
     "segmentationclassaug", "segmentation", "segmentations", "gt", "gtfine", "groundtruth", "seg",
     "segs", "targets"}
)  # fmt: skip
OTHERS = frozenset({"segmentationobject"})
"""Folders whose masks tell objects apart, not classes."""
_PICTURE_ENDS = re.compile(r"[_.-](leftimg8bit|image|img|rgb|sat)$", re.I)
_MASK_ENDS = re.compile(
    r"[_.-](gtfine_labelids|labelids|labeltrainids|masks?|seg|segmentation|gt|labels?|annotation)$",
    re.I,
)
_OTHER_ENDS = re.compile(r"[_.-](color|instanceids|labelids_color)$", re.I)
MOST_SHOWN = 20
_LAYOUTS = (
    "images/1.jpg with masks/1.png, 1.jpg with 1_mask.png, JPEGImages with SegmentationClass, or a "
    "metadata.csv with the columns image and mask"
)
_VALUE_FIRST = re.compile(r"(\d+|#[0-9a-fA-F]{6})\s*[\s:,;=]\s*(\S.*)")
_COLOUR_LAST = re.compile(r"([^:]+):(\d+),(\d+),(\d+):.*")


def pictures_with_masks(root: Path, paths: Sequence[str]) -> dict[str, list[str]]:
    """Return pictures and their masks, paired by name, and the names of their values, if any.

    Raises DataError naming every file that has no counterpart.
    """
    pictures: dict[tuple[str, ...], list[str]] = {}
    masks: dict[tuple[str, ...], list[str]] = {}
    for path in paths:
        if path.lower().endswith(IMAGES) and (kind := _kind(path)):
            into = masks if kind == "mask" else pictures
            into.setdefault(_key(path, kind), []).append(path)
    if not masks:
        message = f"{root.name} holds {len(pictures)} pictures and no masks"
        raise DataError(Problem(message, hint=_LAYOUTS))
    if problems := [*_problems(pictures, masks)]:
        if len(problems) > MOST_SHOWN:
            more = Problem(f"{len(problems) - MOST_SHOWN} more files are in no pair")
            problems = [*problems[:MOST_SHOWN], more]
        raise DataError(problems)
    found = {
        "image": [each[0] for each in pictures.values()],
        _masks.MASK: [masks[key][0] for key in pictures],
    }
    names = names_of(root, paths)
    return {**found, _masks.NAMES: [names] * len(pictures)} if names else found


def _problems(
    pictures: Mapping[tuple[str, ...], Sequence[str]],
    masks: Mapping[tuple[str, ...], Sequence[str]],
) -> Iterable[Problem]:
    for one, other, kinds in ((pictures, masks, "mask"), (masks, pictures, "picture")):
        for key, files in one.items():
            if len(files) > 1:
                yield Problem(f"{files[0]} and {files[1]} go by one name: which {kinds} is meant?")
            elif key not in other:
                yield Problem(f"{files[0]} has no {kinds}", hint=_LAYOUTS)


def _kind(path: str) -> str | None:
    """Return whether the file is a picture or a mask, by its folders, the inner ones first."""
    parts = PurePosixPath(path)
    if _OTHER_ENDS.search(parts.stem):
        return None
    for name in reversed(parts.parts[:-1]):
        words = _words(name)
        if words & OTHERS:
            return None
        if words & MASKS:
            return "mask"
        if words & PICTURES:
            return "picture"
    return "mask" if _MASK_ENDS.search(parts.stem) else "picture"


def _words(name: str) -> set[str]:
    lower = name.lower()
    return {lower, re.sub(r"[^a-z]", "", lower), *re.split(r"[^a-z]+", lower)}


def _key(path: str, kind: str) -> tuple[str, ...]:
    """Return what a picture and its mask have in common: folders without what tells them apart."""
    parts = PurePosixPath(path)
    told = PICTURES | MASKS
    kept = []
    for name in parts.parts[:-1]:
        lower = name.lower()
        if re.sub(r"[^a-z]", "", lower) not in told:
            rest = [word for word in re.split(r"[^a-z0-9]+", lower) if word not in told]
            kept.append("_".join(rest))
    ends = _MASK_ENDS if kind == "mask" else _PICTURE_ENDS
    return (*filter(None, kept), ends.sub("", parts.stem))


def names_of(root: Path, paths: Sequence[str]) -> str | None:
    """Return value → name as JSON, of the first file that names classes; None without one.

    Raises DataError naming the file, and the line, that can't be read.
    """
    there = [path for path in paths if PurePosixPath(path).name.lower() in _READERS]
    if not there:
        return None
    first = min(there, key=lambda path: (len(PurePosixPath(path).parts), path))
    try:
        text = (root / first).read_text(encoding="utf-8-sig")
        said = _READERS[PurePosixPath(first).name.lower()](text)
        return json.dumps(_masks.named(said), ensure_ascii=False)
    except (OSError, ValueError) as error:
        hint = 'id2label.json: {"0": "road", "1": "car"}; or classes.txt with a name a line'
        raise DataError(Problem(f"{first} names no classes: {error}", hint=hint)) from error


def _lines(text: str) -> object:
    """Return what lines say: ``255 cell``, ``cell:255,255,255::``, else a name each, from 0 on."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("# ")]
    coloured = [_COLOUR_LAST.fullmatch(line) for line in lines]
    if coloured and all(coloured):
        rows = [each.groups() for each in coloured if each]
        return {_masks.colour(*map(int, shade)): name for name, *shade in rows}
    numbered = [_VALUE_FIRST.fullmatch(line) for line in lines]
    if numbered and all(numbered):
        return {each[1]: each[2] for each in numbered if each}
    return lines


def _table(text: str) -> object:
    """Return what a table with the columns name, r, g and b says."""
    rows = list(csv.DictReader(text.splitlines(), skipinitialspace=True))
    if not rows or not {"name", "r", "g", "b"} <= set(rows[0]):
        raise ValueError("it takes the columns name, r, g, b")
    return {_masks.colour(*(int(row[channel]) for channel in "rgb")): row["name"] for row in rows}


_READERS: Mapping[str, Callable[[str], object]] = {
    **{name: _table if name.endswith(".csv") else json.loads for name in NAMED},
    **dict.fromkeys(
        ("classes.txt", "class_names.txt", "labels.txt", "labelmap.txt", "names.txt"), _lines
    ),
}
