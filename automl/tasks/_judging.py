"""How classifiers are judged, whatever they are given: by one class a row, or by several.

Light to import: the scores are in ``_classes`` and ``_several_classes``. Knows no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from automl.tasks import Columns, Labels

if TYPE_CHECKING:
    import numpy as np

    from automl.jobs import SplitScore

Thresholds = Mapping[str, float]
FILES = {"image": "picture", "mask": "mask", "audio": "sound"}
"""Role whose values are files → what one without a name is called."""


@dataclass(frozen=True, slots=True)
class Judging:
    """A kind of classifier: ``problem`` as transformers calls it, and who scores it."""

    problem: str
    scores: str
    """The module within ``automl.tasks``."""

    def head(self, labels: Labels) -> dict[str, Any]:
        """Return the settings of a model whose head says the ``labels``."""
        return {
            "num_labels": len(labels),
            "id2label": dict(enumerate(labels)),
            "label2id": {label: index for index, label in enumerate(labels)},
            "problem_type": self.problem,
        }

    def targets(self, columns: Columns, labels: Labels) -> np.ndarray:
        """Return the truth of the rows, as ``score`` takes it."""
        found: np.ndarray = self._module.targets(columns["label"], labels)
        return found

    def score(
        self,
        logits: np.ndarray,
        targets: np.ndarray,
        labels: Labels,
        thresholds: Thresholds | None = None,
    ) -> dict[str, float]:
        """Return every metric of logits (rows, classes)."""
        found: dict[str, float] = self._module.score(logits, targets, labels, thresholds)
        return found

    def report(
        self,
        logits: np.ndarray,
        targets: np.ndarray,
        columns: Columns,
        labels: Labels,
        seed: int,
        thresholds: Thresholds | None = None,
    ) -> SplitScore:
        """Return metrics with intervals, the table by class, and mistakes with their columns."""
        found: SplitScore = self._module.report(
            logits, targets, named(columns), labels, seed, thresholds
        )
        return found

    def answers(
        self,
        logits: np.ndarray,
        labels: Labels,
        top: int,
        thresholds: Thresholds | None = None,
    ) -> list[dict[str, Any]]:
        """Return what a person is told of each row."""
        found: list[dict[str, Any]] = self._module.answers(logits, labels, top, thresholds)
        return found

    @property
    def _module(self) -> Any:
        return import_module(f"automl.tasks.{self.scores}")


ONE = Judging("single_label_classification", "_classes")
SEVERAL = Judging("multi_label_classification", "_several_classes")


def named(columns: Columns) -> dict[str, Sequence[Any]]:
    """Return the columns with files by their name, as they are shown to people."""
    return {
        role: [_name(value, FILES[role]) for value in values] if role in FILES else values
        for role, values in columns.items()
    }


def _name(value: Any, nameless: str) -> str:
    return PurePath(value).name if isinstance(value, str) else nameless
