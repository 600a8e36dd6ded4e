"""Texts too long for a model as overlapping windows, and what was said of them put together.

Knows positions and offsets; no task. Encoded rows carry bookkeeping besides the model's inputs:
``row``, the place of the row that a window is of, and columns that the task names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl.errors import CandidateError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ROW = "row"
OVERLAP = 4
"""A window shares one in so many of its tokens with the next."""


def overlap(max_length: int) -> int:
    """Return how many tokens a window shares with the next."""
    return max_length // OVERLAP


def refuse_slow(tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise CandidateError for a tokenizer that can't say where its pieces stand in a text."""
    if not tokenizer.is_fast:
        raise CandidateError("its tokenizer can't say where its pieces stand in the text")


@dataclass(frozen=True, slots=True)
class Collator:
    """Pads the model's inputs, leaving the bookkeeping out."""

    pad: Callable[[list[Any]], dict[str, Any]]
    left_out: Collection[str] = (ROW,)

    def __call__(self, rows: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Return input name → tensor, as the padder does."""
        return self.pad(
            [
                {name: value for name, value in row.items() if name not in self.left_out}
                for row in rows
            ]
        )


def by_row(rows: Any, outputs: Sequence[Any], count: int) -> list[list[tuple[Any, Any]]]:
    """Return, for each of ``count`` rows, its windows and what was said of them."""
    found: list[list[tuple[Any, Any]]] = [[] for _ in range(count)]
    for window, output in zip(_each(rows), outputs, strict=True):
        found[int(window[ROW])].append((window, output))
    return found


def _each(rows: Any) -> Iterator[Mapping[str, Any]]:
    # Encoded rows are indexable, and need not be iterable.
    return (rows[place] for place in range(len(rows)))
