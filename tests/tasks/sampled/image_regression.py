"""Pictures with a number that goes with their colour, and a small ViT."""

from __future__ import annotations

from tests.tasks.samples import ROWS, Sample
from tests.tasks.tiny_vision import COLOURS, png, vit

SAMPLE = Sample(
    {
        "image": [png(number, COLOURS[number % 3]) for number in range(ROWS)],
        "label": [float(number % 3) for number in range(ROWS)],
    },
    (),
    vit,
)
