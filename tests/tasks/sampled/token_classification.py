"""Sentences of ordinary words with one name of two words in each."""

from __future__ import annotations

from tests.tasks.samples import ROWS, Sample

KINDS = ("alpha", "beta")


def _row(number: int) -> tuple[list[str], list[str]]:
    kind = KINDS[number % 2]
    tokens = ["a", "text", "about", kind, "the", "first", "and", str(number)]
    tags = ["O", "O", "O", f"B-{kind}", f"I-{kind}", f"I-{kind}", "O", "O"]
    return tokens, tags


_TOKENS, _TAGS = zip(*(_row(number) for number in range(ROWS)), strict=True)
SAMPLE = Sample(
    {"tokens": list(_TOKENS), "tags": list(_TAGS)},
    ("B-alpha", "B-beta", "I-alpha", "I-beta", "O"),
)
