"""Texts in which one word often tells the next."""

from __future__ import annotations

from tests.tasks.samples import CLASSES, ROWS, Sample

TEXTS = [
    f"a text about {CLASSES[row % 3]} and a text about {CLASSES[row % 3]}" for row in range(ROWS)
]
SAMPLE = Sample({"text": TEXTS}, (), asked={"text": [f"a [MASK] about {one}" for one in CLASSES]})
