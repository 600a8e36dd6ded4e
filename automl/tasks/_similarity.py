"""How good embeddings are, by what the rows say of their texts: in numpy alone.

Embeddings are of length 1, so that their inner product is their cosine. Knows no model.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from automl.jobs import SplitScore
from automl.tasks import _bootstrap, _correlation

Array = npt.NDArray[Any]
Form = Literal["scores", "decisions", "triplets", "pairs"]
DEPTH = 10
"""Documents looked at for each query."""
EXAMPLES = 10
_QUERIES_AT_ONCE = 512
_RANKED = ("recall_at_1", "recall_at_5", "recall_at_10", "mrr_at_10", "ndcg_at_10")
_DISCOUNTS = 1 / np.log2(np.arange(2, DEPTH + 2))


def form(roles: Collection[str]) -> Form:
    """Return what rows with these roles say of their texts."""
    if "negative" in roles:
        return "triplets"
    if "score" in roles:
        return "scores"
    return "decisions" if "label" in roles else "pairs"


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of a split's rows."""

    form: Form
    said: Array
    """Scores, or 0 and 1; empty where nothing is said."""
    queries: Array
    """Each row's query: texts that are the same have one number."""
    documents: Array
    """Each row's documents (rows, texts but the first), by number from 0."""
    first: Array
    """Where a query comes for the first time: of equal ones, this one counts."""


def truth(columns: Mapping[str, Sequence[Any]]) -> Truth:
    """Return what the rows say of their texts."""
    chosen = form(columns)
    role = {"scores": "score", "decisions": "label"}.get(chosen)
    said = [] if role is None else [float(value) for value in columns[role]]
    others = [columns[name] for name in ("text_pair", "negative") if name in columns]
    numbers = _numbered([text for texts in others for text in texts])
    queries = _numbered(columns["text"])
    first = np.zeros(len(queries), dtype=bool)
    first[np.unique(queries, return_index=True)[1]] = True
    return Truth(chosen, np.asarray(said), queries, numbers.reshape(len(others), -1).T, first)


def _numbered(texts: Sequence[Any]) -> Array:
    """Return a number for each text, the same for texts that differ by case or spacing alone."""
    known: dict[str, int] = {}
    keys = (" ".join(str(text).casefold().split()) for text in texts)
    return np.asarray([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)


def judged(texts: Sequence[Any], true: Truth) -> Array:
    """Return what metrics are made of, a row a row, float32.

    ``texts`` are matrices (rows, dimensions), dense or sparse, of the queries and each kind of
    document. Columns are the cosines with the row's documents; then, of pairs and triplets, what
    the query's ranking of all documents is worth, and the number of the one it puts first.
    """
    query, *documents = texts
    cosines = np.stack([_inner(query, each) for each in documents], axis=1)
    if true.form in ("scores", "decisions"):
        return cosines.astype(np.float32)
    return np.concatenate([cosines, _rankings(query, documents, true)], axis=1).astype(np.float32)


def _inner(one: Any, other: Any) -> Array:
    product = one.multiply(other) if hasattr(one, "multiply") else one * other
    return np.asarray(product.sum(axis=1)).reshape(-1)


def _rankings(query: Any, documents: Sequence[Any], true: Truth) -> Array:
    """Return each row's values of ``_RANKED`` and its first document (rows, 6)."""
    numbers, places = np.unique(true.documents.T.reshape(-1), return_index=True)
    corpus = _stacked(documents)[places]
    relevant = _relevant(true)
    firsts, which = np.unique(true.queries, return_index=True)
    found = np.zeros((len(firsts), len(_RANKED) + 1))
    for start in range(0, len(firsts), _QUERIES_AT_ONCE):
        asked = which[start : start + _QUERIES_AT_ONCE]
        product = query[asked] @ corpus.T
        cosines = product.toarray() if hasattr(product, "toarray") else product
        for place, order in enumerate(_top(cosines), start):
            ranked = numbers[order]
            found[place] = *_worth(ranked, relevant[int(firsts[place])]), ranked[0]
    return found[np.searchsorted(firsts, true.queries)]


def _stacked(parts: Sequence[Any]) -> Any:
    if hasattr(parts[0], "multiply"):
        from scipy.sparse import vstack

        return vstack(parts, format="csr")
    return np.concatenate(parts)


def _relevant(true: Truth) -> dict[int, set[int]]:
    """Return each query's documents: those of all its rows, negatives aside."""
    found: dict[int, set[int]] = {}
    for query, document in zip(true.queries, true.documents[:, 0], strict=True):
        found.setdefault(int(query), set()).add(int(document))
    return found


def _top(cosines: Array) -> Array:
    """Return each row's ``DEPTH`` largest, the largest first; of equal ones the first."""
    depth = min(DEPTH, cosines.shape[1])
    best = np.sort(np.argpartition(-cosines, depth - 1, axis=1)[:, :depth], axis=1)
    order = np.argsort(-np.take_along_axis(cosines, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)


def _worth(ranked: Array, relevant: set[int]) -> tuple[float, ...]:
    """Return the values of ``_RANKED`` for one ranking (Järvelin and Kekäläinen 2002 for nDCG)."""
    hits = np.asarray([document in relevant for document in ranked], dtype=np.float64)
    recalls = (float(hits[:depth].sum()) / len(relevant) for depth in (1, 5, 10))
    first = float((hits / np.arange(1, len(hits) + 1)).max())
    ideal = float(_DISCOUNTS[: len(relevant)].sum())
    return *recalls, first, float((hits * _DISCOUNTS[: len(hits)]).sum()) / ideal


def score(found: Array, true: Truth) -> dict[str, float]:
    """Return the form's metrics of what was ``judged``."""
    return _metrics(found, true, np.arange(len(found)), _threshold(found, true))


def _metrics(found: Array, true: Truth, rows: Array, threshold: float) -> dict[str, float]:
    """Return the metrics over ``rows``, which may hold some of them twice."""
    cosines = found[rows, 0].astype(np.float64)
    if true.form == "scores":
        said = true.said[rows]
        return {
            "spearman": _correlation.spearman(cosines, said),
            "pearson": _correlation.pearson(cosines, said),
        }
    if true.form == "decisions":
        return _decisions(cosines, true.said[rows] > 0, threshold)
    counted = rows[true.first[rows]]
    values = found[counted, -len(_RANKED) - 1 : -1].astype(np.float64)
    means = values.mean(axis=0) if len(values) else np.full(len(_RANKED), np.nan)
    ranked = {name: float(mean) for name, mean in zip(_RANKED, means, strict=True)}
    if true.form == "pairs":
        return ranked
    return {"triplet_accuracy": float((cosines > found[rows, 1]).mean()), **ranked}


def _decisions(cosines: Array, alike: Array, threshold: float) -> dict[str, float]:
    """Return metrics of telling like from unlike pairs by their cosine; NaN without both."""
    accuracy = float(((cosines >= threshold) == alike).mean())
    like, unlike = int(alike.sum()), int((~alike).sum())
    if not like or not unlike:
        return {"average_precision": np.nan, "roc_auc": np.nan, "accuracy": accuracy}
    above = float(rankdata(cosines)[alike].sum()) - like * (like + 1) / 2
    return {
        "average_precision": _average_precision(cosines, alike),
        "roc_auc": above / (like * unlike),
        "accuracy": accuracy,
    }


def _average_precision(cosines: Array, alike: Array) -> float:
    """Return the sum of precisions, each by the recall it adds; equal cosines are one step.

    Written out because scikit-learn's checks cost a second and a half in a thousand resamples.
    """
    order = np.argsort(-cosines, kind="stable")
    last = np.append(np.flatnonzero(np.diff(cosines[order])), len(order) - 1)
    hits = np.cumsum(alike[order])[last]
    gained = np.diff(hits, prepend=0)
    return float((gained * hits / (last + 1)).sum() / hits[-1])


def _threshold(found: Array, true: Truth) -> float:
    """Return the cosine from which to call pairs alike such that most rows come out right."""
    if true.form != "decisions":
        return 0.0
    order = np.argsort(-found[:, 0], kind="stable")
    alike = true.said[order] > 0
    right = np.concatenate([[0], np.cumsum(np.where(alike, 1, -1))])
    best = int(right.argmax())
    return float(found[order[best - 1], 0]) if best else np.inf


def report(
    found: Array, true: Truth, columns: Mapping[str, Sequence[Any]], seed: int
) -> SplitScore:
    """Return metrics with intervals, and the rows that are furthest off."""
    threshold = _threshold(found, true)
    return SplitScore(
        rows=len(found),
        metrics=score(found, true),
        intervals=_bootstrap.intervals(
            lambda rows: _metrics(found, true, rows, threshold), len(found), seed
        ),
        per_class={},
        confusion=(),
        examples=tuple(_examples(found, true, columns)),
    )


def _examples(
    found: Array, true: Truth, columns: Mapping[str, Sequence[Any]]
) -> list[dict[str, Any]]:
    ranked = true.form in ("pairs", "triplets")
    off = _off(found, true)
    worst = [row for row in np.argsort(-off, kind="stable")[:EXAMPLES] if off[row] > 0]
    if not ranked:
        return [
            {
                "text": columns["text"][row],
                "text_pair": columns["text_pair"][row],
                "label": float(true.said[row]),
                "predicted": float(found[row, 0]),
            }
            for row in worst
        ]
    texts = [text for name in ("text_pair", "negative") for text in columns.get(name, ())]
    document = dict(zip(true.documents.T.reshape(-1), texts, strict=True))
    return [
        {
            "text": columns["text"][row],
            "label": columns["text_pair"][row],
            "predicted": document[int(found[row, -1])],
        }
        for row in worst
    ]


def _off(found: Array, true: Truth) -> Array:
    """Return how far each row is from right, from 0 to 1."""
    if true.form in ("pairs", "triplets"):
        missed: Array = np.where(true.first, 1 - found[:, -2], 0.0)
        return missed
    apart: Array = np.abs(rankdata(found[:, 0]) - rankdata(true.said)) / len(found)
    return apart
