"""Pairs whose chosen answer is the longer and names a colour."""

from __future__ import annotations

from tests.fixtures import tiny_decoder
from tests.tasks.pairs import ASKED, PAIRS
from tests.tasks.samples import Sample

SAMPLE = Sample(PAIRS, (), tiny_decoder.make, asked=ASKED)
