"""A request's body → the rows it asks for. Refuses what is too large, malformed, or no file."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from automl.errors import DataError
from automl.serving.server.batching import Row
from automl.serving.server.refusals import Refused, malformed
from automl.serving.server.shapes import Shape
from automl.tasks import MEDIA, Task

JSON = "application/json"


async def body_of(request: Request, most: int) -> bytes:
    """Return the body; 413 as soon as it is known to hold more than ``most`` bytes."""
    told = request.headers.get("content-length", "0")
    if told.isdigit() and int(told) > most:
        raise _too_large(most)
    found = bytearray()
    try:
        async for chunk in request.stream():
            found += chunk
            if len(found) > most:
                raise _too_large(most)
    except ClientDisconnect:
        raise Refused(400, "the body ended before its end") from None
    return bytes(found)


def _too_large(most: int) -> Refused:
    return Refused(
        413,
        f"the body is larger than {most:,} bytes",
        "send fewer or smaller inputs, or serve with a larger --max-body",
        {"Connection": "close"},
    )


def parsed(shape: Shape, body: bytes, content_type: str) -> Any:
    """Return the body as the shape's request; a file that is the whole body is its ``inputs``."""
    kind = content_type.partition(";")[0].strip().lower()
    if shape.medium and kind != JSON and not kind.endswith("+json"):
        if not body:
            raise Refused(400, "the body is empty", f"send the {shape.medium} itself")
        return shape.request.model_construct(inputs=body, parameters=None)
    if kind not in (JSON, "") and not kind.endswith("+json"):
        raise Refused(415, f"a body of {kind} is not read here", f"Content-Type: {JSON}")
    try:
        return shape.request.model_validate_json(body)
    except ValidationError as error:
        raise malformed(error) from None


async def rows_of(shape: Shape, body: Any, task: Task) -> Sequence[Row]:
    """Return the rows, files decoded: pictures are opened here, in threads, and not by the model.

    A text never names a file of this machine.
    """
    if isinstance(getattr(body, "inputs", None), bytes):
        role = next(role for role in task.inputs if role.kind in MEDIA)
        return [{role.name: await _decoded(body.inputs, role.kind, "")}]
    rows = shape.rows(body)
    media = {role.name: role.kind for role in task.inputs if role.kind in MEDIA}
    if not media:
        return rows
    found = []
    for number, row in enumerate(rows):
        where = f"inputs[{number}]: " if len(rows) > 1 else ""
        assert not isinstance(row, str)
        found.append(
            {
                name: await _decoded(_unpacked(value, where), media[name], where)
                if name in media
                else value
                for name, value in row.items()
            }
        )
    return found


def _unpacked(text: str, where: str) -> bytes:
    """Return what base64 text holds, a data: URL's too."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(
            422,
            f"{where}this is not base64",
            "send the file itself as the body, or base64 of it; URLs are not followed",
        ) from None
    return found


async def _decoded(source: bytes, kind: str, where: str) -> Any:
    if kind != "image":
        return source
    from automl.tasks import _images

    try:
        return await asyncio.to_thread(_images.opened, source)
    except DataError as error:
        raise Refused(422, f"{where}the picture {error}") from None
