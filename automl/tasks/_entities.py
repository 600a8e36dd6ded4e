"""Scores of tagged words: entities, right where bounds and type are, and single tags. In numpy.

Every metric is a function of counts by row, so that a thousand resamples are scored at once.
Equal to seqeval's (Nakayama 2018) micro and macro averages in its default mode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.jobs import SplitScore
from automl.tasks import _bootstrap
from automl.tasks._tagging import Tagged, found
from automl.tasks._tags import OUTSIDE, is_chunked, kinds

Array = npt.NDArray[np.float64]
MISTAKES = 10
_SHOWN = 12
"""Entities listed of a row that was got wrong."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Of each row, by type: right, predicted and true ones; words that are right, and all."""

    hits: Array
    said: Array
    true: Array
    right: Array
    words: Array

    def take(self, rows: npt.NDArray[np.int64]) -> Counts:
        """Return the counts of these rows."""
        return Counts(
            self.hits[rows], self.said[rows], self.true[rows], self.right[rows], self.words[rows]
        )


def score(
    predictions: Sequence[Tagged], targets: Sequence[Sequence[str]], labels: Sequence[str]
) -> dict[str, float]:
    """Return each metric; types neither true nor predicted don't count in ``macro_f1``."""
    return _metrics(_counts(predictions, targets, labels))


def report(
    predictions: Sequence[Tagged],
    targets: Sequence[Sequence[str]],
    labels: Sequence[str],
    seed: int,
) -> SplitScore:
    """Return metrics with intervals over rows, the table by type, the most confident mistakes."""
    counts = _counts(predictions, targets, labels)
    return SplitScore(
        rows=len(targets),
        metrics=_metrics(counts),
        intervals=_bootstrap.intervals(
            lambda rows: _metrics(counts.take(rows)), len(targets), seed
        ),
        per_class=_per_class(counts, kinds(labels)),
        confusion=() if is_chunked(labels) else _confusion(predictions, targets, labels),
        examples=_mistakes(predictions, targets),
        unit="entities" if is_chunked(labels) else "words",
    )


def _counts(
    predictions: Sequence[Tagged], targets: Sequence[Sequence[str]], labels: Sequence[str]
) -> Counts:
    place = {kind: index for index, kind in enumerate(kinds(labels))}
    chunked = is_chunked(labels)
    hits, said, true = (np.zeros((len(targets), len(place))) for _ in range(3))
    right = np.zeros(len(targets))
    for row, (tagged, tags) in enumerate(zip(predictions, targets, strict=True)):
        ours = _units(tagged.tags, chunked)
        theirs = _units(tags, chunked)
        for table, units in ((said, ours), (true, theirs), (hits, ours & theirs)):
            for kind, *_ in units:
                table[row, place[kind]] += 1
        right[row] = sum(one == other for one, other in zip(tagged.tags, tags, strict=True))
    return Counts(hits, said, true, right, np.asarray([len(tags) for tags in targets], float))


def _units(tags: Sequence[str], chunked: bool) -> set[tuple[str, int, int]]:
    """Return what is right or wrong as a whole: entities, or single tags."""
    if chunked:
        return set(found(tags))
    return {(tag, place, place + 1) for place, tag in enumerate(tags) if tag != OUTSIDE}


def _metrics(counts: Counts) -> dict[str, float]:
    hits, said, true = (each.sum(axis=0) for each in (counts.hits, counts.said, counts.true))
    f1, seen = _ratio(2 * hits, said + true), (said + true) > 0
    words = counts.words.sum()
    return {
        "f1": float(_ratio(2 * hits.sum(), said.sum() + true.sum())),
        "precision": float(_ratio(hits.sum(), said.sum())),
        "recall": float(_ratio(hits.sum(), true.sum())),
        "macro_f1": float(f1[seen].mean()) if seen.any() else 0.0,
        "accuracy": float(counts.right.sum() / words) if words else 0.0,
    }


def _ratio(above: Any, below: Any) -> Any:
    """Return above / below, 0 where below is 0."""
    up, down = np.asarray(above, float), np.asarray(below, float)
    return np.divide(up, down, out=np.zeros_like(down), where=down != 0)


def _per_class(counts: Counts, names: Sequence[str]) -> dict[str, dict[str, float]]:
    hits, said, true = (each.sum(axis=0) for each in (counts.hits, counts.said, counts.true))
    table = {
        "precision": _ratio(hits, said),
        "recall": _ratio(hits, true),
        "f1": _ratio(2 * hits, said + true),
        "support": true,
    }
    return {
        kind: {name: float(values[index]) for name, values in table.items()}
        for index, kind in enumerate(names)
    }


def _confusion(
    predictions: Sequence[Tagged], targets: Sequence[Sequence[str]], labels: Sequence[str]
) -> tuple[tuple[int, ...], ...]:
    place = {label: index for index, label in enumerate(labels)}
    table = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for tagged, tags in zip(predictions, targets, strict=True):
        for one, other in zip(tags, tagged.tags, strict=True):
            table[place[one], place[other]] += 1
    return tuple(tuple(int(cell) for cell in row) for row in table)


def _mistakes(
    predictions: Sequence[Tagged], targets: Sequence[Sequence[str]]
) -> tuple[Mapping[str, Any], ...]:
    sure = {
        row: float(np.mean(wrong))
        for row, (tagged, tags) in enumerate(zip(predictions, targets, strict=True))
        if (wrong := _wrong(tagged, tags))
    }
    worst = sorted(sure, key=lambda row: -sure[row])[:MISTAKES]
    return tuple(
        {
            "text": predictions[row].text,
            "label": _named(predictions[row], targets[row]),
            "predicted": _named(predictions[row], predictions[row].tags),
            "score": sure[row],
        }
        for row in worst
    )


def _wrong(tagged: Tagged, tags: Sequence[str]) -> list[float]:
    """Return how probable the wrong tags of a row are held to be."""
    pairs = zip(tagged.tags, tags, tagged.scores, strict=True)
    return [score for said, true, score in pairs if said != true]


def _named(tagged: Tagged, tags: Sequence[str]) -> str:
    """Return the entities in words: ``Paris (LOC), Ada Lovelace (PER)``."""
    every = found(tags)
    named = [
        f"{tagged.text[tagged.words[first][0] : tagged.words[last - 1][1]]} ({kind})"
        for kind, first, last in every[:_SHOWN]
    ]
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return (", ".join(named) + more) or "nothing"
