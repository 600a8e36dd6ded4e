"""What a bundle says of itself in ``automl.json``. Pure data; knows not how one is made or used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from automl.jobs import Interval
from automl.plan import Direction

INFO = "automl.json"


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the recipe as the test split answered it."""

    expression: str
    actual: float | None
    passed: bool


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """What it takes to use a bundle, and what is known of its quality.

    ``metrics``, ``intervals`` and ``floor`` are of the test split; ``validation`` is the value by
    which the search chose this model, of metric ``metric``; a mean where it was repeated.
    """

    name: str
    task: str
    pipeline_tag: str
    labels: tuple[str, ...]
    columns: Mapping[str, str]
    """Role → column of the training data, e.g. ``text`` → ``body``."""
    max_length: int
    """Tokens a text is cut to in use: the model's own limit."""
    trust_remote_code: bool
    """Whether the model only loads by running Python code that lies in the bundle."""
    candidate: str
    base_model: str
    revision: str | None
    metric: str
    direction: Direction
    validation: float | None
    rows: Mapping[str, int]
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval]
    floor: Mapping[str, float]
    beats_floor: bool
    checks: tuple[Check, ...]
    versions: Mapping[str, str]
    costs: Mapping[str, float] = field(default_factory=dict)
    """What prediction cost where the model was scored: ``latency_ms``, ``parameters``, ``disk``."""
    untrained: Mapping[str, float] = field(default_factory=dict)
    """Test metrics of the base model as it came, where the task can be done with it."""
    schema: Literal["automl/bundle"] = "automl/bundle"
    version: int = 1
