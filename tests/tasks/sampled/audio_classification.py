"""Sounds whose class is their pitch, and a small wav2vec 2.0."""

from __future__ import annotations

from tests.tasks.samples import CLASSES, ROWS, Sample
from tests.tasks.tiny_hearing import PITCHES, wav, wav2vec2

SAMPLE = Sample(
    {
        "audio": [wav(row, PITCHES[row % 3], 0.2 + 0.02 * (row % 5)) for row in range(ROWS)],
        "label": [CLASSES[row % 3] for row in range(ROWS)],
    },
    CLASSES,
    wav2vec2,
)
