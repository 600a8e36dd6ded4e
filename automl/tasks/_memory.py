"""The floor of tasks that write: what was said of the most similar text, or the text itself.

No neural network; a translation memory. Knows rows as sources and targets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.tasks import Columns, Labels
from automl.tasks._text import texts

if TYPE_CHECKING:
    import numpy as np

    from automl.tasks._text_overlap import Judge

DESCRIPTION = (
    "the target of the most similar training source (TF-IDF of characters within words, 1-4), or "
    "a copy of the source where that does better on training rows"
)
TRIED = 200
"""Training rows on which the two are compared, each as if it, and its equals, were not there."""
_AT_ONCE = 256


def floor(
    judge: Judge,
) -> Callable[[Columns, Mapping[str, Columns], Labels, int], dict[str, Any]]:
    """Return a task's floor, for rows of ``text`` and ``target``; ``judge`` compares the two."""

    def answers(
        train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
    ) -> dict[str, list[str]]:
        memory = _Memory(texts(train["text"]), texts(train["target"]))
        tried = {role: values[:TRIED] for role, values in train.items()}
        asked, truth = texts(tried["text"]), judge.targets(tried, labels)
        recalled, copied = (
            judge.score(said, truth, labels)[judge.metrics[0].name]
            for said in (memory.recall(asked, unseen=True), asked)
        )
        if copied > recalled:
            return {name: texts(rows["text"]) for name, rows in others.items()}
        return {name: memory.recall(texts(rows["text"])) for name, rows in others.items()}

    return answers


class _Memory:
    """Training sources as vectors, and what was said of each."""

    def __init__(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.vectoriser = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, max_features=50_000
        )
        self.known: Any = self.vectoriser.fit_transform(sources)
        self.sources, self.targets = sources, targets

    def recall(self, asked: Sequence[str], *, unseen: bool = False) -> list[str]:
        """Return the target of each text's nearest source; ``unseen`` leaves its equals out."""
        found: list[str] = []
        for start in range(0, len(asked), _AT_ONCE):
            some = asked[start : start + _AT_ONCE]
            likeness = (self.vectoriser.transform(some) @ self.known.T).toarray()
            if unseen:
                self._forget(some, likeness)
            found += [self.targets[row] for row in likeness.argmax(axis=1)]
        return found

    def _forget(self, asked: Sequence[str], likeness: np.ndarray) -> None:
        places: dict[str, list[int]] = {}
        for row, source in enumerate(self.sources):
            places.setdefault(source, []).append(row)
        for row, text in enumerate(asked):
            likeness[row, places.get(text, [])] = -1.0
