"""Scores of chosen answers, and the floor that chooses by words, in numpy and scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.jobs import SplitScore
from automl.tasks import _bootstrap
from automl.tasks._choices import Ranked

Array = npt.NDArray[Any]
LEAST_PROBABILITY = 1e-15
_SHOWN = 10
_FOLDS = 3
_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)
"""Inverse regularisations that the floor chooses from."""
_POSITIONS = 10
"""Places that the floor tells apart."""


def score(predictions: Sequence[Ranked], targets: Sequence[int]) -> dict[str, float]:
    """Return accuracy and log loss."""
    return _metrics(*_by_row(predictions, targets))


def report(
    predictions: Sequence[Ranked],
    targets: Sequence[int],
    columns: Mapping[str, Sequence[Any]],
    seed: int,
) -> SplitScore:
    """Return metrics with intervals over rows, and the most confident mistakes."""
    right, losses = _by_row(predictions, targets)
    return SplitScore(
        rows=len(targets),
        metrics=_metrics(right, losses),
        intervals=_bootstrap.intervals(
            lambda rows: _metrics(right[rows], losses[rows]), len(targets), seed
        ),
        per_class={},
        confusion=(),
        examples=_mistakes(predictions, targets, columns),
    )


def _by_row(predictions: Sequence[Ranked], targets: Sequence[int]) -> tuple[Array, Array]:
    right = [float(each.best == true) for each, true in zip(predictions, targets, strict=True)]
    chosen = [each.scores[true] for each, true in zip(predictions, targets, strict=True)]
    return np.asarray(right), -np.maximum(np.asarray(chosen), np.log(LEAST_PROBABILITY))


def _metrics(right: Array, losses: Array) -> dict[str, float]:
    return {"accuracy": float(right.mean()), "log_loss": float(losses.mean())}


def _mistakes(
    predictions: Sequence[Ranked], targets: Sequence[int], columns: Mapping[str, Sequence[Any]]
) -> tuple[dict[str, Any], ...]:
    wrong = [row for row, each in enumerate(predictions) if each.best != targets[row]]
    wrong.sort(key=lambda row: -max(predictions[row].scores))
    given = [role for role in ("context", "question") if role in columns]
    return tuple(
        {
            **{role: columns[role][row] for role in given},
            "label": predictions[row].choices[targets[row]],
            "predicted": predictions[row].choices[predictions[row].best],
            "score": float(np.exp(max(predictions[row].scores))),
        }
        for row in wrong[:_SHOWN]
    )


def floor(
    prompts: Sequence[str],
    choices: Sequence[Sequence[str]],
    answers: Sequence[int],
    others: Mapping[str, tuple[Sequence[str], Sequence[Sequence[str]]]],
    seed: int,
) -> dict[str, list[Ranked]]:
    """Fit a logistic regression on each choice's likeness, length, place and words; rank others'.

    Likeness is the cosine of prompt and choice in TF-IDF of words, and of characters. How much the
    regression may follow is chosen by folds over the questions.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    every = [*prompts, *(choice for several in choices for choice in several)]
    words = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b").fit(every)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True).fit(every)

    def features(prompts: Sequence[str], choices: Sequence[Sequence[str]]) -> Any:
        return _features(prompts, choices, words, letters)

    known, sizes = features(prompts, choices), [len(several) for several in choices]
    truth = np.concatenate(
        [np.arange(size) == right for size, right in zip(sizes, answers, strict=True)]
    )
    question = np.repeat(np.arange(len(sizes)), sizes)

    def fitted(rows: Array, strength: float) -> Any:
        made = LogisticRegression(C=strength, max_iter=500, random_state=seed)
        return made.fit(known[rows], truth[rows])

    def loss(strength: float) -> float:
        odds = np.zeros(len(truth))
        for fold in range(_FOLDS):
            held = question % _FOLDS == fold
            odds[held] = fitted(~held, strength).decision_function(known[held])
        return score(_ranked(odds, choices), answers)["log_loss"]

    best = fitted(np.ones(len(truth), dtype=bool), min(_STRENGTHS, key=loss))
    return {
        name: _ranked(best.decision_function(features(*rows)), rows[1])
        for name, rows in others.items()
    }


def _features(
    prompts: Sequence[str], choices: Sequence[Sequence[str]], words: Any, letters: Any
) -> Any:
    from scipy.sparse import csr_matrix, hstack

    asked = [prompt for prompt, several in zip(prompts, choices, strict=True) for _ in several]
    said = [choice for several in choices for choice in several]
    alike = [each.transform(asked).multiply(each.transform(said)).sum(axis=1)
             for each in (words, letters)]  # fmt: skip
    numbers = np.asarray([_numbers(several, place)
                          for several in choices for place in range(len(several))])  # fmt: skip
    return hstack([csr_matrix(np.hstack([*alike, numbers])), words.transform(said)], format="csr")


def _numbers(several: Sequence[str], place: int) -> list[float]:
    """Return how a choice's length compares with the others', and where it stands."""
    sizes = [len(choice) for choice in several]
    where = [0.0] * _POSITIONS
    where[min(place, _POSITIONS - 1)] = 1.0
    mean = sum(sizes) / len(sizes)
    longest = float(sizes[place] == max(sizes))
    return [sizes[place] / mean if mean else 1.0, longest, *where]


def _ranked(odds: Array, choices: Sequence[Sequence[str]]) -> list[Ranked]:
    found, start = [], 0
    for several in choices:
        values = odds[start : start + len(several)].astype(np.float64)
        values = values - values.max()
        values = values - np.log(np.exp(values).sum())
        found.append(Ranked(list(several), [float(value) for value in values]))
        start += len(several)
    return found
