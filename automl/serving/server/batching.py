"""Rows of many requests, answered together: one queue, one thread that the model is used from.

A batch closes when it is full, when as many rows have come as there were at once before, or when
its oldest row has waited long enough: many clients are waited for, and one alone is not made to
wait. What is wrong with one row is told to whoever sent it: the others of its batch are answered as
if it had not been there. Knows neither HTTP nor the model, which is any function of rows.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Protocol

from automl.errors import InputError

LOG = logging.getLogger("automl.serve")
Row = str | Mapping[str, Any]
Answer = dict[str, Any]


class Model(Protocol):
    """Answers rows of one kind; an InputError is the row's fault, anything else its own."""

    def split(self, rows: Sequence[Row]) -> list[list[int]]:
        """Return the rows' places in pieces that are best answered together."""
        ...

    def answer(self, rows: Sequence[Row], top: int) -> list[Answer]:
        """Return an answer for each row."""
        ...

    def observe(self, row: Row, answer: Answer) -> None:
        """Take note of a row that was answered, once its answer has left."""
        ...


class Told(Protocol):
    """Hears how the work goes."""

    def batch(self, rows: int, seconds: float) -> None:
        """A batch was answered."""
        ...


class Failed(Exception):
    """The model failed on a row; the log has the traceback."""


@dataclass(slots=True, eq=False)
class Item:
    """A row that waits, and who waits for it."""

    row: Row
    top: int
    future: asyncio.Future[Answer]
    arrived: float = field(default_factory=time.monotonic)

    @property
    def kind(self) -> tuple[str, ...]:
        """Rows of one kind have the same values, and can be answered together."""
        return () if isinstance(self.row, str) else tuple(sorted(self.row))


class Batcher:
    """The queue and its thread."""

    def __init__(self, max_batch: int, max_wait_ms: float, told: Told) -> None:
        self._most, self._wait = max_batch, max_wait_ms / 1000
        self._told = told
        self._usual = 1
        """Rows that come at once, and so are worth waiting for: the most that were in batch and
        queue together, forgotten by an eighth a batch, since some are always on their way."""
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        """Rows in the queue."""
        return len(self._items)

    def start(self, load: Callable[[], Model], loaded: Callable[[Exception | None], None]) -> None:
        """Load the model and answer with it in a thread of its own.

        ``loaded`` is called there: with None, or with what loading raised, and then no row is
        answered; so it is when the thread breaks down later.
        """
        self._thread = threading.Thread(
            target=self._work, args=(load, loaded), name="model", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Answer what is in the queue, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def put(self, rows: Sequence[Row], top: int) -> list[asyncio.Future[Answer]]:
        """Queue the rows; return where their answers will be. To be called in the event loop.

        A future holds an InputError or ``Failed`` where its row has no answer; a row whose future
        is cancelled before its turn costs nothing.
        """
        loop = asyncio.get_running_loop()
        items = [Item(row, top, loop.create_future()) for row in rows]
        with self._changed:
            before = len(self._items)
            self._items.extend(items)
            if before == 0 or len(self._items) >= self._usual:
                self._changed.notify()
        return [item.future for item in items]

    def _work(self, load: Callable[[], Model], loaded: Callable[[Exception | None], None]) -> None:
        try:
            model = load()
        except Exception as error:  # whatever it is, the server's end is told by who started it
            loaded(error)
            return
        loaded(None)
        try:
            self._answer_all(model)
        except Exception as error:  # no row's fault: without this thread nothing is answered
            loaded(error)

    def _answer_all(self, model: Model) -> None:
        while batch := self._next():
            answered = 0
            for part in _parts(model, batch):
                began = time.monotonic()
                answers = list(self._answered(model, part))
                if not answered:
                    there = min(self._most, len(batch) + len(self._items))
                    self._usual = max(there, self._usual * 7 // 8)
                answered += len(part)
                self._told.batch(len(part), time.monotonic() - began)
                part[0].future.get_loop().call_soon_threadsafe(_deliver, part, answers)
                _observe(model, part, answers)

    def _next(self) -> list[Item]:
        """Wait for a batch and take it; empty when the queue is closed and drained."""
        with self._changed:
            while True:
                while not self._items and not self._closed:
                    self._changed.wait()
                if not self._items:
                    return []
                until = self._items[0].arrived + self._wait
                while len(self._items) < self._usual and not self._closed:
                    left = until - time.monotonic()
                    if left <= 0 or not self._changed.wait(left):
                        break
                taken = [self._items.popleft() for _ in range(min(self._most, len(self._items)))]
                if batch := [item for item in taken if not item.future.done()]:
                    return batch

    def _answered(self, model: Model, items: Sequence[Item]) -> Iterator[Answer | Exception]:
        """Yield each row's answer, or why it has none: a batch that fails is tried in halves."""
        try:
            yield from model.answer([item.row for item in items], max(item.top for item in items))
            return
        except InputError as error:
            if len(items) == 1:
                yield error
                return
        except Exception as error:  # a row's fault, or memory's: the halves will tell
            if len(items) == 1:
                LOG.exception("the model failed on a row")
                yield Failed(f"{type(error).__name__}")
                return
        middle = len(items) // 2
        yield from self._answered(model, items[:middle])
        yield from self._answered(model, items[middle:])


def _parts(model: Model, batch: Sequence[Item]) -> Iterator[list[Item]]:
    """Yield what is answered at once: rows of one kind, in the model's pieces."""
    for _, alike in groupby(sorted(batch, key=lambda item: item.kind), lambda item: item.kind):
        items = list(alike)
        for places in model.split([item.row for item in items]):
            yield [items[place] for place in places]


def _observe(model: Model, items: Sequence[Item], answers: Sequence[Answer | Exception]) -> None:
    for item, answer in zip(items, answers, strict=True):
        if isinstance(answer, Exception):
            continue
        try:
            model.observe(item.row, answer)
        except Exception:  # who watches must not end who answers
            LOG.exception("a row that was answered could not be observed")


def _deliver(items: Sequence[Item], answers: Sequence[Answer | Exception]) -> None:
    for item, answer in zip(items, answers, strict=True):
        if item.future.done():
            continue  # who asked has gone
        if isinstance(answer, Exception):
            item.future.set_exception(answer)
        else:
            item.future.set_result(answer)
