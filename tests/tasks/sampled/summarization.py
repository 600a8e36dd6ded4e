"""Rows for summarization, and a tiny T5 made of their texts."""

from __future__ import annotations

from tests.tasks.samples import CLASSES, ROWS, Sample
from tests.tasks.tiny_seq2seq import tiny_t5

SAMPLE = Sample(
    {
        "text": [
            f"{CLASSES[row % 3]} was here. {CLASSES[row % 3]} saw number {row} and left again."
            for row in range(ROWS)
        ],
        "target": [f"{CLASSES[row % 3]} left." for row in range(ROWS)],
    },
    (),
    tiny_t5,
)
