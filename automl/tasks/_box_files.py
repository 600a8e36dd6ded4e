"""Folders of pictures with a file of boxes for each: Pascal VOC's XML, YOLO's text.

Knows layouts and formats; what boxes are worth, ``_boxes`` says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from automl.errors import DataError, Problem
from automl.tasks import _boxes, _images
from automl.tasks._layouts import IMAGES

XML, TEXT = ".xml", ".txt"
NAMES = ("classes.txt", "obj.names", "names.txt")
"""Files with a class name a line."""
DESCRIBED = (".yaml", ".yml")
"""Files that may name the classes under ``names``."""
MOST_SHOWN = 20
_LAYOUTS = (
    "a COCO file (annotations.json), a metadata.jsonl with file_name and objects, Pascal VOC's "
    "Annotations/1.xml for JPEGImages/1.jpg, or YOLO's labels/1.txt for images/1.jpg"
)
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def pictures_with_boxes(root: Path, paths: Sequence[str]) -> dict[str, list[str]]:
    """Return pictures and their objects, told by Pascal VOC's XML or YOLO's text files.

    A picture of YOLO's without a file of its own shows no object. Raises DataError naming every
    file, and line or object, that can't be read.
    """
    pictures = [path for path in paths if path.lower().endswith(IMAGES)]
    if any(path.lower().endswith(XML) for path in paths):
        return _read(pictures, _Voc(root, paths))
    if any(path.lower().endswith(TEXT) for path in paths):
        return _read(pictures, _Yolo(root, paths))
    raise DataError(
        Problem("the folder has pictures, and nothing that says what is in them", hint=_LAYOUTS)
    )


def _read(pictures: Sequence[str], source: _Voc | _Yolo) -> dict[str, list[str]]:
    found: list[str] = []
    problems: list[Problem] = []
    for picture in pictures:
        try:
            found.append(json.dumps(source.objects(picture)))
        except DataError as error:
            problems.extend(error.problems)
    if len(problems) > MOST_SHOWN:
        more = Problem(f"{len(problems) - MOST_SHOWN} more files of boxes are wrong")
        problems = [*problems[:MOST_SHOWN], more]
    if problems:
        raise DataError(problems)
    return {"image": list(pictures), _boxes.OBJECTS: found}


def _beside(picture: str, folders: Sequence[tuple[str, str]], suffix: str) -> list[str]:
    """Return where a picture's file may lie: beside it, or in the one folder for the other."""
    place = PurePosixPath(picture).with_suffix(suffix)
    found = [place.as_posix()]
    for at, part in enumerate(place.parts[:-1]):
        for pictures, files in folders:
            if part.lower() == pictures.lower():
                found.append(
                    PurePosixPath(*place.parts[:at], files, *place.parts[at + 1 :]).as_posix()
                )
    for _, files in folders:
        found.append((place.parent / files / place.name).as_posix())
        found.append((place.parent.parent / files / place.name).as_posix())
    return found


class _Voc:
    """Pascal VOC: one XML for each picture, corners in pixels, counted from 1."""

    def __init__(self, root: Path, paths: Sequence[str]) -> None:
        self.root = root
        self.files = {path for path in paths if path.lower().endswith(XML)}

    def objects(self, picture: str) -> Any:
        """Return size and objects in one of the forms of ``_boxes``."""
        folders = (("JPEGImages", "Annotations"), ("images", "annotations"))
        tried = _beside(picture, folders, XML)
        file = next((path for path in tried if path in self.files), None)
        if file is None:
            raise DataError(
                Problem(
                    f"{picture} has no XML file: neither {tried[0]} nor one in Annotations/",
                    hint="where nothing is in it, write one without <object>; or move it elsewhere",
                )
            )
        try:
            said = ElementTree.parse(self.root / file).getroot()
        except (ElementTree.ParseError, OSError) as error:
            raise DataError(f"{file}: no XML that can be read: {error}") from error
        each = [self._object(file, number, one) for number, one in
                enumerate(said.findall("object"), 1)]  # fmt: skip
        size = [_number(said.findtext(f"size/{side}")) for side in ("width", "height")]
        known = all(math.isfinite(side) and side > 0 for side in size)
        made: dict[str, Any] = {
            "boxes": [box for box, _ in each],
            "labels": [label for _, label in each],
        }
        return {**made, _boxes.SIZE: [round(side) for side in size]} if known else made

    def _object(self, file: str, number: int, said: Any) -> tuple[list[float], str]:
        label = (said.findtext("name") or "").strip()
        box = [_number(said.findtext(f"bndbox/{corner}")) for corner in _CORNERS]
        if not all(map(math.isfinite, box)):
            raise DataError(
                f"{file}: object {number} ({label or 'no name'}) has no bndbox with the numbers "
                f"{', '.join(_CORNERS)}"
            )
        if not label:
            raise DataError(f"{file}: object {number} has no name")
        # The first pixel is 1, and both corners belong to the box.
        return [box[0] - 1, box[1] - 1, box[2], box[3]], label


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


class _Yolo:
    """YOLO: a text file for each picture; a line is class, centre, width and height, as shares."""

    def __init__(self, root: Path, paths: Sequence[str]) -> None:
        self.root = root
        self.files = {path for path in paths if path.lower().endswith(TEXT)}
        self.names = _class_names(root, paths)

    def objects(self, picture: str) -> Any:
        """Return the objects in one of the forms of ``_boxes``."""
        tried = _beside(picture, (("images", "labels"),), TEXT)
        file = next((path for path in tried if path in self.files), None)
        found: dict[str, list[Any]] = {"boxes": [], "labels": []}
        if file is None:
            return found
        text = (self.root / file).read_text(encoding="utf-8", errors="replace")
        lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1)]
        if not any(line for _, line in lines):
            return found
        try:
            width, height = _images.size(str(self.root / picture))
        except DataError:
            return found  # that the picture can't be read is told where pictures are looked at
        for number, line in lines:
            if line:
                label, (x, y, wide, high) = self._line(f"{file}:{number}", line)
                found["labels"].append(label)
                found["boxes"].append(
                    [(x - wide / 2) * width, (y - high / 2) * height,
                     (x + wide / 2) * width, (y + high / 2) * height]
                )  # fmt: skip
        return found

    def _line(self, place: str, line: Sequence[str]) -> tuple[str, list[float]]:
        numbers = [_number(each) for each in line[1:]]
        if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
            raise DataError(
                Problem(
                    f"{place}: {' '.join(line)[:60]!r} is no class and four numbers",
                    hint="a line is: 0 0.5 0.5 0.2 0.3, the class and x, y, width and height, the "
                    "centre and as shares",
                )
            )
        if max(numbers) > 1.5:
            raise DataError(
                Problem(
                    f"{place}: {' '.join(line)[:60]!r} is no box in shares of the picture: it has "
                    "a number above 1",
                    hint="divide x and width by the picture's width, y and height by its height",
                )
            )
        if min(numbers[2:]) <= 0:
            raise DataError(f"{place}: {' '.join(line)[:60]!r} is a box without area")
        if line[0] not in self.names:
            known = ", ".join(f"{key} {name}" for key, name in list(self.names.items())[:10])
            raise DataError(f"{place}: there is no class {line[0]}; there are {known}")
        return self.names[line[0]], numbers


def _class_names(root: Path, paths: Sequence[str]) -> Mapping[str, str]:
    """Return number (as text) → name; the files with names may lie one folder above, too."""
    tried = [root / path for path in paths]
    tried += [path for folder in (root, root.parent) for path in sorted(folder.iterdir())]
    for path in tried:
        if path.name.lower() in NAMES and path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            named = [line.strip() for line in lines if line.strip()]
            return {str(number): name for number, name in enumerate(named)}
    for path in tried:
        described = path.suffix.lower() in DESCRIBED and path.is_file()
        if described and (found := _named_in(path)) is not None:
            return found
    raise DataError(
        Problem(
            f"{root.name} has YOLO's files, and nothing that names the classes",
            hint="write classes.txt with a name a line, or data.yaml with names: [cat, dog]",
        )
    )


def _named_in(path: Path) -> dict[str, str] | None:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        said = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name}: no YAML that can be read: {error}") from error
    names = said.get("names") if isinstance(said, dict) else None
    if isinstance(names, list):
        return {str(number): str(name) for number, name in enumerate(names)}
    if isinstance(names, dict):
        return {str(number): str(name) for number, name in names.items()}
    return None
