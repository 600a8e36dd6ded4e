"""Pictures with the class of their colour, every third with one more, and a small ViT."""

from __future__ import annotations

from tests.tasks.samples import CLASSES, ROWS, Sample
from tests.tasks.tiny_vision import COLOURS, png, vit

SAMPLE = Sample(
    {
        "image": [png(number, COLOURS[number % 3]) for number in range(ROWS)],
        "label": [[CLASSES[number % 3], *["gamma"] * (number % 3 == 0)] for number in range(ROWS)],
    },
    CLASSES,
    vit,
)
