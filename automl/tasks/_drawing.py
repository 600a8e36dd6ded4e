"""Pictures for people: boxes with their labels drawn on a picture, several pictures on one sheet.

Needs Pillow alone. Knows no model and no files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

PALETTE = (
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#0072b2",
    "#d55e00",
    "#cc79a7",
    "#8c564b",
    "#7f7fff",
    "#39d353",
)
"""Colours of classes, by their order; the first seven can be told apart by the colour-blind
(Okabe and Ito 2008)."""
CELL = 240
"""Side of the square that a picture of a contact sheet is fitted into, in pixels."""
NARROWEST = 120
"""Width of a cell at least, whatever the pictures, for the captions."""
GAP = 8
"""Between the pictures of a sheet, in pixels."""
CAPTION_LINES = 2
"""Lines of a caption at most; what is longer ends in an ellipsis."""
_CAPTION_SIZE = 13
_SMALLEST, _LARGEST = 11, 40
"""Sizes of the letters beside a box, by the size of the picture."""


def with_boxes(
    image: Image.Image, objects: Sequence[Mapping[str, Any]], labels: Sequence[str] = ()
) -> Image.Image:
    """Return a copy of the picture with each object's box, label, and score where it has one.

    ``objects`` are ``{"label": ..., "box": ..., "score": ...}``; a box is ``{"xmin": ..., "ymin":
    ..., "xmax": ..., "ymax": ...}`` or these four in a list, in the picture's pixels. ``labels``
    are the classes in their order, which colours go by: the same in all pictures. Lines lie on a
    dark rim and letters on a filled tag, so that they are seen on any background; the most certain
    objects are drawn last, over the others.
    """
    from PIL import ImageDraw

    found = image.convert("RGB").copy()
    pen = ImageDraw.Draw(found)
    order = {label: place for place, label in enumerate(labels)}
    for label in sorted({str(each["label"]) for each in objects}):
        order.setdefault(label, len(order))
    line = max(2, round(min(found.size) / 240))
    font = _font(min(_LARGEST, max(_SMALLEST, round(min(found.size) / 32))))
    for each in sorted(objects, key=lambda each: float(each.get("score") or 0.0)):
        label = str(each["label"])
        colour = PALETTE[order[label] % len(PALETTE)]
        score = each.get("score")
        text = label if score is None else f"{label} {score:.2f}"
        _framed(pen, _corners(each["box"]), colour, line)
        _tagged(pen, _corners(each["box"]), text, colour, font, found.size)
    return found


def contact_sheet(
    images: Sequence[Image.Image], captions: Sequence[str], columns: int
) -> Image.Image:
    """Return the pictures in rows of ``columns``, each with its caption below.

    A picture keeps its proportions, in a square of side ``CELL`` at most; small ones are not
    enlarged. A caption has up to ``CAPTION_LINES`` lines.

    Raises:
        ValueError: There is no picture, no column, or not a caption for each picture.
    """
    from PIL import Image, ImageDraw

    if not images or columns < 1 or len(captions) != len(images):
        raise ValueError(
            f"a sheet of {len(images)} pictures with {len(captions)} captions in {columns} "
            "columns: it takes at least one picture, one caption each and one column"
        )
    columns = min(columns, len(images))
    font = _font(_CAPTION_SIZE)
    shown = [_fitted(image) for image in images]
    cell = max(NARROWEST, *(picture.width for picture in shown))
    lines = [_wrapped(caption, font, cell) for caption in captions]
    pitch = _height(font)
    rows = [
        range(start, min(start + columns, len(shown))) for start in range(0, len(shown), columns)
    ]
    heights = [
        max(shown[each].height for each in row)
        + pitch * max(len(lines[each]) for each in row)
        + 2 * GAP
        for row in rows
    ]
    sheet = Image.new("RGB", (columns * (cell + GAP) + GAP, sum(heights) + GAP), "white")
    pen = ImageDraw.Draw(sheet)
    top = GAP
    for row, height in zip(rows, heights, strict=True):
        tallest = max(shown[each].height for each in row)
        for place, each in enumerate(row):
            left = GAP + place * (cell + GAP)
            picture = shown[each]
            sheet.paste(
                picture, (left + (cell - picture.width) // 2, top + tallest - picture.height)
            )
            for number, text in enumerate(lines[each]):
                pen.text((left, top + tallest + 2 + number * pitch), text, fill="black", font=font)
        top += height
    return sheet


def _corners(box: Any) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom, in this order."""
    values = [box[key] for key in ("xmin", "ymin", "xmax", "ymax")] if hasattr(box, "keys") else box
    x0, y0, x1, y1 = map(float, values)
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _framed(
    pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], colour: str, line: int
) -> None:
    left, top, right, bottom = box
    pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline="black", width=line + 2)
    pen.rectangle(box, outline=colour, width=line)


def _tagged(
    pen: ImageDraw.ImageDraw,
    box: tuple[float, float, float, float],
    text: str,
    colour: str,
    font: Font,
    size: tuple[int, int],
) -> None:
    """Write the text above the box, or just inside where there is no room above."""
    width, height = pen.textlength(text, font=font) + 6, _height(font) + 2
    left = min(max(0.0, box[0]), max(0.0, size[0] - width))
    top = box[1] - height if box[1] >= height else max(0.0, box[1])
    pen.rectangle((left, top, left + width, top + height), fill=colour, outline="black")
    pen.text((left + 3, top + 1), text, fill=_legible(colour), font=font)


def _legible(colour: str) -> str:
    """Return black or white, whichever stands out from the colour (its luma, ITU-R BT.601)."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "white"


def _font(size: int) -> Font:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _height(font: Font) -> int:
    """Return the height of a line, of letters that go up and down."""
    return round(font.getbbox("Ågjy|")[3]) + 2


def _fitted(image: Image.Image) -> Image.Image:
    found = image.convert("RGB")
    scale = min(1.0, CELL / max(found.size))
    size = (max(1, round(found.width * scale)), max(1, round(found.height * scale)))
    return found if scale == 1.0 else found.resize(size)


def _wrapped(text: str, font: Font, cell: int) -> list[str]:
    """Return the text in lines as wide as a cell, cut off after ``CAPTION_LINES``."""
    lines: list[str] = []
    for given in text.splitlines():
        line = ""
        for word in given.split():
            joined = f"{line} {word}".strip()
            if line and font.getlength(joined) > cell:
                lines.append(line)
                joined = word
            line = joined
        lines.append(line)
    if len(lines) > CAPTION_LINES:
        lines = [*lines[: CAPTION_LINES - 1], f"{lines[CAPTION_LINES - 1]} …"]
    return [_cut(line, font, cell) for line in lines]


def _cut(line: str, font: Font, cell: int) -> str:
    """Return the line, or as much of its beginning as fits, with an ellipsis."""
    if font.getlength(line) <= cell:
        return line
    kept = line.removesuffix(" …")
    while kept and font.getlength(f"{kept}…") > cell:
        kept = kept[:-1]
    return f"{kept}…"


def caption(said: str, score: float, truth: str | None) -> str:
    """Return what is written under a row: the class said, and where that is wrong the true one."""
    found = f"{said} {score:.2f}"
    return found if truth in (None, said) else f"{found}, is {truth}"
