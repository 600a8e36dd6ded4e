"""Jobs around training: try, compare and time candidates, train one configuration. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from automl.jobs.references import DataRef, ModelRef, Parent, Tracking
from automl.plan import Direction, Scalar


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
    sharded: bool = False
    """Whether each process holds a part of the model (FSDP), since it fits none whole."""
    device_share: float = 1.0
    """The part of its GPU's memory that the trial may fill; the rest is other trials'."""
    collective_seconds: float = 600.0
    """How long one of several processes waits for the others before that counts as a hang."""
    schema: Literal["automl/trial"] = "automl/trial"
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
    quantize: bool = False
    """Whether training in four bits is tried too; a model that can't is refused."""
    graphs: bool = False
    """Whether exporting to ONNX is tried too."""
    schema: Literal["automl/inspect"] = "automl/inspect"
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
    adapters: Mapping[str, int] = field(default_factory=dict)
    """Value of ``lora_targets`` → weights that one rank of adapters has; empty where they can't
    be put in."""
    head: int = 0
    """Weights of the head, which adapters leave to be trained whole."""
    target_length: int = 0
    """Tokens of the longest target, where the model has a decoder of its own; else 0."""
    notes: tuple[str, ...] = ()
    """What a person should know of how the task uses the model."""
    no_graphs: str = ""
    """Why it can't leave as ONNX graphs; empty where it can, or nobody asked."""


@dataclass(frozen=True, slots=True)
class InspectResult:
    """One inspection per candidate, in order."""

    inspections: tuple[Inspection, ...]
    schema: Literal["automl/inspect-result"] = "automl/inspect-result"
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
class Column:
    """The values of one setting: a range, in the units it is compared in, or choices."""

    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()
    """Empty for a range."""


@dataclass(frozen=True, slots=True)
class ImportanceSpec:
    """Say how much of the differences between configurations each setting explains; result:
    ImportanceResult JSON."""

    columns: Mapping[str, Column]
    """By setting."""
    rows: tuple[Mapping[str, float | str], ...]
    """One configuration each; every column has a value."""
    values: tuple[float, ...]
    """The goal's metric of each row, all at the same number of training samples."""
    seed: int
    schema: Literal["automl/importance"] = "automl/importance"
    version: int = 1


@dataclass(frozen=True, slots=True)
class Share:
    """What one setting explains by itself of the variance between configurations, 0 to 1."""

    share: float
    low: float
    """The least share that was found when a fifth of the configurations was left out."""
    high: float
    """The largest."""


@dataclass(frozen=True, slots=True)
class ImportanceResult:
    """Which settings made the difference.

    Functional ANOVA over a forest of regression trees (Hutter et al. 2014). What the shares lack to
    one is the joint effect of several settings.
    """

    shares: Mapping[str, Share]
    configurations: int
    explained: float
    """Share of the variance that such a forest predicts of configurations it has not seen (R²);
    near or below zero the shares say nothing."""
    schema: Literal["automl/importance-result"] = "automl/importance-result"
    version: int = 1

    @property
    def ranked(self) -> tuple[str, ...]:
        """The settings, the most important first."""
        return tuple(sorted(self.shares, key=lambda name: (-self.shares[name].share, name)))
