"""The pairs of ``preference``, for an encoder."""

from __future__ import annotations

from tests.tasks.pairs import ASKED, PAIRS
from tests.tasks.samples import Sample

SAMPLE = Sample(PAIRS, (), asked={**ASKED, "completion": ['"blue"', '"never"']})
