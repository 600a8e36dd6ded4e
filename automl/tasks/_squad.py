"""Scores of answers to questions, as SQuAD's own script counts them, in plain Python.

An answer is normalised (lower case, no punctuation, no articles, single spaces) and compared with
each true one; the best counts (Rajpurkar et al. 2016, 2018). Knows no model.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = frozenset(string.punctuation)
_SHOWN = 10
CONTEXT_SHOWN = 200
"""Characters of a context that a mistake is shown with."""
ANSWERED, UNANSWERED = "with an answer", "without an answer"


class Said(NamedTuple):
    """The best span of a context, and by how much having no answer is likelier (above 0: it is)."""

    text: str
    start: int
    end: int
    score: float
    """Probability of the span among the best ones and no answer."""
    none: float

    @property
    def answer(self) -> str:
        """The answer's text; empty where there is none."""
        return "" if self.none > 0 else self.text


def normalised(text: str) -> str:
    """Return the text as answers are compared."""
    bare = "".join(each for each in text.lower() if each not in _PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def exact(said: str, true: str) -> float:
    """Return 1 where the two are the same once normalised."""
    return float(normalised(said) == normalised(true))


def overlap(said: str, true: str) -> float:
    """Return F1 of the words that the two share; of empty ones 1 where both are."""
    ours, theirs = normalised(said).split(), normalised(true).split()
    if not ours or not theirs:
        return float(ours == theirs)
    shared = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * shared / (len(ours) + len(theirs))


def best(said: str, truths: Sequence[str]) -> tuple[float, float]:
    """Return exact match and F1 with the nearest of the true answers; none is the empty one."""
    known = [each for each in truths if normalised(each)] or [""]
    return max(exact(said, each) for each in known), max(overlap(said, each) for each in known)


@dataclass(frozen=True, slots=True)
class Judged:
    """Exact match and F1 of each row, whether it has an answer, and whether it was given one."""

    exact: Sequence[float]
    f1: Sequence[float]
    answerable: Sequence[bool]
    answered: Sequence[bool]


def judged(predictions: Sequence[Said], targets: Sequence[Sequence[str]]) -> Judged:
    """Return how each row was answered."""
    pairs = [best(one.answer, truths) for one, truths in zip(predictions, targets, strict=True)]
    return Judged(
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
        [bool(truths) for truths in targets],
        [bool(one.answer) for one in predictions],
    )


def threshold(predictions: Sequence[Said], targets: Sequence[Sequence[str]]) -> float:
    """Return what to take from every ``none``, so that F1 over the rows is highest.

    It lies halfway between two rows; of several as good ones, the one nearest 0.
    """
    rows = []
    for said, truths in zip(predictions, targets, strict=True):
        rows.append((said.none, best("", truths)[1], best(said.text, truths)[1]))
    rows.sort()
    margins = [row[0] for row in rows]
    cuts = [margins[0] - 1, *((a + b) / 2 for a, b in pairwise(margins))]
    cuts.append(margins[-1] + 1)
    total = sum(row[1] for row in rows)
    found = [(-total, abs(cuts[0]), cuts[0])]
    for (_, without, with_), cut in zip(rows, cuts[1:], strict=True):
        total += with_ - without
        found.append((-total, abs(cut), cut))
    return min(found)[2]


def mistakes(
    predictions: Sequence[Said],
    targets: Sequence[Sequence[str]],
    columns: Mapping[str, Sequence[Any]],
    right: Sequence[float],
) -> tuple[dict[str, Any], ...]:
    """Return the rows answered with most confidence of those that share no word with the truth."""
    wrong = [row for row, f1 in enumerate(right) if f1 == 0]
    wrong.sort(key=lambda row: -predictions[row].score)
    return tuple(
        {
            "question": columns["question"][row],
            "context": _around(columns["context"][row], predictions[row]),
            "label": " / ".join(dict.fromkeys(targets[row])) or "no answer",
            "predicted": predictions[row].answer or "no answer",
            "score": predictions[row].score,
        }
        for row in wrong[:_SHOWN]
    )


def _around(context: str, said: Said) -> str:
    start = max(0, said.start - CONTEXT_SHOWN // 2)
    cut = context[start : start + CONTEXT_SHOWN]
    return f"{'…' if start else ''}{cut}{'…' if start + len(cut) < len(context) else ''}"
