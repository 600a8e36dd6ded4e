"""One bundle being served: what is loaded, how far along it is, and how a request is answered.

Knows what a request holds, and no routes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request

from automl import documents
from automl.bundle import INFO, BundleInfo
from automl.errors import InputError
from automl.monitoring.window import Window
from automl.serving.predict import Predictor, task_of
from automl.serving.server.batching import Answer, Batcher, Failed
from automl.serving.server.metrics import Metrics
from automl.serving.server.model import Served
from automl.serving.server.reading import body_of, parsed, rows_of
from automl.serving.server.refusals import Refused, busy, unread
from automl.serving.server.settings import Settings
from automl.serving.server.shapes import Shape, shape_of
from automl.serving.watching import reference_of

LOG = logging.getLogger("automl.serve")


class Service:
    """A bundle that is served. Its model is loaded by ``start``."""

    def __init__(self, bundle: Path, settings: Settings) -> None:
        """Read what the bundle says of itself. Raises InputError where its task is not known."""
        self.bundle, self.settings = bundle, settings
        self.info = documents.read(BundleInfo, bundle / INFO)
        task = task_of(bundle)
        if task is None:
            raise InputError(f"{bundle} is a bundle for {self.info.task}, which is not known here")
        self.task = task
        self.shape = shape_of(self.info, task, settings.max_rows)
        self.window = Window(reference_of(bundle), settings.window)
        self.draining = False
        self.loaded = False
        self.fault: Exception | None = None
        self.in_flight = 0
        self.metrics = Metrics(
            waiting=lambda: self.batcher.waiting,
            ready=lambda: self.ready,
            movements=self.window.movements,
        )
        self.batcher = Batcher(settings.max_batch, settings.max_wait_ms, self.metrics)

    @property
    def ready(self) -> bool:
        """Whether requests should be sent here."""
        return self.loaded and not self.draining

    def start(
        self,
        load: Callable[[], Predictor],
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin to load the model; ``failed`` is called where it can't be, with ``fault`` set."""

        def served() -> Served:
            settles = [self.shape.settle, self.shape.chat.settle if self.shape.chat else None]
            predictor = load()
            return Served(predictor, self.window, [each for each in settles if each])

        def loaded(fault: Exception | None) -> None:
            self.fault, self.loaded = fault, fault is None
            if fault is None:
                LOG.info("ready: %s, for %s", self.info.name, self.info.task)
            if fault is not None:
                failed()

        self.batcher.start(served, loaded)

    async def answer(self, request: Request, shape: Shape) -> Any:
        """Return the response to the request as JSON values. Raises Refused."""
        if not self.loaded:
            raise busy("the model is not loaded yet")
        if self.in_flight >= self.settings.max_concurrency:
            raise busy(f"{self.in_flight} requests are being answered already")
        self.in_flight += 1
        self.metrics.in_flight.inc()
        try:
            async with asyncio.timeout(self.settings.timeout):
                return await self._answer(request, shape)
        except TimeoutError:
            seconds = f"{self.settings.timeout:g}"
            raise Refused(504, f"there was no answer within {seconds} seconds") from None
        finally:
            self.in_flight -= 1
            self.metrics.in_flight.dec()

    async def _answer(self, request: Request, shape: Shape) -> Any:
        content = await body_of(request, self.settings.max_body)
        body = parsed(shape, content, request.headers.get("content-type", ""))
        rows = await rows_of(shape, body, self.task)
        if len(rows) > self.settings.max_rows:
            most = self.settings.max_rows
            raise Refused(422, f"{len(rows)} rows are more than {most}", "send them in parts")
        waiting = self.batcher.put(rows, shape.top(body))
        try:
            answers = await asyncio.gather(*waiting, return_exceptions=True)
        finally:
            for each in waiting:  # of a request that has been given up, nothing is computed
                each.cancel()
        return shape.told(_whole(answers), body)


def _whole(answers: list[Any]) -> list[Answer]:
    for number, each in enumerate(answers):
        where = number if len(answers) > 1 else None
        if isinstance(each, InputError):
            raise unread(each, where)
        if isinstance(each, Failed):
            raise Refused(500, f"the model failed on this request ({each})")
        if isinstance(each, BaseException):
            raise each
    return answers
