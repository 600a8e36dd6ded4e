"""A bundle's predictor as the batcher's model: answers rows, and observes them for drift."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from automl.monitoring.observing import Observer, answer
from automl.monitoring.window import Window
from automl.serving.predict import Predictor
from automl.serving.server import padding
from automl.serving.server.batching import Answer, Row

WRITTEN = ("summary_text", "translation_text", "generated_text", "completion")
"""What tasks say that write."""
Settle = Callable[[Any, Row, Answer], None]


class Served:
    """A loaded predictor; to be used from one thread."""

    def __init__(self, predictor: Predictor, window: Window, settles: Sequence[Settle]) -> None:
        self._predictor, self._window, self._settles = predictor, window, settles
        words = window.reference.words if window.reference else ""
        self._observer = Observer(predictor.task, predictor.info.columns, words)
        asked = [role for role in predictor.task.inputs if role.kind == "text"]
        writes = predictor.task.says[0] in WRITTEN
        self._together = writes or predictor.device.type != "cpu"
        self._longest = predictor.info.max_length * padding.A_TOKEN
        self._alone = asked[0].name if asked else ""

    def split(self, rows: Sequence[Row]) -> list[list[int]]:
        """Return which rows are padded together; all where texts are written, or on a GPU: there
        one step costs as much for many rows as for one."""
        if self._together:
            return [list(range(len(rows)))]
        return padding.split([min(_size(row), self._longest) for row in rows], padding.CHARACTERS)

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


def _size(row: Row) -> int:
    values = (row,) if isinstance(row, str) else row.values()
    return sum(len(value) for value in values if isinstance(value, str))
