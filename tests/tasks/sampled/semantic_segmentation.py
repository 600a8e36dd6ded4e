"""Bright discs on dark noise, masks of 0 and 255, and a small SegFormer."""

from __future__ import annotations

from tests.tasks.samples import ROWS, Sample
from tests.tasks.tiny_segmentation import disc, encoded, mask, segformer

_MADE = [disc(number) for number in range(ROWS)]
SAMPLE = Sample(
    {
        "image": [encoded(pixels) for pixels, _ in _MADE],
        "mask": [mask(there) for _, there in _MADE],
    },
    ("0", "255"),
    segformer,
)
