"""Rows for text2text-generation, and a tiny T5 made of their texts."""

from __future__ import annotations

from tests.tasks.samples import CLASSES, ROWS, Sample
from tests.tasks.tiny_seq2seq import tiny_t5

SAMPLE = Sample(
    {
        "text": [f"name[{CLASSES[row % 3]}], number[{row}]" for row in range(ROWS)],
        "target": [f"{CLASSES[row % 3]} it is" for row in range(ROWS)],
    },
    (),
    tiny_t5,
)
