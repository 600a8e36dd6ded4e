"""A bundle's predictor as the batcher's model: answers rows, and observes them for drift."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from automl import documents
from automl.monitoring.observing import Observer, answer
from automl.monitoring.window import Window
from automl.reference import PROFILE, Reference
from automl.serving.predict import Predictor
from automl.serving.server.batching import Answer, Row

Settle = Callable[[Any, Row, Answer], None]


def reference_of(bundle: Path) -> Reference | None:
    """Return the bundle's profile; None where it was written before there were any."""
    path = bundle / PROFILE
    return documents.read(Reference, path) if path.is_file() else None


class Served:
    """A loaded predictor; to be used from one thread."""

    def __init__(self, predictor: Predictor, window: Window, settles: Sequence[Settle]) -> None:
        self._predictor, self._window, self._settles = predictor, window, settles
        words = window.reference.words if window.reference else ""
        self._observer = Observer(predictor.task, predictor.info.columns, words)
        asked = [role for role in predictor.task.inputs if role.kind == "text"]
        self._alone = asked[0].name if asked else ""

    def answer(self, rows: Sequence[Row], top: int) -> list[Answer]:
        """Return an answer for each row, all in one batch."""
        found = list(self._predictor.predict(rows, batch_size=len(rows), top=top))
        for settle in self._settles:
            for row, said in zip(rows, found, strict=True):
                settle(self._predictor.tokenizer, row, said)
        return found

    def observe(self, row: Row, said: Answer) -> None:
        """Put the row into the window."""
        if self._window.reference is None:
            return
        values: Mapping[str, Any] = {self._alone: row} if isinstance(row, str) else row
        self._window.add({**self._observer.row(values), **answer(said)})
