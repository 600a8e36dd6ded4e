"""Pictures for people: a map of classes laid over the picture it is of, with a legend.

Needs Pillow and numpy alone. Knows no model and no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automl.tasks._drawing import PALETTE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

OPACITY = 0.5
"""Of the map's colours."""
MOST_NAMED = 12
"""Classes that the legend names, the largest ones."""
_LETTERS = 28
"""Sides of a picture by the height of the legend's letters."""


def overlay(
    image: Image.Image, places: npt.NDArray[np.uint8], labels: Sequence[str]
) -> Image.Image:
    """Return a copy of the picture in the colours of the classes that are at each pixel.

    ``places`` are theirs among ``labels``, of shape (height, width); others stay as they are. A
    legend names those that are there.

    Raises:
        ValueError: The map is not as large as the picture.
    """
    import numpy as np
    from PIL import Image

    if places.shape != (image.height, image.width):
        raise ValueError(
            f"the map is {places.shape[1]} x {places.shape[0]} pixels, the picture "
            f"{image.width} x {image.height}"
        )
    table = np.asarray([_colour(place) for place in range(len(labels))], dtype=np.float32)
    given = np.asarray(image.convert("RGB"), dtype=np.float32)
    marked = places < len(labels)
    found = given.copy()
    found[marked] = given[marked] * (1 - OPACITY) + table[places[marked]] * OPACITY
    counts = np.bincount(places[marked], minlength=len(labels))
    order = [int(at) for at in np.argsort(-counts, kind="stable") if counts[at] > 0]
    drawn = Image.fromarray(np.rint(found).astype(np.uint8))
    _legend(drawn, order[:MOST_NAMED], labels)
    return drawn


def _colour(place: int) -> tuple[int, int, int]:
    """Return the palette's colour, darker each time the palette begins anew."""
    shade = PALETTE[place % len(PALETTE)]
    dark = 0.7 ** (place // len(PALETTE) % 4)
    red, green, blue = (int(int(shade[at : at + 2], 16) * dark) for at in (1, 3, 5))
    return red, green, blue


def _legend(image: Image.Image, places: Sequence[int], labels: Sequence[str]) -> None:
    """Write the classes' names on their colours, at the upper left."""
    from PIL import ImageDraw, ImageFont

    pen = ImageDraw.Draw(image)
    size = max(9, min(image.size) // _LETTERS)
    font: Any = ImageFont.load_default(size)
    top = 2
    for place in places:
        red, green, blue = _colour(place)
        ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "white"
        width = pen.textlength(labels[place], font=font) + 6
        pen.rectangle((2, top, 2 + width, top + size + 4), fill=(red, green, blue), outline="black")
        pen.text((5, top + 1), labels[place], fill=ink, font=font)
        top += size + 6
