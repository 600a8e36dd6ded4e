"""What a bundle says of itself in ``automl.json``. Pure data; knows not how one is made or used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from automl.errors import InputError, Problem
from automl.jobs import Calibration, FormatFacts, Interval, Thresholds
from automl.plan import Direction
from automl.rundir import RunDir

INFO = "automl.json"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(?:@[\w./-]+)?")


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the recipe as the test split answered it."""

    expression: str
    actual: float | None
    passed: bool
    detail: str = ""
    """What else is to be said of it: the difference to an earlier bundle, with its interval."""


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
    adapter: bool = False
    """Whether it holds adapters alone: ``base_model`` is needed beside it."""
    base_source: str = ""
    """Where the base model came from: ``hub``, ``package`` or ``folder``."""
    base_weights: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each of the base model's weight files; empty where adapters don't need it."""
    calibration: Calibration | None = None
    """The temperature that is in the weights already; null where none was asked for, or can be."""
    thresholds: Thresholds | None = None
    """How thresholds were chosen; those that hold are ``automl_thresholds`` in config.json."""
    without_thresholds: Mapping[str, float] = field(default_factory=dict)
    """``metrics`` if the most probable class, or a half, decided; empty where they do."""
    calibration_error: Mapping[str, float] = field(default_factory=dict)
    """Expected calibration error on test, ``after``, and ``before`` where it was calibrated."""
    untrained: Mapping[str, float] = field(default_factory=dict)
    """Test metrics of the base model as it came, where the task can be done with it."""
    formats: Mapping[str, FormatFacts] = field(default_factory=dict)
    """What each format of the weights is worth, by name, safetensors first and those that were
    refused among them; empty where safetensors alone were asked for."""
    schema: Literal["automl/bundle"] = "automl/bundle"
    version: int = 1


def find_bundle(path: Path) -> Path:
    """Return the bundle at ``path``, or the one of the run folder at ``path``; absolute.

    Raises InputError where neither lies there.
    """
    folder = path.expanduser().absolute()
    if (folder / INFO).is_file():
        return folder
    run = RunDir.at(folder)
    if (run.bundle / INFO).is_file():
        return run.bundle
    if run.plan.is_file():
        hint = "`automl run` its recipe to the end, or `automl export` the best trial so far"
        raise InputError(Problem(f"the run in {path} has no bundle yet", hint=hint))
    if not folder.is_dir():
        pull = f"; one on the hub: automl pull {path}" if _HUB_ID.fullmatch(str(path)) else ""
        hint = f"name a bundle or a run folder{pull}"
        raise InputError(Problem(f"{path} is not a folder", hint=hint))
    hint = "a bundle is what `automl run` writes to runs/<name>/bundle"
    raise InputError(Problem(f"{path} is not a bundle: it holds no {INFO}", hint=hint))
