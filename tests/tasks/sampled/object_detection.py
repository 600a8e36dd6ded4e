"""Bright squares on grey, of two colours, and a small YOLOS."""

from __future__ import annotations

from tests.tasks.samples import ROWS, Sample
from tests.tasks.tiny_detection import LABELS, picture, yolos

_MADE = [picture(number) for number in range(ROWS)]
SAMPLE = Sample(
    {"image": [image for image, _ in _MADE], "objects": [objects for _, objects in _MADE]},
    LABELS,
    yolos,
)
