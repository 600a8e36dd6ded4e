"""Encoder-decoders of a few thousand random weights, made anew where they are needed."""

from __future__ import annotations

from pathlib import Path

from benchmarks.tiny_seq2seq import Size, make
from tests.fixtures.make_tiny_bert import corpus

SIZE = Size(vocabulary=300, width=32, layers=1)


def tiny_t5(folder: Path) -> Path:
    """Return the folder, with a T5 and its tokenizer in it."""
    make(corpus()[:200], folder, SIZE, "t5")
    return folder


def tiny_bart(folder: Path) -> Path:
    """Return the folder, with a BART and its tokenizer in it."""
    make(corpus()[:200], folder, SIZE, "bart")
    return folder
