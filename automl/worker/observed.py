"""What held-out rows are like while they are scored: the reference that a bundle is watched by.

Both splits count: more rows tell smaller changes from chance, and that the model was chosen by one
of them moves neither what it is given nor, by much, how sure it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from automl.errors import RowError
from automl.jobs import DataRef
from automl.monitoring import vocabulary
from automl.monitoring.observing import Observer, answer
from automl.monitoring.profiling import profile
from automl.reference import Reference, Value
from automl.tasks import Columns, Labels, Task
from automl.worker.cache import read_columns

MOST_TEXTS, MOST_FILES = 5000, 1000
"""Rows of a split that are observed, the first; files are read once more for it."""
LEARNT_FROM = 20_000
"""Training rows whose words are known."""


class Watch:
    """Observes the rows of splits one after the other."""

    def __init__(self, task: Task, data: DataRef, splits: Sequence[str]) -> None:
        """Learn from train which words are known; nothing where texts are no input."""
        self._task, self._labels, self._splits = task, data.labels, splits
        self._most = MOST_FILES if task.media else MOST_TEXTS
        columns: Mapping[str, Any] = {}
        if "train" in data.tables and not task.media:
            columns = read_columns(Path(data.tables["train"]), LEARNT_FROM)
        self._words = vocabulary.learnt(Observer(task, columns, "").texts(columns))
        self._seen: list[Mapping[str, Value]] = []

    def see(self, found: Any, columns: Columns) -> None:
        """Observe a split's rows, and what is said of them."""
        observer = Observer(self._task, columns, self._words)
        said = _answers(self._task, found[: self._most], self._labels)
        for number in range(min(self._most, len(next(iter(columns.values()))))):
            row = {role: values[number] for role, values in columns.items()}
            self._seen.append({**observer.row(row), **(answer(said[number]) if said else {})})

    def reference(self) -> Reference:
        """Return what has been seen."""
        return profile(self._seen, self._splits, self._words)


def _answers(task: Task, found: Any, labels: Labels) -> list[dict[str, Any]]:
    """Return what a person would be told of the rows; empty where only a question is answered."""
    if task.respond is not None:
        return []  # what is scored is how likely the targets are: nothing was said
    try:
        return task.answers(found, labels, 1)
    except RowError:  # a text with no mask to be filled
        return []
