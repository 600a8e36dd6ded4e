"""Choices of one question side by side: encoded as one row, scored together. Knows no floor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from automl.tasks._text import Padder, padder

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedTokenizerBase

SIZES = "sizes"
"""Encoded column: how many pieces each choice has."""
MISSING = -1e4
"""Logit of a choice that is not there; finite, so that nothing becomes NaN."""


class Ranked(NamedTuple):
    """A question's choices and the log-probability of each."""

    choices: list[str]
    scores: list[float]

    @property
    def best(self) -> int:
        """Place of the most probable choice, the first of equals."""
        return max(range(len(self.scores)), key=lambda place: self.scores[place])


def encode(
    prompts: Sequence[str],
    choices: Sequence[Sequence[str]],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
) -> dict[str, list[Any]]:
    """Return a row for each prompt: it and each of its choices one after the other, in ``sizes``.

    Of what is too long the prompt is cut, unless the choice alone is.
    """
    rows = [row for row, several in enumerate(choices) for _ in several]
    inputs = tokenizer(
        [prompts[row] for row in rows],
        [choice for several in choices for choice in several],
        truncation=True,
        max_length=max_length,
    )
    ends = [0]
    for several in choices:
        ends.append(ends[-1] + len(several))
    made: dict[str, list[Any]] = {
        name: [
            [piece for choice in inputs[name][start:end] for piece in choice]
            for start, end in pairwise(ends)
        ]
        for name in inputs
    }
    made[SIZES] = [
        [len(choice) for choice in inputs["input_ids"][start:end]] for start, end in pairwise(ends)
    ]
    return made


def lengths(encoded: Mapping[str, Sequence[Any]]) -> list[int]:
    """Return how many tokens the longest choice of each row has, its prompt included."""
    return [max(sizes) for sizes in encoded[SIZES]]


@dataclass(frozen=True, slots=True)
class Collator:
    """Pads rows to tensors of shape (rows, most choices, most pieces); missing choices are empty.

    A choice is missing where no piece of it is attended to.
    """

    pad: Padder

    def __call__(self, rows: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Return input name → tensor; ``labels`` of shape (rows,)."""
        most = max(len(row[SIZES]) for row in rows)
        flat = [piece for row in rows for piece in self._choices(row, most)]
        batch = {
            name: values.reshape(len(rows), most, -1) for name, values in self.pad(flat).items()
        }
        if "labels" in rows[0]:
            batch.update(self.pad([{"labels": row["labels"]} for row in rows]))
        return batch

    def _choices(self, row: Mapping[str, Any], most: int) -> Iterable[Mapping[str, Any]]:
        names = [name for name in row if name not in (SIZES, "labels")]
        start = 0
        for size in row[SIZES]:
            yield {name: row[name][start : start + size] for name in names}
            start += int(size)
        for _ in range(most - len(row[SIZES])):
            # One piece, so that the encoder has something to look at.
            yield {name: [0 if name == "attention_mask" else row[name][0]] for name in names}


def collator(tokenizer: PreTrainedTokenizerBase) -> Collator:
    """Return what pads rows of choices."""
    return Collator(padder(tokenizer))


def logits(model: Any, inputs: Mapping[str, Any]) -> Any:
    """Return the model's logits, float32 of shape (rows, most choices); missing ones are lowest."""
    given = {name: values for name, values in inputs.items() if name != "labels"}
    there = given["attention_mask"].sum(dim=-1) > 0
    # A choice of which nothing is attended to would make its attention NaN in some families.
    given["attention_mask"] = given["attention_mask"].clone()
    given["attention_mask"][..., 0] = 1
    return model(**given).logits.float().masked_fill(~there, MISSING)


def loss(model: Any, inputs: dict[str, Any]) -> Any:
    """Return the cross-entropy over the choices that are there."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits(model, inputs), inputs["labels"])


def infer(model: Any, inputs: dict[str, Any]) -> np.ndarray:
    """Return log-probabilities, float32 of shape (rows, most choices)."""
    found: np.ndarray = logits(model, inputs).log_softmax(dim=-1).cpu().numpy()
    return found


def decode(outputs: Sequence[Any], choices: Sequence[Sequence[str]]) -> list[Ranked]:
    """Return each row's choices with their log-probabilities."""
    return [
        Ranked(list(several), [float(value) for value in output[: len(several)]])
        for output, several in zip(outputs, choices, strict=True)
    ]
