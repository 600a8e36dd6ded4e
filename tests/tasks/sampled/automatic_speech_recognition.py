"""Tones that are called by their pitch, and a small wav2vec 2.0 that is to spell them."""

from __future__ import annotations

from tests.tasks.samples import CLASSES, ROWS, Sample
from tests.tasks.tiny_hearing import PITCHES, wav, wav2vec2

SAMPLE = Sample(
    {
        "audio": [wav(row, PITCHES[row % 3], 0.3 + 0.02 * (row % 5)) for row in range(ROWS)],
        "text": [CLASSES[row % 3].title() + "!" for row in range(ROWS)],
    },
    (),
    wav2vec2,
)
