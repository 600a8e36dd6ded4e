"""What a person sees at /docs: one page without any other file, so that it works offline."""

from __future__ import annotations

import json
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from automl.serving.server.service import Service
from automl.serving.server.settings import Settings


def facts(service: Service) -> dict[str, Any]:
    """Return what is known of the bundle and of how it is served."""
    info, settings = service.info, service.settings
    return {
        "name": info.name,
        "task": info.task,
        "pipeline_tag": info.pipeline_tag,
        "labels": list(info.labels),
        "base_model": info.base_model,
        "revision": info.revision,
        "max_length": info.max_length,
        "metrics": dict(info.metrics),
        "versions": dict(info.versions),
        "limits": limits(settings),
    }


def limits(settings: Settings) -> dict[str, Any]:
    """Return what a request may be."""
    return {
        "rows": settings.max_rows,
        "body_bytes": settings.max_body,
        "requests_at_once": settings.max_concurrency,
        "seconds": settings.timeout,
        "batch_rows": settings.max_batch,
        "batch_wait_ms": settings.max_wait_ms,
    }


def render(service: Service, document: dict[str, Any]) -> str:
    """Return the page as HTML; ``document`` is the OpenAPI description."""
    environment = Environment(
        loader=PackageLoader("automl.serving.server"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    asked = [
        {
            "path": path,
            "summary": operation["summary"],
            "example": json.dumps(content["example"], indent=2, ensure_ascii=False),
            "file": next((kind for kind in contents if kind != "application/json"), ""),
            "schema": json.dumps(content["schema"], indent=2, ensure_ascii=False),
            "statuses": {
                status: each["description"] for status, each in operation["responses"].items()
            },
        }
        for path, operations in document["paths"].items()
        for operation in [operations.get("post")]
        if operation
        for contents in [operation["requestBody"]["content"]]
        for content in [contents["application/json"]]
    ]
    told = {
        path: operations["get"]["summary"]
        for path, operations in document["paths"].items()
        if "get" in operations
    }
    return environment.get_template("docs.html.jinja").render(
        info=service.info,
        facts=facts(service),
        asked=asked,
        told=told,
        secured=bool(service.settings.token),
    )
