"""The routes of a server, its gate, and how what is refused is said. Decides nothing itself."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automl.monitoring import telling
from automl.serving.server import openapi, page
from automl.serving.server.refusals import Refused
from automl.serving.server.service import Service
from automl.serving.server.shapes import Shape

LOG = logging.getLogger("automl.serve")
OPEN = ("/health", "/ready", "/docs", "/openapi.json")
"""Routes that need no token: probes, and what tells how to ask."""
CHAT = "/v1/chat/completions"
_JSON = {"application/json": {"schema": {"type": "object"}}}
_TEXT = {"text/plain": {"schema": {"type": "string"}}}


def create_app(service: Service) -> FastAPI:
    """Return the application that answers for the service."""
    info = service.info
    app = FastAPI(
        title=info.name,
        version=info.versions.get("automl", "0"),
        description=f"{info.task}, from {info.base_model}. Asked as the hub's inference API is.",
        docs_url=None,
        redoc_url=None,
    )
    secured = bool(service.settings.token)
    shapes = [service.shape, *([service.shape.chat] if service.shape.chat else [])]
    _asking(app, service, "/", service.shape, "Ask the model")
    if service.shape.chat:
        _asking(app, service, CHAT, service.shape.chat, "Converse with the model")
    _watching(app, service, secured)
    made: dict[str, Any] = {}

    def document() -> dict[str, Any]:
        if not made:
            made.update(openapi.describe(app, tuple(shapes), secured))
        return made

    app.openapi = document  # type: ignore[method-assign]

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(page.render(service, document()))

    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _broken)
    app.add_middleware(Gate, service=service)
    return app


def _asking(app: FastAPI, service: Service, path: str, shape: Shape, summary: str) -> None:
    async def ask(request: Request) -> Response:
        return JSONResponse(await service.answer(request, shape))

    app.add_api_route(
        path,
        ask,
        methods=["POST"],
        summary=summary,
        response_class=JSONResponse,
        response_model=None,
        openapi_extra=openapi.operation(shape, bool(service.settings.token)),
    )


def _watching(app: FastAPI, service: Service, secured: bool) -> None:
    def get(path: str, summary: str, content: Any, *statuses: int) -> Callable[[Any], Any]:
        needs = secured and path not in OPEN
        extra = openapi.watching(content, statuses, needs)
        return app.get(path, summary=summary, response_model=None, openapi_extra=extra)

    @get("/health", "Whether the process lives", _JSON)
    async def health() -> dict[str, str]:
        return {"status": "alive"}

    @get("/ready", "Whether requests should be sent here", _JSON, 503)
    async def ready() -> Response:
        if service.ready:
            return JSONResponse({"status": "ready"})
        why = "the end is near" if service.draining else "the model is being loaded"
        return JSONResponse({"error": why}, 503)

    @get("/info", "What the bundle is", _JSON)
    async def info() -> dict[str, Any]:
        return page.facts(service)

    @get("/metrics", "Numbers for Prometheus", _TEXT)
    async def metrics() -> Response:
        text = await asyncio.to_thread(service.metrics.text)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    @get("/drift", "How the last rows differ from those the bundle was scored on", _JSON)
    async def drift() -> dict[str, Any]:
        movements = await asyncio.to_thread(service.window.movements)
        reference = service.window.reference
        return {
            "rows": service.window.rows,
            "window": service.settings.window,
            "reference_rows": reference.rows if reference else 0,
            "threshold": telling.THRESHOLD,
            "moved": [each.feature.name for each in movements if each.matters],
            "features": [
                {**telling.plain(each), "in_words": telling.in_words(each)} for each in movements
            ],
        }


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return JSONResponse(error.body(), error.status, error.headers)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    hints = {404: "/docs lists what there is", 405: "/docs shows how it is asked"}
    body = {"error": str(error.detail).lower(), "hint": hints.get(error.status_code, "")}
    return JSONResponse({k: v for k, v in body.items() if v}, error.status_code, error.headers)


async def _broken(request: Request, error: Exception) -> Response:
    LOG.error("a request was not answered", exc_info=error)
    return JSONResponse({"error": "something broke here; the server's log says what"}, 500)


class Gate:
    """Lets in who has the token, counts and times what passes. Plain ASGI: it is on every path."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        self._token = service.settings.token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if self._token and scope["path"] not in OPEN and not self._known(scope):
                await _turned_away(scope)(scope, receive, counted)
            else:
                await self._app(scope, receive, counted)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._service.metrics.answered(route, status, time.perf_counter() - began)

    def _known(self, scope: Scope) -> bool:
        given = dict(scope["headers"]).get(b"authorization", b"")
        scheme, _, token = given.partition(b" ")
        same = hmac.compare_digest(token.strip(), self._token)
        return same and scheme.lower() == b"bearer"


def _turned_away(scope: Scope) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    given = any(name == b"authorization" for name, _ in scope["headers"])
    message = "the bearer token is another" if given else "a bearer token is needed"
    return JSONResponse(
        {"error": message, "hint": "Authorization: Bearer ..."},
        401,
        {"WWW-Authenticate": "Bearer"},
    )
