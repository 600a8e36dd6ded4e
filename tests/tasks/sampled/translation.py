"""Rows for translation, and a tiny T5 made of their texts."""

from __future__ import annotations

from tests.tasks.samples import CLASSES, ROWS, Sample
from tests.tasks.tiny_seq2seq import tiny_t5

SAMPLE = Sample(
    {
        "text": [f"the {CLASSES[row % 3]} number {row}" for row in range(ROWS)],
        "target": [f"{CLASSES[row % 3]} ist da" for row in range(ROWS)],
        "source_language": ["en"] * ROWS,
        "target_language": ["de"] * ROWS,
    },
    (),
    tiny_t5,
)
