"""Masks: pictures whose pixels say which class is there. What values they hold, and what they mean.

A value is written as in a file of names: ``0`` to ``65535`` where the pixel is grey or a palette's
place, ``#rrggbb`` where it is a colour. Knows no model.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl import cache, machine
from automl.errors import DataError
from automl.tasks import Columns, Labels, Malformed, Prepared, _images

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MASK, NAMES = "mask", "names"
UNMARKED = "255"
"""The value that stands for no class, by convention, where it isn't one."""
IGNORED = 255
"""What stands for no class among indices of classes, in bytes."""
MOST_CLASSES = 255
MOST_VALUES = 1000
"""Different values from which a picture is no mask."""
LOSSY = ("JPEG", "MPO")
KIND = "masks"
"""In the user's cache: what masks were found to hold."""
_FORMAT = 1
_COLOUR = 1 << 24
"""Added to colours, so that none is mistaken for a grey value."""
_DEEPEST = 65535


@dataclass(frozen=True, slots=True)
class Look:
    """What a mask holds: its size, its values as codes, what colours a palette gives them.

    With a ``fault`` (a rule) it is of no use.
    """

    width: int = 0
    height: int = 0
    values: tuple[int, ...] = ()
    palette: tuple[int, ...] = ()
    """Of each value the colour, where there is a palette."""
    fault: str | None = None


def codes(source: Any) -> npt.NDArray[np.int32]:
    """Return a code for each pixel (height, width): its value, or, of colours, their own.

    Raises DataError, whose message is a rule without the name of the file.
    """
    return _read(source)[0]


def written(code: int) -> str:
    """Return the value with this code as people write it."""
    return f"#{code - _COLOUR:06x}" if code >= _COLOUR else str(code)


def value(text: str) -> str:
    """Return a value that somebody wrote in the form of ``written``; ValueError if it is none."""
    plain = text.strip().lower()
    if re.fullmatch(r"#[0-9a-f]{6}", plain):
        return written(_code(*bytes.fromhex(plain[1:])))
    if not re.fullmatch(r"\d+", plain) or int(plain) > _DEEPEST:
        raise ValueError(f"{text!r} is no value of a mask")
    return str(int(plain))


def colour(red: int, green: int, blue: int) -> str:
    """Return the value of a colour; of greys the plain number."""
    return written(_code(red, green, blue))


def _code(red: int, green: int, blue: int) -> int:
    return red if red == green == blue else _COLOUR + (red << 16) + (green << 8) + blue


def _read(source: Any) -> tuple[npt.NDArray[np.int32], bytes | None]:
    """Return codes, and the palette (RGB by place) where there is one."""
    from PIL import Image

    try:
        given = source if isinstance(source, Image.Image) else None
        with given or Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as im:
            if im.format in LOSSY:
                raise DataError("is a JPEG, which smears the values of a mask: save masks as PNG")
            im.load()
            palette = im.getpalette("RGB") if im.mode in ("P", "PA") else None
            return _of_mode(im), None if palette is None else bytes(palette)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # Of a broken file Pillow's readers raise whatever they stumble on.
        raise DataError(f"is no mask that can be read: {error}") from error


def _of_mode(image: Any) -> npt.NDArray[np.int32]:
    import numpy as np

    if image.mode in ("P", "PA", "LA", "L"):
        first = np.asarray(image)
        return (first if first.ndim == 2 else first[..., 0]).astype(np.int32)
    if image.mode == "1":
        return np.asarray(image).astype(np.int32) * 255
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image)
        if not ((values >= 0) & (values <= _DEEPEST) & (values == np.floor(values))).all():
            raise DataError(f"holds values that are not whole numbers from 0 to {_DEEPEST}")
        return values.astype(np.int32)
    red, green, blue = np.moveaxis(np.asarray(image.convert("RGB")).astype(np.int32), -1, 0)
    coloured = _COLOUR + (red << 16) + (green << 8) + blue
    found: npt.NDArray[np.int32] = np.where((red == green) & (green == blue), red, coloured)
    return found.astype(np.int32)


def looked_at(source: Any) -> Look:
    """Return what the mask holds; of a bad one the fault, nothing is raised."""
    import numpy as np

    try:
        found, palette = _read(source)
    except DataError as error:
        return Look(fault=str(error))
    values = [int(each) for each in np.unique(found)]
    height, width = found.shape
    if len(values) > MOST_VALUES:
        return Look(width, height, fault=f"holds {len(values):,} different values: it is no mask")
    if palette is None:
        return Look(width, height, tuple(values))
    colours = (int.from_bytes(palette[3 * each : 3 * each + 3], "big") for each in values)
    return Look(width, height, tuple(values), tuple(colours))


def looks(sources: Sequence[Any]) -> list[Look]:
    """Return a look at each mask, in order; files that were looked at before are not opened."""
    paths = [each for each in sources if isinstance(each, str)]
    if len(paths) < len(sources):
        return [looked_at(each) for each in sources]
    by_folder: dict[Path, list[str]] = {}
    for path in dict.fromkeys(paths):
        by_folder.setdefault(Path(path).parent, []).append(path)
    found: dict[str, Look] = {}
    for folder, files in by_folder.items():
        found |= _in_folder(folder, files)
    return [found[path] for path in paths]


def _in_folder(folder: Path, files: Sequence[str]) -> dict[str, Look]:
    key = hashlib.sha256(f"{_FORMAT} {folder}".encode()).hexdigest()
    known = _known(key)
    stamps = {file: _stamp(file) for file in files}
    fresh = [file for file in files if known.get(file, {}).get("stamp") != stamps[file]]
    for file, look in zip(fresh, _images.checked(fresh, looked_at, machine.cores()), strict=True):
        known[file] = {"stamp": stamps[file], "look": asdict(look)}
    if fresh:
        cache.remember(KIND, key, json.dumps(known).encode())
    return {file: _look(known[file]["look"]) for file in files}


def _look(kept: Mapping[str, Any]) -> Look:
    tuples = {name: tuple(kept[name]) for name in ("values", "palette")}
    return Look(**{**kept, **tuples})


def _known(key: str) -> dict[str, Any]:
    data = cache.read(KIND, key)
    try:
        found = json.loads(data) if data else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _stamp(path: str) -> list[int]:
    try:
        found = Path(path).stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]


def prepare(columns: Columns) -> Prepared:
    """Return the rows as they are, with what is wrong with their masks; rows without are fine."""
    if MASK not in columns or None in columns[MASK]:
        return Prepared(columns)
    found = looks(columns[MASK])
    names = _names(columns)
    held = _held(found)
    none = UNMARKED not in _meant(held, names)
    malformed = []
    first: dict[int, tuple[int, str]] = {}
    for row, (look, mask) in enumerate(zip(found, columns[MASK], strict=True)):
        if rule := _fault(look, columns["image"][row], names, none) or _clash(look, mask, first):
            malformed.append(Malformed(row, f"{_called(mask)} {rule}"))
    notes = []
    if none and int(UNMARKED) in held and not malformed:
        count = sum(int(UNMARKED) in look.values for look in found)
        notes.append(
            f"pixels of value {UNMARKED}, in {count} masks, are taken for not labelled: "
            + ("it has no name" if names else "the other values are the classes from 0 on")
        )
    return Prepared(columns, tuple(notes), tuple(malformed))


def _fault(look: Look, image: Any, names: Mapping[str, str], none: bool) -> str | None:
    if look.fault is not None:
        return look.fault
    width, height = _images.size(image)
    if (width, height) != (look.width, look.height):
        return f"is {look.width} x {look.height} pixels, its picture {width} x {height}"
    if none and look.values == (int(UNMARKED),):
        return f"has nothing labelled: all of it is {UNMARKED}"
    for each in map(written, look.values):
        if names and each not in names and each != UNMARKED:
            return f"holds the value {each}, which has no name; named are {', '.join(names)}"
    return None


def _clash(look: Look, mask: Any, first: dict[int, tuple[int, str]]) -> str | None:
    """Return what is wrong where a palette gives another colour to a value than one before."""
    for place, shade in zip(look.values, look.palette, strict=False):
        before, other = first.setdefault(place, (shade, _called(mask)))
        if before != shade:
            return (
                f"has a palette of its own: value {place} is #{shade:06x}, and #{before:06x} in "
                f"{other}; save masks with one palette, or as RGB"
            )
    return None


def _called(mask: Any) -> str:
    return Path(mask).name if isinstance(mask, str) else "its mask"


def _held(found: Iterable[Look]) -> set[int]:
    return {each for look in found for each in look.values}


def _names(columns: Columns) -> dict[str, str]:
    """Return value → name; empty where no file names them."""
    said = next((each for each in columns.get(NAMES, ()) if each), None)
    return {} if said is None else named(json.loads(said))


def named(said: Any) -> dict[str, str]:
    """Return value → name of what a file says: by value, by name, or in the order from 0.

    Raises ValueError for what is none of these.
    """
    if isinstance(said, dict) and set(said) == {"id2label"}:
        said = said["id2label"]
    if isinstance(said, list):
        said = {str(place): name for place, name in enumerate(said)}
    if not isinstance(said, dict) or not said:
        raise ValueError("it names no values")
    if all(isinstance(each, int) for each in said.values()):
        said = {str(number): name for name, number in said.items()}
    return {value(str(number)): str(name) for number, name in said.items()}


def _meant(held: Iterable[int], names: Mapping[str, str]) -> dict[str, str]:
    """Return value → class. Names stand for all that are named; 255 is none beside 0 to n."""
    if names:
        return dict(names)
    ordered = sorted(held)
    others = [each for each in ordered if each != int(UNMARKED)]
    if len(others) > 1 and others == list(range(len(others))):
        ordered = others
    return {written(each): written(each) for each in ordered}


def classes(columns: Columns) -> tuple[str, ...]:
    """Return the classes of the masks, by value; named ones are all there."""
    names = _names(columns)
    held = _held(looks(columns[MASK]))
    meant = _meant(held, names)
    unnamed = [each for each in map(written, sorted(held)) if names and each not in names]
    return tuple(dict.fromkeys([*meant.values(), *(each for each in unnamed if each != UNMARKED)]))


def indices(columns: Columns, labels: Labels) -> list[npt.NDArray[np.uint8]]:
    """Return each mask as the places of its pixels' classes among ``labels``, ``IGNORED`` for none.

    Raises DataError naming a file and its value that is no class.
    """
    import numpy as np

    names = _names(columns)
    place = {name: index for index, name in enumerate(labels)}
    found = []
    for mask in columns[MASK]:
        try:
            here = codes(mask)
        except DataError as error:
            raise DataError(f"{_called(mask)} {error}") from error
        held, inverse = np.unique(here, return_inverse=True)
        table = np.empty(len(held), dtype=np.uint8)
        for at, each in enumerate(written(int(code)) for code in held):
            label = names.get(each, each)
            if label not in place and each != UNMARKED:
                raise DataError(f"{_called(mask)} holds the value {each}, which train has not")
            table[at] = place.get(label, IGNORED)
        found.append(table[inverse.reshape(here.shape)])
    return found
