"""What a worker process is asked to do and what it answers, as documents.

Specs hold absolute paths: they never leave the run folder of the machine that wrote them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from automl import documents
from automl.plan import Direction, Scalar


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A candidate's files on this machine; ``path`` is a folder that ``from_pretrained`` takes."""

    id: str
    path: str
    trust_remote_code: bool = False


@dataclass(frozen=True, slots=True)
class DataRef:
    """The split tables on this machine. The Arrow files' columns are named by role."""

    tables: Mapping[str, str]
    """Split name → Arrow file (IPC stream, as ``datasets.Dataset.from_file`` reads)."""
    labels: tuple[str, ...]
    fingerprint: str
    max_length: int


@dataclass(frozen=True, slots=True)
class Parent:
    """The process whose end means: save and leave. ``created`` is psutil's create_time, seconds."""

    pid: int
    created: float


@dataclass(frozen=True, slots=True)
class Tracking:
    """Who is told of a trial besides its metrics file."""

    study: str
    trackers: tuple[str, ...]
    folder: str
    """Where trackers write what they keep on this machine."""


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """Train one configuration; lies in its trial folder as ``spec.json``."""

    number: int
    task: str
    model: ModelRef
    hyperparameters: Mapping[str, Scalar]
    data: DataRef
    metric: str
    direction: Direction
    evaluation_samples: int
    """Evaluate each time this many training samples have been seen (and at the end)."""
    seed: int
    precision: Literal["fp32", "bf16", "fp16"]
    threads: int
    processes: int
    devices: tuple[str, ...]
    """CUDA device ids this trial may see; empty for CPU."""
    tokens: str
    """Folder of the shared cache of tokenised splits."""
    parent: Parent
    checkpoint_seconds: float = 60.0
    """A checkpoint to continue from is written at the first evaluation this long after the last."""
    micro_batch: int | None = None
    """Samples a process takes at once; below the batch size, gradients accumulate. Null: batch."""
    rungs: tuple[int, ...] = ()
    """Samples seen at which the trial waits to be told ``continue``, ``pause`` or ``stop``.

    It does so after the first evaluation at or past each of them (never at its end), having said
    ``Reported(rung=True)``: each of these wants one request, whether or not it repeats an earlier
    one. It repeats one when an attempt ended while it waited and the rung is still listed in the
    next one's spec; a trial that was told to go on is not to find that rung listed any more.
    Waiting counts neither as the trial's seconds nor as silence."""
    costs: bool = False
    """Whether the first evaluation also measures what prediction costs."""
    tracking: Tracking | None = None
    schema: Literal["automl/trial"] = "automl/trial"
    version: int = 1


@dataclass(frozen=True, slots=True)
class ScoreSpec:
    """Predict ``splits`` with a trained model and score them; result: ScoreResult JSON."""

    task: str
    model: ModelRef
    data: DataRef
    splits: tuple[str, ...]
    batch_size: int
    threads: int
    devices: tuple[str, ...]
    seed: int
    untrained: bool = False
    """Whether the model is a candidate as it comes, which its task has yet to make its own."""
    schema: Literal["automl/score"] = "automl/score"
    version: int = 1


@dataclass(frozen=True, slots=True)
class FloorSpec:
    """Train the task's floor model on train and score ``splits``; result: ScoreResult JSON."""

    task: str
    data: DataRef
    splits: tuple[str, ...]
    threads: int
    seed: int
    schema: Literal["automl/floor"] = "automl/floor"
    version: int = 1


@dataclass(frozen=True, slots=True)
class InspectSpec:
    """Load each candidate with the task's head and say whether it fits; result: InspectResult."""

    task: str
    models: tuple[ModelRef, ...]
    labels: tuple[str, ...]
    sample: tuple[Mapping[str, Any], ...]
    """Up to 2,000 training rows by role, for token lengths."""
    max_length: int | None
    """The recipe's wish; null lets each candidate's lengths decide."""
    schema: Literal["automl/inspect"] = "automl/inspect"
    version: int = 1


@dataclass(frozen=True, slots=True)
class MeasureSpec:
    """Time training and evaluation of one candidate; result: MeasureResult JSON.

    Settings are compared at ``batch_size``, then ``batch_sizes`` are timed under the fastest.
    """

    task: str
    model: ModelRef
    data: DataRef
    batch_size: int
    threads: tuple[int, ...]
    """Thread counts to compare (CPU)."""
    precisions: tuple[Literal["fp32", "bf16", "fp16"], ...]
    devices: tuple[str, ...]
    steps: int
    """Steps timed per batch size, at most; slow ones are timed for a second."""
    tokens: str
    batch_sizes: tuple[int, ...] = ()
    hyperparameters: Mapping[str, Scalar] = field(default_factory=dict)
    """What the model is built with."""
    memory_bytes: int | None = None
    """What the process may fill; a batch size that is expected to need more is not tried."""
    schema: Literal["automl/measure"] = "automl/measure"
    version: int = 1


@dataclass(frozen=True, slots=True)
class ScreenSpec:
    """Compare frozen encoders on a sample of the training rows; result: ScreenResult JSON."""

    task: str
    models: tuple[ModelRef, ...]
    labels: tuple[str, ...]
    sample: tuple[Mapping[str, Any], ...]
    """Training rows by role, labels included."""
    max_lengths: Mapping[str, int]
    """Model id → tokens a text is cut to."""
    by: Literal["probe", "h_score", "logme", "knn"]
    threads: int
    devices: tuple[str, ...]
    seed: int
    schema: Literal["automl/screen"] = "automl/screen"
    version: int = 1


@dataclass(frozen=True, slots=True)
class SoupSpec:
    """Average models of one architecture greedily; result: SoupResult JSON.

    Members are chosen on one half of the validation rows and accepted on the other.
    """

    task: str
    models: tuple[ModelRef, ...]
    """Best first; all of one architecture and with the same classes."""
    data: DataRef
    metric: str
    direction: Direction
    target: str
    """Folder the averaged model is written to when it is accepted."""
    batch_size: int
    threads: int
    devices: tuple[str, ...]
    seed: int
    schema: Literal["automl/soup"] = "automl/soup"
    version: int = 1


Spec = TrialSpec | ScoreSpec | FloorSpec | InspectSpec | MeasureSpec | ScreenSpec | SoupSpec


@dataclass(frozen=True, slots=True)
class Interval:
    """A bootstrap interval around a metric; ``level`` is .95."""

    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class SplitScore:
    """How a model does on one split."""

    rows: int
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval]
    per_class: Mapping[str, Mapping[str, float]]
    """Class → precision, recall, f1, support; empty for tasks without classes."""
    confusion: tuple[tuple[int, ...], ...]
    """Rows true, columns predicted, in label order; empty for tasks without classes."""
    examples: tuple[Mapping[str, Any], ...] = ()
    """The most confident mistakes, up to ten: text, label, predicted, score."""


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """Scores by split, and how long prediction took."""

    splits: Mapping[str, SplitScore]
    description: str
    """What was scored, in words (for the floor: its method)."""
    seconds: float
    samples_per_second: float
    max_length: int = 0
    """Tokens texts were cut to: the model's own limit, as in use; 0 for a floor."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """What prediction costs: ``latency_ms`` (one row at a time), ``parameters``, ``disk`` (bytes of
    the weights); empty for a floor."""
    schema: Literal["automl/score-result"] = "automl/score-result"
    version: int = 1


@dataclass(frozen=True, slots=True)
class Inspection:
    """What loading a candidate showed; ``refused`` is the reason when it does not fit."""

    id: str
    refused: str | None
    parameters: int = 0
    max_length: int = 0
    """Tokens texts will be truncated to: the wish, else the sample's need, within the model."""
    lengths: Mapping[str, float] | None = None
    """Keys p50, p95, max (tokens) and truncated_share."""


@dataclass(frozen=True, slots=True)
class InspectResult:
    """One inspection per candidate, in order."""

    inspections: tuple[Inspection, ...]
    schema: Literal["automl/inspect-result"] = "automl/inspect-result"
    version: int = 1


@dataclass(frozen=True, slots=True)
class ScreenScore:
    """How one frozen encoder separates the classes, by its best layer; layer 0: embeddings."""

    id: str
    score: float
    layer: int
    seconds: float
    refused: str | None = None
    """Why it could not be compared."""


@dataclass(frozen=True, slots=True)
class ScreenResult:
    """One score per model, in the order asked."""

    scores: tuple[ScreenScore, ...]
    schema: Literal["automl/screen-result"] = "automl/screen-result"
    version: int = 1


@dataclass(frozen=True, slots=True)
class SoupResult:
    """What greedy averaging came to.

    ``single`` and ``soup`` are the metric on the held-back half: of the best model alone, and of
    the average. It is accepted when it is better there and has more than one member.
    """

    members: tuple[str, ...]
    single: float
    soup: float
    accepted: bool
    seconds: float
    refused: Mapping[str, str] = field(default_factory=dict)
    """Model id → why it can't be averaged with the first."""
    schema: Literal["automl/soup-result"] = "automl/soup-result"
    version: int = 1


@dataclass(frozen=True, slots=True)
class Timing:
    """Median seconds of one training step under one setting."""

    threads: int
    precision: Literal["fp32", "bf16", "fp16"]
    seconds_per_step: float


@dataclass(frozen=True, slots=True)
class BatchCost:
    """What a training step costs at one batch size; null seconds: it does not fit into memory."""

    batch_size: int
    seconds_per_step: float | None
    peak_memory_bytes: int
    """Of the whole process so far, on the GPU where there is one; on a CPU with plenty of memory,
    what the longest rows would take, worked out from ordinary ones."""
    steps: int
    """Steps that were timed."""


@dataclass(frozen=True, slots=True)
class MeasureResult:
    """All settings timed, all batch sizes under the fastest, and the process's peak memory."""

    timings: tuple[Timing, ...]
    batch_size: int
    peak_memory_bytes: int
    batches: tuple[BatchCost, ...] = ()
    """By batch size, rising."""
    seconds_per_evaluated_row: float = 0.0
    """On validation, in the precision of training."""
    seconds_per_scored_row: float = 0.0
    """On test, in float32."""
    start_seconds: float = 0.0
    """From the start of the process until the model could train, tokens read from the cache."""
    frozen_share: float = 1.0
    """Seconds of a step with frozen embeddings, of those of one without."""
    schema: Literal["automl/measure-result"] = "automl/measure-result"
    version: int = 1


RESULT = "result.json"
"""Beside its spec: what a job that is not a trial has answered."""
_PARENT = "AUTOML_PARENT"


def parent_environment(parent: Parent) -> dict[str, str]:
    """Return what tells a worker that its parent is this one: its spec's is on another machine."""
    return {_PARENT: json.dumps(asdict(parent))}


def read_spec(path: Path) -> Spec:
    """Return the spec at ``path``, whichever kind; ``parent_environment`` wins over its parent."""
    kinds = {
        kind.__dataclass_fields__["schema"].default: kind
        for kind in (
            TrialSpec,
            ScoreSpec,
            FloorSpec,
            InspectSpec,
            MeasureSpec,
            ScreenSpec,
            SoupSpec,
        )
    }
    name = json.loads(path.read_bytes()).get("schema")
    found: Spec = documents.read(kinds[name], path)  # type: ignore[assignment]
    if isinstance(found, TrialSpec) and _PARENT in os.environ:
        return replace(found, parent=Parent(**json.loads(os.environ[_PARENT])))
    return found
