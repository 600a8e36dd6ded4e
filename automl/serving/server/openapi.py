"""The OpenAPI description of one bundle: typed bodies, examples, and every status there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from automl.serving.server.refusals import MEANINGS
from automl.serving.server.shapes import Shape

_REF = "#/components/schemas/{model}"
_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "hint": {"type": "string"}},
    "required": ["error"],
}
_MEDIA_TYPES = {"image": "image/*", "audio": "audio/*"}


def operation(shape: Shape, secured: bool) -> dict[str, Any]:
    """Return body and responses of a route that asks the model."""
    body = TypeAdapter(shape.request).json_schema(ref_template=_REF)
    body.pop("$defs", None)
    content: dict[str, Any] = {"application/json": {"schema": body, "example": shape.example}}
    if shape.medium:
        binary = {"schema": {"type": "string", "format": "binary", "minLength": 1}}
        content[_MEDIA_TYPES[shape.medium]] = binary
    told = TypeAdapter(shape.response).json_schema(ref_template=_REF)
    told.pop("$defs", None)
    answer = {"description": "The answer.", "content": {"application/json": {"schema": told}}}
    return {
        "requestBody": {"required": True, "content": content},
        "responses": {"200": answer, **_refusals(MEANINGS, secured)},
        **({"security": [{"token": []}]} if secured else {}),
    }


def watching(content: Mapping[str, Any], statuses: tuple[int, ...], secured: bool) -> Any:
    """Return the responses of a route that tells how things are."""
    meanings = {status: MEANINGS[status] for status in (*statuses, 401)}
    return {
        "responses": {
            "200": {"description": "How it is.", "content": content},
            **_refusals(meanings, secured),
        },
        **({"security": [{"token": []}]} if secured else {}),
    }


def _refusals(meanings: Mapping[int, str], secured: bool) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model="Error")}
    content = {"application/json": {"schema": schema}}
    return {
        str(status): {"description": meaning, "content": content}
        for status, meaning in meanings.items()
        if status != 401 or secured
    }


def describe(app: FastAPI, shapes: tuple[Shape, ...], secured: bool) -> dict[str, Any]:
    """Return the whole document."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    components = document.setdefault("components", {})
    schemas = {"Error": _ERROR}
    for shape in shapes:
        for kind in (shape.request, shape.response):
            schemas |= TypeAdapter(kind).json_schema(ref_template=_REF).get("$defs", {})
    components["schemas"] = schemas
    if secured:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None) if "requestBody" not in operation else None
    return document
