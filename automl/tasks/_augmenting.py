"""Images changed a little for training: crop, flip, colour, RandAugment, erasing; mixed batches.

Pure: what comes out follows from the pixels, the settings and the generator, and a generator from
(seed, epoch, row), so that a run which is resumed goes on as if it had not stopped. Knows no
files, no model, no labels but those it mixes or moves along.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image
    from torch import Tensor

    Pixels = npt.NDArray[np.uint8]
    Boxes = npt.NDArray[np.floating[Any]]

MOST_MAGNITUDE = 10
"""RandAugment's strongest (Cubuk et al. 2020: the scale of AutoAugment)."""
STRETCH = 4 / 3
"""A crop is stretched by this at most, either way (Szegedy et al. 2015)."""
LEAST_LEFT = 0.3
"""A box of which a crop leaves less is dropped (Liu et al. 2016 draw crops by such shares)."""
ERASED = (0.02, 0.33)
"""Shares of an image that erasing covers (Zhong et al. 2020, as torchvision has it)."""
LONGEST_ERASED = 1 / 0.3
"""Sides of what erasing covers, the longer by the shorter, at most (Zhong et al. 2020)."""
GREY = (128, 128, 128)
"""What comes in where an operation moves pixels away (as in AutoAugment)."""

Operation = Callable[["Image.Image", float, "np.random.Generator"], "Image.Image"]
"""One of a policy's: image, strength from 0 to 1, what draws the direction."""


@dataclass(frozen=True, slots=True)
class Augmenting:
    """How images change; the defaults change nothing."""

    flip: bool = False
    """Mirror every other one, left to right."""
    crop: float = 1.0
    """Least share of the area that is kept; 1: all of it."""
    colour: float = 0.0
    """By how much brightness, contrast and saturation differ from 1 at most."""
    policy: Literal["none", "randaugment"] = "none"
    magnitude: int = 5
    """Of the policy's operations, 0 to ``MOST_MAGNITUDE``."""
    operations: int = 2
    """Of the policy, by image."""
    erase: float = 0.0
    """Probability that a rectangle is covered with noise."""

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing.

        Raises:
            ValueError: A number is out of its range, or there is no such policy.
        """
        for name, low, high in (
            ("crop", 0.01, 1),
            ("colour", 0, 1),
            ("magnitude", 0, MOST_MAGNITUDE),
            ("operations", 0, math.inf),
            ("erase", 0, 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}, which is not from {low} to {high}")
        if self.policy not in ("none", "randaugment"):
            raise ValueError(f"policy is {self.policy!r}, which is not none or randaugment")


def generator(seed: int, epoch: int, row: int) -> np.random.Generator:
    """Return what draws for one row in one epoch, the same whenever it is asked for."""
    import numpy as np

    return np.random.default_rng((seed, epoch, row))


def augmented(pixels: Pixels, settings: Augmenting, generator: np.random.Generator) -> Pixels:
    """Return RGB pixels (height, width, 3) changed; the shape stays, the input is left as it is."""
    frame = _frame(pixels.shape[0], pixels.shape[1], settings, generator)
    return restyled(_framed(pixels, frame), settings, generator)


def restyled(pixels: Pixels, settings: Augmenting, generator: np.random.Generator) -> Pixels:
    """Return pixels changed by all but flip and crop.

    Without a policy and erasing, whatever is in the image stays where it is.
    """
    import numpy as np
    from PIL import Image

    image = Image.fromarray(pixels)
    if settings.colour:
        image = _coloured(image, settings.colour, generator)
    if settings.policy == "randaugment":
        for _ in range(settings.operations):
            operation = OPERATIONS[int(generator.integers(len(OPERATIONS)))]
            image = operation(image, settings.magnitude / MOST_MAGNITUDE, generator)
    found = np.array(image, dtype=np.uint8)
    if settings.erase and generator.random() < settings.erase:
        _erase(found, generator)
    return found


def moved_boxes(
    pixels: Pixels, boxes: Boxes, settings: Augmenting, generator: np.random.Generator
) -> tuple[Pixels, Boxes, npt.NDArray[np.intp]]:
    """Return pixels cropped and flipped, the boxes left on them, and which of the boxes those are.

    Boxes are left, top, right and bottom in pixels, of shape (boxes, 4). What a crop cuts off is
    cut off a box, and a box of whose area less than ``LEAST_LEFT`` is left is dropped.
    """
    import numpy as np

    height, width = pixels.shape[:2]
    frame = _frame(height, width, settings, generator)
    left, top, right, bottom = frame.box
    wide, high = right - left, bottom - top
    cut = np.clip(boxes - [left, top, left, top], 0, [wide, high, wide, high])
    areas = _areas(cut)
    kept = np.flatnonzero((areas > 0) & (areas >= LEAST_LEFT * _areas(boxes)))
    found = cut[kept] * [width / wide, height / high, width / wide, height / high]
    found = np.minimum(found, [width, height, width, height])
    if frame.flip:
        found[:, [0, 2]] = width - found[:, [2, 0]]
    return _framed(pixels, frame), found.astype(boxes.dtype), kept


def moved_mask(
    pixels: Pixels,
    mask: npt.NDArray[Any],
    settings: Augmenting,
    generator: np.random.Generator,
) -> tuple[Pixels, npt.NDArray[Any]]:
    """Return pixels cropped and flipped, and the mask (height, width) as they; it gains no value.

    Raises:
        ValueError: The mask is of another height or width than the pixels.
    """
    import numpy as np

    height, width = pixels.shape[:2]
    if mask.shape != (height, width):
        raise ValueError(f"the mask is of shape {mask.shape}, the image of {(height, width)}")
    frame = _frame(height, width, settings, generator)
    left, top, right, bottom = frame.box
    rows = top + (np.arange(height) + 0.5) * ((bottom - top) / height)
    columns = left + (np.arange(width) + 0.5) * ((right - left) / width)
    found = mask[np.ix_(rows.astype(int), columns.astype(int))]
    return _framed(pixels, frame), found[:, ::-1].copy() if frame.flip else found


def mixed(
    pixels: Tensor,
    targets: Tensor,
    kind: Literal["mixup", "cutmix"],
    alpha: float,
    generator: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """Return a batch in which each image is mixed with another one, and the targets likewise.

    Pixels are floats (rows, channels, height, width), targets shares of classes (rows, classes).
    One share is drawn for the batch from Beta(alpha, alpha). ``mixup`` blends (Zhang et al. 2018);
    ``cutmix`` puts a rectangle of the other image in, and its area is the share (Yun et al. 2019).

    Raises:
        ValueError: There is no such kind.
    """
    import torch

    share = float(generator.beta(alpha, alpha))
    others = torch.from_numpy(generator.permutation(len(pixels))).to(pixels.device)
    if kind == "mixup":
        found = pixels * share + pixels[others] * (1 - share)
    elif kind == "cutmix":
        height, width = pixels.shape[2:]
        y, x = generator.integers(height), generator.integers(width)
        side = math.sqrt(1 - share) / 2
        top, bottom = max(0, round(y - height * side)), min(height, round(y + height * side))
        left, right = max(0, round(x - width * side)), min(width, round(x + width * side))
        found = pixels.clone()
        found[:, :, top:bottom, left:right] = pixels[others, :, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (height * width)
    else:
        raise ValueError(f"kind is {kind!r}, which is not mixup or cutmix")
    return found, targets * share + targets[others] * (1 - share)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What of an image is kept: left, top, right and bottom; whether it is mirrored then."""

    box: tuple[int, int, int, int]
    flip: bool


def _frame(height: int, width: int, settings: Augmenting, generator: np.random.Generator) -> _Frame:
    """Draw a frame: its share of the area, its aspect against the image's, its place.

    Of the aspects only those are drawn at which a frame of this share fits.
    """
    box = (0, 0, width, height)
    if settings.crop < 1:
        share = generator.uniform(settings.crop, 1)
        most = max(0.0, min(math.log(STRETCH), -math.log(share)))  # of a whole frame no -0.0
        aspect = math.exp(generator.uniform(-most, most))
        wide = max(1, min(width, round(width * math.sqrt(share * aspect))))
        high = max(1, min(height, round(height * math.sqrt(share / aspect))))
        left = int(generator.integers(width - wide + 1))
        top = int(generator.integers(height - high + 1))
        box = (left, top, left + wide, top + high)
    return _Frame(box, settings.flip and bool(generator.random() < 0.5))


def _framed(pixels: Pixels, frame: _Frame) -> Pixels:
    import numpy as np
    from PIL import Image

    height, width = pixels.shape[:2]
    if frame.box != (0, 0, width, height):
        image = Image.fromarray(pixels)
        how = Image.Resampling.BILINEAR
        pixels = np.array(image.resize((width, height), how, box=frame.box), dtype=np.uint8)
    return np.ascontiguousarray(pixels[:, ::-1]) if frame.flip else pixels.copy()


def _areas(boxes: Boxes) -> Boxes:
    found: Boxes = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return found


def _erase(pixels: Pixels, generator: np.random.Generator) -> None:
    height, width = pixels.shape[:2]
    area = generator.uniform(*ERASED) * height * width
    aspect = math.exp(generator.uniform(-math.log(LONGEST_ERASED), math.log(LONGEST_ERASED)))
    high = min(height, round(math.sqrt(area * aspect)))
    wide = min(width, round(math.sqrt(area / aspect)))
    top = int(generator.integers(height - high + 1))
    left = int(generator.integers(width - wide + 1))
    noise = generator.integers(0, 256, (high, wide, 3), dtype="uint8")
    pixels[top : top + high, left : left + wide] = noise


def _coloured(image: Image.Image, most: float, generator: np.random.Generator) -> Image.Image:
    """Return brightness, contrast and saturation changed, in an order that is drawn."""
    from PIL import ImageEnhance

    kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for kind in generator.permutation(len(kinds)):
        image = kinds[kind](image).enhance(generator.uniform(1 - most, 1 + most))
    return image


def _same(image: Image.Image, strength: float, generator: np.random.Generator) -> Image.Image:
    return image


def _autocontrast(
    image: Image.Image, strength: float, generator: np.random.Generator
) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.autocontrast(image)


def _equalize(image: Image.Image, strength: float, generator: np.random.Generator) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.equalize(image)


def _solarize(image: Image.Image, strength: float, generator: np.random.Generator) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.solarize(image, threshold=round(256 * (1 - strength)))


def _posterize(image: Image.Image, strength: float, generator: np.random.Generator) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.posterize(image, 8 - round(4 * strength))


def _rotate(image: Image.Image, strength: float, generator: np.random.Generator) -> Image.Image:
    from PIL import Image

    degrees = _either(30 * strength, generator)
    return image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=GREY)


def _enhance(kind: str) -> Operation:
    def change(image: Image.Image, strength: float, generator: np.random.Generator) -> Image.Image:
        from PIL import ImageEnhance

        factor = 1 + _either(0.9 * strength, generator)
        found: Image.Image = getattr(ImageEnhance, kind)(image).enhance(factor)
        return found

    return change


def _move(place: int, most: float, by_size: bool) -> Operation:
    """Return the operation that sets one number of the affine matrix (x, y; two rows of three)."""

    def change(image: Image.Image, strength: float, generator: np.random.Generator) -> Image.Image:
        from PIL import Image

        matrix = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        size = image.size[place // 3] if by_size else 1
        matrix[place] = _either(most * strength, generator) * size
        how = Image.Resampling.BILINEAR
        return image.transform(
            image.size, Image.Transform.AFFINE, matrix, resample=how, fillcolor=GREY
        )

    return change


def _either(strength: float, generator: np.random.Generator) -> float:
    return strength if generator.random() < 0.5 else -strength


OPERATIONS: tuple[Operation, ...] = (
    _same,
    _autocontrast,
    _equalize,
    _rotate,
    _solarize,
    _posterize,
    _enhance("Color"),
    _enhance("Contrast"),
    _enhance("Brightness"),
    _enhance("Sharpness"),
    _move(1, 0.3, by_size=False),
    _move(3, 0.3, by_size=False),
    _move(2, 150 / 331, by_size=True),
    _move(5, 150 / 331, by_size=True),
)
"""RandAugment's, with AutoAugment's strengths (Cubuk et al. 2019, table 6); brightness and its
like go both ways from 1, so that more strength is more change, and posterizing leaves 4 bits."""
