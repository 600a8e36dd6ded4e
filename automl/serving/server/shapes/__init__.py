"""Requests and responses by task, as the hub's inference API has them.

A shape reads a body into rows for a ``Predictor`` and turns its answers into the response. What a
task has none for in that API is as close to it as can be; a task that is not named here is asked
and answered by its own columns. What a bundle can't do (a temperature, say) is refused by name,
never ignored. ``huggingface_hub.inference._generated.types`` has the specification; the tests
compare with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from automl.bundle import BundleInfo
from automl.serving.server.shapes import files, generated, spans, texts
from automl.serving.server.shapes._made import Asked, Shape
from automl.tasks import Task

__all__ = ["Asked", "Shape", "shape_of"]

_BY_TASK: Mapping[str, Callable[[Asked], Shape]] = {
    **texts.SHAPES,
    **spans.SHAPES,
    **generated.SHAPES,
    **files.SHAPES,
}


def shape_of(info: BundleInfo, task: Task, max_rows: int) -> Shape:
    """Return how the bundle is asked and answered."""
    asked = Asked(info, task, max_rows)
    return _BY_TASK.get(task.name, texts.plain)(asked)
