"""Images decoded: every kind of file becomes upright RGB of 8 bits, or is refused with its rule.

Knows files and pixels; no model, no labels, no augmentation. A rule is what is said of the file
("is cut short ..."); which file it is, the caller says.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, Union

from automl.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    Pixels = npt.NDArray[np.uint8]

Source = Union[str, bytes, "Image.Image"]
"""The path of a file, the bytes of one, or an image that is open already."""

HOWS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""Ways to resize, by the numbers that image processors' configs write (``resample``)."""
MOST_PIXELS = 89_478_485
"""Of one image: Pillow's own limit, a quarter of a gigabyte in RGB."""
ORIENTATION = 0x0112
"""EXIF's tag; TIFF 6.0, page 36."""
_SIDEWAYS = (5, 6, 7, 8)
"""Its values of images whose stored height is the upright one's width."""
DEEPEST = 65535
"""White in 16 bits."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Look:
    """What a file holds: pixels of the upright image, the mode it is stored in.

    A file with a ``fault`` (a rule) can't be opened; width and height are then those of its header,
    or 0 with an empty mode where not even that can be read.
    """

    width: int
    height: int
    mode: str
    fault: str | None = None


def opened(source: Source) -> Image.Image:
    """Return the first frame as RGB, upright; what is transparent lies on white.

    Greyscale of 16 bits keeps its black and white; 32-bit integers count as 16 bits and floats as
    0 to 1 or 0 to 255 where all fit, else their own least and greatest become black and white.

    Raises:
        DataError: The source is no image, is damaged or cut short, or is too large; its message
            is a rule without the name of the file.
    """
    look, image = _read(source)
    if image is None:
        raise DataError(str(look.fault))
    return image


def size(source: Source) -> tuple[int, int]:
    """Return width and height of the upright image, by its header alone: nothing is decoded.

    Of a PNG only the EXIF before the pixels counts, where programs write it. Errors as ``opened``.
    """
    try:
        with _lazily(source) as image:
            late = image.format == "PNG" and "exif" not in image.info
            turned = not late and _turn(image) in _SIDEWAYS
            return (image.height, image.width) if turned else (image.width, image.height)
    except DataError:
        raise
    except Exception as error:  # Of a broken file Pillow's readers raise whatever they stumble on.
        raise DataError(_fault(error)) from error


def looked_at(path: str) -> Look:
    """Return what the file holds, all of it decoded; a bad file has a fault, nothing is raised."""
    return _read(path)[0]


def checked(paths: Iterable[str], look: Callable[[str], T], threads: int) -> list[T]:
    """Return a look at each path, in order; decoders release the GIL, so that threads help."""
    with ThreadPoolExecutor(max_workers=threads) as pool:
        return list(pool.map(look, paths))


def resized(image: Image.Image, height: int, width: int, how: str) -> Pixels:
    """Return the RGB image squashed or stretched: uint8 of shape (height, width, 3)."""
    return _cut(image, height, width, how, (0, 0, image.width, image.height))


def fitted(
    image: Image.Image, height: int, width: int, crop: bool, how: str = "bilinear"
) -> Pixels:
    """Return the RGB image in this size: uint8 of shape (height, width, 3).

    ``crop`` keeps proportions and cuts what is too long, the same on both sides; else as
    ``resized``.
    """
    if not crop:
        return resized(image, height, width, how)
    scale = min(image.width / width, image.height / height)
    wide, high = width * scale, height * scale
    left, top = (image.width - wide) / 2, (image.height - high) / 2
    box = (left, top, min(left + wide, image.width), min(top + high, image.height))
    return _cut(image, height, width, how, box)


def _cut(
    image: Image.Image, height: int, width: int, how: str, box: tuple[float, float, float, float]
) -> Pixels:
    import numpy as np
    from PIL import Image

    if how not in HOWS:
        raise ValueError(f"how is {how!r}, which is not one of {', '.join(HOWS)}")
    found = image.resize((width, height), Image.Resampling(HOWS.index(how)), box=box)
    return np.array(found, dtype=np.uint8)


def _read(source: Source) -> tuple[Look, Image.Image | None]:
    """Return what the source holds, and the image if it has no fault."""
    from PIL import Image, UnidentifiedImageError

    look = Look(0, 0, "")
    try:
        with _lazily(source) as image:
            look = Look(image.width, image.height, image.mode)
            if image.width * image.height > MOST_PIXELS:
                raise DataError(
                    f"has {image.width} x {image.height} pixels, more than the limit of "
                    f"{MOST_PIXELS:,}"
                )
            image.load()
            found = _upright(image, _rgb(image))
            return Look(found.width, found.height, image.mode), found
    except MemoryError:
        raise
    except DataError as error:
        fault = str(error)
    except Image.DecompressionBombError:
        fault = f"has more pixels than the limit of {MOST_PIXELS:,}"
    except UnidentifiedImageError:
        fault = "is no image that can be read: its content has no known format"
    except Exception as error:  # Of a broken file Pillow's readers raise whatever they stumble on.
        fault = _fault(error)
    return Look(look.width, look.height, look.mode, fault), None


def _lazily(source: Source) -> Image.Image:
    """Return the image, of which only the header was read."""
    from PIL import Image

    if isinstance(source, Image.Image):
        return source.copy()
    if len(source) == 0 if isinstance(source, bytes) else os.path.getsize(source) == 0:
        raise DataError("is empty: it has no bytes")
    return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)


def _fault(error: Exception) -> str:
    said = str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"can't be read: {error.strerror}"
    if isinstance(error, EOFError) or "truncated" in said.lower():
        return "is cut short: the end of the image is missing"
    return f"is no image that can be read: {said or type(error).__name__}"


def _upright(image: Image.Image, pixels: Image.Image) -> Image.Image:
    """Return the pixels turned as the image's EXIF says."""
    from PIL.Image import Transpose

    turns: dict[int, Transpose] = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    turn = turns.get(_turn(image))
    return pixels if turn is None else pixels.transpose(turn)


def _turn(image: Image.Image) -> int:
    """Return the number by which EXIF says how the image is to be turned; 1 is not at all."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except (SyntaxError, TypeError, ValueError, struct.error):
        return 1  # Broken EXIF says nothing, and the pixels are as good.


def _rgb(image: Image.Image) -> Image.Image:
    """Return the image as RGB; JPEGs of Adobe's inverted CMYK Pillow has put right by now."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bits(image).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    clear = image.convert("LA" if image.mode == "La" else "RGBA").convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    import numpy as np
    from PIL import Image

    values = np.asarray(image).astype(np.float32)
    if not np.isfinite(values).all():
        raise DataError("holds values that are no numbers")
    low, high = float(values.min()), float(values.max())
    for most in (1.0, 255.0) if image.mode == "F" else (float(DEEPEST),):
        if low >= 0 and high <= most:
            low, high = 0.0, most
            break
    scaled = (values - low) * (255 / (high - low) if high > low else 0.0)
    return Image.fromarray(np.rint(scaled).astype(np.uint8))
