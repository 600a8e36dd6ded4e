"""What one finished study leaves behind for later ones: numbers and settings.

Refuses to know rows, texts, class names, column names, recipe names and paths.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from automl.documents import to_json
from automl.plan import (
    Candidate,
    Configuration,
    Direction,
    Parameter,
    Plan,
    Precision,
    Scalar,
)

ID_DIGITS = 16


class Evaluated(Protocol):
    """One evaluation, as a study keeps it."""

    @property
    def samples(self) -> int:
        """Training samples seen."""
        ...

    @property
    def value(self) -> float:
        """The goal's metric on validation."""
        ...


class Trained(Protocol):
    """One trial, as a study keeps it."""

    @property
    def number(self) -> int:
        """From 0."""
        ...

    @property
    def configuration(self) -> Configuration:
        """What was tried."""
        ...

    @property
    def state(self) -> str:
        """``complete``, ``pruned``, ``failed`` or ``running``."""
        ...

    @property
    def evaluations(self) -> Sequence[Evaluated]:
        """In the order of training."""
        ...

    @property
    def seconds(self) -> float:
        """Training and evaluation seconds over all attempts."""
        ...

    @property
    def costs(self) -> Mapping[str, float]:
        """Measured costs of prediction; empty where they were not asked for."""
        ...

    @property
    def repeat_of(self) -> int | None:
        """The trial that this one trained again with a new seed."""
        ...


@dataclass(frozen=True, slots=True)
class DataShape:
    """The data in numbers: all that studies are compared by."""

    rows: int
    """Training rows."""
    validation_rows: int
    classes: int
    """0 for tasks without classes."""
    evenness: float
    """Entropy of the class shares over its maximum (Pielou 1966): 1 where all classes are equally
    frequent."""
    largest_share: float
    """Share of the most frequent class."""
    characters: Mapping[str, int]
    """Percentiles of text length: ``p50``, ``p95``, ``max``; empty for other data."""


@dataclass(frozen=True, slots=True)
class Model:
    """A candidate without its path. ``reference`` is a hub id or package; null for folders."""

    content: str
    """SHA-256 over the hashes of its weight files: the same weights anywhere."""
    reference: str | None
    family: str
    parameters: int
    max_length: int
    tokens: int | None
    """Median tokens of a training text."""
    priors: Mapping[str, float]
    """``prior_name`` → the prior it was searched around."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One trial. ``model`` is an index into the record's models."""

    number: int
    model: int
    hyperparameters: Mapping[str, Scalar]
    state: str
    curve: tuple[tuple[int, float], ...]
    """(training samples seen, the goal's metric on validation)."""
    seconds: float
    costs: Mapping[str, float] = field(default_factory=dict)
    memory_bytes: int | None = None
    """Peak memory, where it was measured."""
    repeat_of: int | None = None

    def value(self, direction: Direction) -> float | None:
        """Return the best evaluation, or None before the first."""
        values = [value for _, value in self.curve]
        if not values:
            return None
        return max(values) if direction == "maximize" else min(values)


@dataclass(frozen=True, slots=True)
class Layout:
    """How trials shared the machine: seconds mean nothing without it."""

    trials_per_device: int
    per_trial: int
    threads: int | None
    precision: Precision


@dataclass(frozen=True, slots=True)
class Record:
    """One study. ``id`` is a hash of the content, ``study`` of what was studied and where."""

    task: str
    metric: str
    direction: Direction
    data: DataShape
    models: tuple[Model, ...]
    trials: tuple[Tried, ...]
    seconds: float
    """Search seconds over all runs of the study."""
    hardware: str
    layout: Layout
    versions: Mapping[str, str]
    time: float
    """When it was written, in seconds since 1970."""
    study: str
    """The same for every record that one study leaves: the newest replaces the others."""
    id: str = ""
    schema: Literal["automl/experience"] = "automl/experience"
    version: int = 1

    def best(self) -> Tried | None:
        """Return the trial with the best evaluation; the earliest on a tie."""
        sign = 1 if self.direction == "maximize" else -1
        scored = [(sign * v, t) for t in self.trials if (v := t.value(self.direction)) is not None]
        return max(scored, key=lambda pair: (pair[0], -pair[1].number))[1] if scored else None


def record_of(
    plan: Plan,
    trials: Iterable[Trained],
    seconds: float,
    hardware: str,
    versions: Mapping[str, str],
    *,
    time: float,
    memory: Mapping[int, int] | None = None,
    run: str = "",
) -> Record:
    """Return the record of a study.

    ``hardware`` is the machine in a few words, ``time`` seconds since 1970, ``memory`` peak bytes
    by trial number. ``run`` tells runs of one recipe apart: any text that a continued run keeps;
    it enters a hash only. Trials of candidates that are no longer in the plan are left out.
    """
    indices = {candidate.id: index for index, candidate in enumerate(plan.candidates)}
    record = Record(
        task=plan.task,
        metric=plan.goal.metric,
        direction=plan.goal.direction,
        data=shape_of(plan),
        models=tuple(_model(candidate) for candidate in plan.candidates),
        trials=tuple(
            _tried(trial, indices[trial.configuration.candidate], (memory or {}).get(trial.number))
            for trial in trials
            if trial.configuration.candidate in indices
        ),
        seconds=seconds,
        hardware=hardware,
        layout=Layout(
            plan.devices.at_once,
            plan.devices.processes,
            plan.devices.threads,
            plan.devices.precision,
        ),
        versions=dict(versions),
        time=time,
        study=_identity(plan, hardware, run),
    )
    return replace(record, id=content_id(json.loads(to_json(record))))


def shape_of(plan: Plan) -> DataShape:
    """Return what the plan's data looks like."""
    data = plan.data
    counts = [n for n in data.profile.class_counts.get("train", {}).values() if n > 0]
    total = sum(counts)
    shares = [count / total for count in counts]
    entropy = -sum(share * math.log(share) for share in shares)
    return DataShape(
        rows=data.rows["train"],
        validation_rows=data.rows["validation"],
        classes=len(data.labels),
        evenness=entropy / math.log(len(shares)) if len(shares) > 1 else 1.0,
        largest_share=max(shares, default=1.0),
        characters=dict(data.profile.characters),
    )


def content_of(candidate: Candidate) -> str:
    """Return the hash of the candidate's weights, wherever they lie and whatever they are called.

    A candidate without a weight file is known by all of its files.
    """
    weights = [file.sha256 for file in candidate.files if file.path.endswith(".safetensors")]
    hashes = weights or [file.sha256 for file in candidate.files]
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()


def content_id(document: Mapping[str, Any]) -> str:
    """Return the id of a record as read from JSON: a hash of everything in it but the id."""
    rest = {name: value for name, value in document.items() if name != "id"}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]


def prior_name(parameter: Parameter) -> str:
    """Return the key of its prior: the name, and the method in brackets where not ``full``."""
    methods = parameter.when.get("method", ("full",))
    return parameter.name if "full" in methods else f"{parameter.name}[{methods[0]}]"


def _model(candidate: Candidate) -> Model:
    return Model(
        content=content_of(candidate),
        reference=None if candidate.source == "folder" else candidate.reference,
        family=candidate.family,
        parameters=candidate.parameters,
        max_length=candidate.max_length,
        tokens=candidate.lengths.p50 if candidate.lengths else None,
        priors={prior_name(p): p.prior for p in candidate.space if p.prior is not None},
    )


def _tried(trial: Trained, model: int, memory: int | None) -> Tried:
    return Tried(
        number=trial.number,
        model=model,
        hyperparameters=dict(trial.configuration.hyperparameters),
        state=trial.state,
        curve=tuple((e.samples, e.value) for e in trial.evaluations if math.isfinite(e.value)),
        seconds=trial.seconds,
        costs=dict(trial.costs),
        memory_bytes=memory,
        repeat_of=trial.repeat_of,
    )


def _identity(plan: Plan, hardware: str, run: str) -> str:
    """What stays the same when a study is continued: not its budget, its space or its versions."""
    parts = (
        plan.name,
        plan.task,
        plan.data.fingerprint,
        plan.data.split.hash,
        plan.goal.metric,
        plan.goal.direction,
        str(plan.search.seed),
        hardware,
        run,
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:ID_DIGITS]
