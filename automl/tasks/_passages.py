"""The floor for questions about a text: the sentence likest the question, what it adds to it.

Counts words; no neural network.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from automl.tasks._squad import Said, threshold

DESCRIPTION = (
    "of the sentence that shares most words with the question, weighted by how rare they are, the "
    "run of names and numbers nearest to them that the question has not"
)
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?!\s|$)[^.!?\n]*)*[.!?]?")
_WORD = re.compile(r"\w+(?:[-'’]\w+)*")
_STEM = 5
"""Letters by which words count as the same."""
_NEAR = 4.0
"""Words of distance that halve what a run is worth."""


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    worth: float


def answers(
    train: Mapping[str, Sequence[str]],
    truths: Sequence[Sequence[str]],
    others: Mapping[str, Mapping[str, Sequence[str]]],
) -> dict[str, list[Said]]:
    """Return an answer for each row of ``others`` (question, context).

    Where train has questions without an answer, so little in common that it fits these best counts
    as none.
    """
    rarity = _rarity(train["context"])
    limit = float("inf")
    if not all(truths):
        limit = threshold(_all(train, rarity, 0.0), truths)
    return {name: _all(rows, rarity, limit) for name, rows in others.items()}


def _all(
    rows: Mapping[str, Sequence[str]], rarity: Mapping[str, float], limit: float
) -> list[Said]:
    pairs = zip(rows["question"], rows["context"], strict=True)
    return [_said(question, context, rarity, limit) for question, context in pairs]


def _rarity(contexts: Sequence[str]) -> dict[str, float]:
    """Return each word's inverse document frequency; "" is that of unknown ones."""
    seen: Counter[str] = Counter()
    every = set(contexts)
    for context in every:
        seen.update({_stem(word[0]) for word in _WORD.finditer(context)})
    unknown = math.log(1 + len(every))
    return {"": unknown, **{word: unknown - math.log(1 + n) for word, n in seen.items()}}


def _stem(word: str) -> str:
    return word.lower()[:_STEM]


def _said(question: str, context: str, rarity: Mapping[str, float], limit: float) -> Said:
    asked = {_stem(word[0]) for word in _WORD.finditer(question)}
    best = max(_spans(asked, context, rarity), key=lambda each: each.worth, default=None)
    if best is None:
        return Said("", 0, 0, 0.0, 0.0)
    weight = sum(rarity.get(word, rarity[""]) for word in asked) or 1.0
    share = min(1.0, best.worth / weight)
    none = -share - limit if math.isfinite(limit) else -1.0
    return Said(context[best.start : best.end], best.start, best.end, share, none)


def _spans(asked: set[str], context: str, rarity: Mapping[str, float]) -> Iterator[_Span]:
    for sentence in _SENTENCE.finditer(context):
        words = list(_WORD.finditer(context, *sentence.span()))
        common = [place for place, word in enumerate(words) if _stem(word[0]) in asked]
        worth = sum(
            rarity.get(stem, rarity[""]) for stem in {_stem(words[place][0]) for place in common}
        )
        for first, last in _runs(words, asked):
            away = min((min(abs(place - first), abs(place - last)) for place in common), default=0)
            kept = worth * (1 + 0.5 ** (away / _NEAR)) / 2
            yield _Span(words[first].start(), words[last].end(), kept)


def _runs(words: Sequence[re.Match[str]], asked: set[str]) -> Iterator[tuple[int, int]]:
    """Yield stretches of names and numbers; where there are none, of all words not asked for."""

    def stretches(fits: Sequence[bool]) -> list[tuple[int, int]]:
        found = []
        for held, places in groupby(range(len(words)), key=lambda place: fits[place]):
            if held:
                run = list(places)
                found.append((run[0], run[-1]))
        return found

    new = [_stem(word[0]) not in asked for word in words]
    named = [
        fresh and (word[0][0].isdigit() or (place > 0 and word[0][0].isupper()))
        for place, (word, fresh) in enumerate(zip(words, new, strict=True))
    ]
    yield from stretches(named) or stretches(new)
