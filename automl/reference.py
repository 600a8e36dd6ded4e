"""What was ordinary when a model was scored, by which later rows are judged. Pure data.

Knows not how rows are observed, nor what is made of a difference.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

PROFILE = "profile.json"
"""Its file in a bundle."""
OTHER = "(other)"
Value = str | float
"""What is observed of one row: a class, or a number."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing that is observed of each row, and how it was spread over the rows looked at.

    A number falls into the bin that its ``edges`` say: up to the first, ..., above the last. A
    class that is none of ``classes`` counts as the last one, ``OTHER``.
    """

    name: str
    kind: Literal["class", "number"]
    counts: tuple[int, ...]
    classes: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    median: float = 0.0
    unit: str = ""
    """Of a number; ``%`` stands for a share from 0 to 1."""

    def place(self, value: Value) -> int:
        """Return which of ``counts`` the value belongs to."""
        if self.kind == "number":
            return bisect_left(self.edges, float(value))
        found = str(value)
        return self.classes.index(found) if found in self.classes else len(self.classes) - 1

    def counted(self, values: Sequence[Value]) -> tuple[int, ...]:
        """Return how many of the values belong to each of the bins."""
        counts = [0] * len(self.counts)
        for value in values:
            counts[self.place(value)] += 1
        return tuple(counts)

    @property
    def rows(self) -> int:
        """How many rows it was observed of."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Reference:
    """What held-out rows were like, and what was said of them."""

    rows: int
    splits: tuple[str, ...]
    features: tuple[Feature, ...]
    words: str = ""
    """Hashes of the words that training texts use most, 4 bytes each, as base64: they tell how
    much of a text is known, and not what the texts say."""
    schema: Literal["automl/profile"] = "automl/profile"
    version: int = 1
