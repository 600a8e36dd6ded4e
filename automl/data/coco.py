"""Objects in pictures as COCO's files nest them: images, annotations, categories, as rows.

Knows where such pictures usually lie; not what boxes are worth.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from automl.data.part import Target, listed, refused
from automl.data.splitnames import split_of

_PARTS = ("images", "annotations", "categories")
_FORM = (
    '{"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [{"image_id": 1, '
    '"category_id": 1, "bbox": [x, y, width, height]}], "categories": [{"id": 1, "name": "cat"}]}'
)
MOST_TRIED = 20
"""Pictures, the first ones, that are looked for to tell where all of them lie."""


def document(content: str) -> Mapping[str, Any] | None:
    """Return the file where it has COCO's parts; None for any other JSON."""
    if not all(f'"{part}"' in content for part in ("images", "categories")):
        return None
    try:
        found = json.loads(content)
    except (json.JSONDecodeError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(
        isinstance(found.get(part), list) for part in ("images", "categories")
    ):
        return None
    return found


def pictures(target: Target, found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a row for each picture: file_name, and objects as JSON text.

    Those are lists by key, of ``bbox`` (x, y, width, height), ``category`` (its name) and
    ``iscrowd``, with the ``size`` that the file gives. A picture without annotations has no
    objects. Raises DataError naming the entry for what is nested in another way, or refers to what
    is not there.
    """
    if not isinstance(found.get("annotations"), list):
        raise refused(f"{target.name} has images and categories, and no annotations", _FORM)
    names = _named(target, found["categories"], "categories", "name")
    files = _named(target, found["images"], "images", "file_name")
    objects = _objects(target, found["annotations"], names, files)
    base = _home(target, list(files.values()))
    for image in found["images"]:
        mine = objects[image["id"]]
        size = [image.get(side) or 0 for side in ("width", "height")]
        yield {
            "file_name": str(base / image["file_name"]) if base else image["file_name"],
            "objects": json.dumps({**mine, "size": size}, ensure_ascii=False),
        }


def _named(target: Target, entries: Sequence[Any], part: str, key: str) -> dict[int | str, str]:
    found: dict[int | str, str] = {}
    for number, each in enumerate(entries, 1):
        if not isinstance(each, dict) or not isinstance(each.get("id"), int | str):
            raise refused(f"{target.name}: entry {number} of {part} has no id", _FORM)
        if not isinstance(each.get(key), str) or not each[key].strip():
            raise refused(f"{target.name}: entry {number} of {part} has no {key}", _FORM)
        if each["id"] in found:
            raise refused(f"{target.name}: two entries of {part} have the id {each['id']!r}")
        found[each["id"]] = each[key]
    return found


def _objects(
    target: Target,
    annotations: Sequence[Any],
    names: Mapping[Any, str],
    files: Mapping[Any, str],
) -> dict[Any, dict[str, list[Any]]]:
    """Return image id → its objects."""
    found: dict[Any, dict[str, list[Any]]] = {
        image: {"bbox": [], "category": [], "iscrowd": []} for image in files
    }
    for number, each in enumerate(annotations, 1):
        if not isinstance(each, dict) or "bbox" not in each:
            raise refused(f"{target.name}: entry {number} of annotations has no bbox", _FORM)
        place = f"{target.name}: entry {number} of annotations (id {each.get('id')})"
        for key, known, part in (
            ("image_id", files, "images"),
            ("category_id", names, "categories"),
        ):
            if not isinstance(each.get(key), int | str) or each[key] not in known:
                raise refused(
                    f"{place}: {key} is {each.get(key)!r}, and no entry of {part} has that id",
                    f"{part} have the ids {listed(known)}",
                )
        mine = found[each["image_id"]]
        mine["bbox"].append(each["bbox"])
        mine["category"].append(names[each["category_id"]])
        mine["iscrowd"].append(1 if each.get("iscrowd") else 0)
    return found


def _home(target: Target, files: Sequence[str]) -> Path | None:
    """Return the folder that the files' names start from; None where none of them is found.

    Tried are the document's folder and those above it within the source (and one above that), in
    each that one, its ``images/``, and the folders in both whose name tells the split that the
    document's tells.
    """
    folder = target.path.absolute().parent
    depth = len(PurePosixPath(target.relative).parts)
    split = split_of(target.relative)
    for above in [folder, *folder.parents][: depth + 1]:
        for base in (above, above / "images"):
            inside = [] if split is None or not base.is_dir() else [
                path for path in sorted(base.iterdir())
                if path.is_dir() and split_of(f"{path.name}/x") == split
            ]  # fmt: skip
            for home in (base, *inside):
                if any((home / name).is_file() for name in files[:MOST_TRIED]):
                    return home
    return None
