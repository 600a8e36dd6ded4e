"""A server's life: it listens at once, loads, answers, and drains when it is told to end.

SIGTERM or Ctrl-C: /ready says 503; requests are taken on for a while longer, since whoever sends
them has yet to notice; then nobody is let in any more, what was begun is finished, and the process
ends with 0. A second signal does not wait.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn

from automl.errors import InputError, Problem
from automl.serving.predict import Predictor
from automl.serving.server.app import create_app
from automl.serving.server.service import Service

BACKLOG = 2048
"""Connections that the system holds until they are taken on."""
LOG = logging.getLogger("automl.serve")


class Server(uvicorn.Server):
    """uvicorn's, which closes its doors only after ``/ready`` has said so for a while."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._draining: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def end(self) -> None:
        """Close the doors; may be called from any thread."""
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; the second time, leave. The signal is not raised again: it is obeyed."""
        if self._service.draining or self._loop is None:
            self.should_exit = True
            return
        self._service.draining = True
        LOG.info("draining: %d requests are being answered", self._service.in_flight)
        self._loop.call_soon_threadsafe(self._begin_to_drain)

    def _begin_to_drain(self) -> None:
        self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        await asyncio.sleep(self._service.settings.drain)
        self.should_exit = True


def serve(service: Service, load: Callable[[], Predictor], host: str, port: int) -> None:
    """Serve until a signal ends it. Raises what loading the model raised, InputError for a port
    that can't be had.
    """
    config = uvicorn.Config(
        create_app(service),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(service.settings.timeout) + 1,
        limit_concurrency=None,
        timeout_keep_alive=75,
        loop="auto",
        http="auto",
    )
    listening = _listening(host, port)
    server = Server(config, service)
    service.start(load, server.end)
    address = listening.getsockname()
    LOG.info("listening on http://%s:%d", host, address[1])
    try:
        with suppress(KeyboardInterrupt):
            server.run([listening])
    finally:
        listening.close()
    if service.fault is not None:
        raise service.fault
    service.batcher.stop()
    LOG.info("ended: all that was begun is answered")


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        raise InputError(
            Problem(
                f"{host}:{port} can't be listened on: {error.strerror or error}",
                hint="another --port, or 0 for any that is free",
            )
        ) from None
    return found
