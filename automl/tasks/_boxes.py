"""Objects in pictures as data has them, brought to one form: labels and corners in pixels.

Pure but for the pictures' headers, which tell their sizes. Knows no model.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, NamedTuple

from automl.errors import DataError
from automl.tasks import Columns, Malformed, Prepared, _images

OBJECTS = "objects"
SIZE = "size"
"""Key of [width, height] that the annotations say the picture has."""
EXTENTS = ("bbox", "bboxes")
"""Keys of [x, y, width, height], as COCO has them."""
CORNERS = ("box", "boxes")
"""Keys of [x0, y0, x1, y1]."""
LABELS = (
    "label",
    "labels",
    "category",
    "categories",
    "class",
    "classes",
    "name",
    "names",
    "category_name",
)
CROWD = "iscrowd"
SLACK = 1.0
"""Pixels by which a box may leave its picture without a word: roundings."""
MANY = 0.2
"""Share of clipped boxes from which it is asked whether they are written in another form."""
_FORMS = (
    '[{"label": "cat", "box": [x0, y0, x1, y1]}] or {"bbox": [[x, y, width, height]], '
    '"category": ["cat"]}, in pixels'
)

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels of the upright picture."""


class Object(NamedTuple):
    """What is in a picture, and where."""

    label: str
    box: Box


class _Wrong(Exception):
    """What is wrong with a row; the second argument is a hint."""


@dataclass(slots=True)
class _Tally:
    """What was done to boxes."""

    objects: int = 0
    crowds: int = 0
    clipped: list[str] = field(default_factory=list)
    """Pictures, once for each box that was."""
    empty: int = 0


def objects(value: str) -> list[Object]:
    """Return what a row holds that went through ``prepare``."""
    return [Object(each["label"], tuple(each["box"])) for each in json.loads(value)]


def written(found: Sequence[Object]) -> str:
    """Return the objects as they are stored."""
    rows = [{"box": list(each.box), "label": each.label} for each in found]
    return json.dumps(rows, ensure_ascii=False, sort_keys=True)


def prepare(columns: Columns) -> Prepared:
    """Return the columns with objects in their one form; as they are where there are none.

    Boxes that leave the picture are clipped, and counted where that is more than ``SLACK``; crowds
    are left out, and counted. Malformed is what is in no known form, has no label, no area, or lies
    outside; and boxes that are no pixels, or of a picture of another size.
    """
    if OBJECTS not in columns:
        return Prepared(columns)
    tally, wrong = _Tally(), []
    stored: list[str] = []
    for row, (picture, value) in enumerate(zip(columns["image"], columns[OBJECTS], strict=True)):
        name = PurePath(picture).name if isinstance(picture, str) else "the picture"
        try:
            stored.append(written(_row(picture, name, value, tally)))
        except _Wrong as error:
            rule, hint = error.args
            wrong.append(Malformed(row, rule, hint))
            stored.append("[]")
    notes = tuple(_notes(tally, len(stored)))
    return Prepared({**columns, OBJECTS: stored}, notes, tuple(wrong))


def classes(columns: Columns) -> tuple[str, ...]:
    """Return the labels that occur, whole numbers by value, else by name."""
    found = {each.label for value in columns[OBJECTS] for each in objects(value)}
    if all(label.removeprefix("-").isdecimal() for label in found):
        return tuple(sorted(found, key=int))
    return tuple(sorted(found))


def _row(picture: Any, name: str, value: str, tally: _Tally) -> list[Object]:
    said = _decoded(value)
    size = _size(picture, name)
    _check_size(said, size, name)
    found: list[Object] = []
    for number, (label, numbers, extent) in enumerate(_each(said, tally), 1):
        place = f"object {number} of {name}"
        box = _clipped(_corners(numbers, extent, place), size, place, name, tally)
        if label is None or not str(label).strip():
            raise _Wrong(f"{place} has no label", f"write {_FORMS}")
        found.append(Object(str(label), box))
    tally.objects += len(found)
    tally.empty += not found
    return found


def _decoded(value: str) -> Any:
    try:
        said = json.loads(value)
    except (json.JSONDecodeError, RecursionError):
        said = None
    if not isinstance(said, list | dict):
        raise _Wrong(
            f"objects are neither a list nor an object: {_short(value)}", f"write {_FORMS}"
        )
    return said


def _size(picture: Any, name: str) -> tuple[int, int]:
    try:
        return _images.size(picture)
    except DataError as error:
        raise _Wrong(f"{name} {error}", None) from error


def _check_size(said: Any, size: tuple[int, int], name: str) -> None:
    told = said.get(SIZE) if isinstance(said, dict) else None
    if told is None or tuple(told) == size or not all(told):
        return
    hint = "annotations and pictures must be of one size: resize neither alone"
    if tuple(reversed(told)) == size:
        hint = "the picture is turned by its EXIF: boxes are of the picture as it is shown, upright"
    raise _Wrong(
        f"the objects of {name} are of a picture of {told[0]} x {told[1]} pixels, it has "
        f"{size[0]} x {size[1]}",
        hint,
    )


def _each(said: Any, tally: _Tally) -> Iterator[tuple[Any, Any, bool]]:
    """Yield label, numbers, and whether these are a corner and an extent, of each object."""
    for each in said if isinstance(said, list) else _apart(said):
        if not isinstance(each, dict):
            raise _Wrong(f"an object is {_short(each)}", f"write {_FORMS}")
        if each.get(CROWD):
            tally.crowds += 1
            continue
        extent = next((key for key in EXTENTS if key in each), None)
        corners = next((key for key in CORNERS if key in each), None)
        if (extent is None) == (corners is None):
            rule = "has no box" if extent is None else f"has both {extent} and {corners}"
            raise _Wrong(f"an object {rule}: it has {', '.join(each)}", f"write {_FORMS}")
        label = next((each[key] for key in LABELS if key in each), None)
        yield label, each[extent or corners or ""], extent is not None


def _apart(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an object each of lists by key, all equally long."""
    lists = {key: value for key, value in said.items() if isinstance(value, list) and key != SIZE}
    known = [key for key in (*EXTENTS, *CORNERS) if key in lists]
    if not known:
        raise _Wrong(f"objects have no boxes: they have {', '.join(said) or 'nothing'}",
                     f"write {_FORMS}")  # fmt: skip
    count = len(lists[known[0]])
    lists = {key: value for key, value in lists.items() if key in (*known, *LABELS, CROWD)}
    for key, value in lists.items():
        if len(value) != count:
            raise _Wrong(f"objects have {count} {known[0]} and {len(value)} {key}", None)
    return [{key: value[place] for key, value in lists.items()} for place in range(count)]


def _corners(numbers: Any, extent: bool, place: str) -> Box:
    if isinstance(numbers, dict):
        numbers = [numbers.get(key) for key in ("xmin", "ymin", "xmax", "ymax")]
    if not isinstance(numbers, list) or len(numbers) != 4 or not all(map(_finite, numbers)):
        raise _Wrong(f"{place}: its box is no four numbers: {_short(numbers)}", f"write {_FORMS}")
    x, y, third, fourth = map(float, numbers)
    if extent and (third <= 0 or fourth <= 0):
        raise _Wrong(
            f"{place}: its box has no area: {_short(numbers)} is [x, y, width, height]",
            "remove the object, or mend its box",
        )
    box = (x, y, x + third, y + fourth) if extent else (x, y, third, fourth)
    if box[0] > box[2] or box[1] > box[3]:
        raise _Wrong(
            f"{place}: its box ends before it begins: {_short(numbers)} is [x0, y0, x1, y1]",
            "[x, y, width, height] goes under bbox",
        )
    if box[0] == box[2] or box[1] == box[3]:
        raise _Wrong(
            f"{place}: its box has no area: {_short(numbers)} is [x0, y0, x1, y1]",
            "remove the object, or mend its box",
        )
    if max(map(abs, box)) <= 1:
        raise _Wrong(
            f"{place}: its box is written in shares of the picture, not in pixels: "
            f"{_short(numbers)}",
            "multiply by width and height; of YOLO's files name the folder, they are read as is",
        )
    return box


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _clipped(box: Box, size: tuple[int, int], place: str, name: str, tally: _Tally) -> Box:
    width, height = size
    left, top = max(0.0, box[0]), max(0.0, box[1])
    right, bottom = min(float(width), box[2]), min(float(height), box[3])
    shown = ", ".join(f"{each:g}" for each in box)
    if right <= left or bottom <= top:
        raise _Wrong(
            f"{place}: its box from [{shown}] lies outside of {width} x {height} pixels",
            "is it [x, y, width, height]? that goes under bbox, [x0, y0, x1, y1] under box",
        )
    if max(left - box[0], top - box[1], box[2] - right, box[3] - bottom) > SLACK:
        tally.clipped.append(name)
    return (round(left, 2), round(top, 2), round(right, 2), round(bottom, 2))


def _notes(tally: _Tally, rows: int) -> Iterator[str]:
    if tally.crowds:
        yield f"{tally.crowds} crowds (iscrowd) are left out: they are no single objects"
    if tally.clipped:
        named = list(dict.fromkeys(tally.clipped))
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        note = (
            f"{len(tally.clipped)} of {tally.objects} boxes leave their picture and are clipped: "
            f"{', '.join(named[:5])}{more}"
        )
        if len(tally.clipped) > MANY * tally.objects:
            note += "; are they [x0, y0, x1, y1], which goes under box and not under bbox?"
        yield note
    if tally.empty:
        yield f"{tally.empty} of {rows} pictures show no object"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
