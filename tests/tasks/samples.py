"""Rows for each task that can be learnt, and the small model that a conformance test trains on.

A task whose roles' kinds say enough needs no module in ``sampled``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from automl import plugins
from automl.tasks import Task
from tests.tasks import sampled

TINY_BERT = Path(__file__).resolve().parent.parent / "fixtures" / "tiny-bert"
CLASSES = ("alpha", "beta", "gamma")
ROWS = 24


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows as the task stores them, their labels, and a folder with a small model for the task."""

    columns: Mapping[str, Sequence[Any]]
    labels: tuple[str, ...]
    model: Callable[[Path], Path] = field(default=lambda scratch: TINY_BERT)
    """An empty folder → the model's; only the tokenizer and pretrained weights matter."""
    asked: Mapping[str, Sequence[Any]] | None = None
    """Rows as a person asks of them, where that is not as they are learnt from."""


def by_kind(task: Task) -> Sample:
    """Return rows made by the kinds of the task's roles."""
    made: dict[str, list[Any]] = {
        "text": [f"a text about {CLASSES[row % 3]} and {row}" for row in range(ROWS)],
        "class": [CLASSES[row % 3] for row in range(ROWS)],
        "classes": [[CLASSES[row % 3]] + ["gamma"] * (row % 3 == 0) for row in range(ROWS)],
        "number": [float(row % 3) for row in range(ROWS)],
    }
    has_classes = any(role.kind in ("class", "classes") for role in task.roles)
    columns = {role.name: made[role.kind] for role in task.roles}
    return Sample(columns, CLASSES if has_classes else ())


def sample(task: Task) -> Sample:
    """Return the task's sample: the ``SAMPLE`` of its module in ``sampled``, else by kinds."""
    if task.name not in plugins.names(sampled.__name__):
        return by_kind(task)
    return cast(Sample, plugins.load(sampled.__name__, task.name, "SAMPLE"))
