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
from automl.reference import Reference


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
    sharded: bool = False
    """Whether each process holds a part of the model (FSDP), since it fits none whole."""
    device_share: float = 1.0
    """The part of its GPU's memory that the trial may fill; the rest is other trials'."""
    collective_seconds: float = 600.0
    """How long one of several processes waits for the others before that counts as a hang."""
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
    base: ModelRef | None = None
    """The model before training, for tasks that judge by what has changed."""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Least probability by class; empty: the most probable class, or a half."""
    temperature: float = 1.0
    """What the model's logits were divided by when it was calibrated."""
    untrained: bool = False
    """Whether the model is a candidate as it comes, which its task has yet to make its own."""
    sheet: str = ""
    """File (png) to draw the first test rows into, where the task's answers can be drawn."""
    slices: str = ""
    """Arrow file with columns of the test rows, in their order, by which test is told besides."""
    named_slices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Column → values that checks name, of which there may be few rows."""
    beside: str = ""
    """Folder of the base model, where ``model`` is a bundle of adapters alone."""
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
    metric: str | None = None
    """Metric for which its thresholds are tuned on validation; null: they are not."""
    direction: Direction = "maximize"
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
    quantize: bool = False
    """Whether training in four bits is tried too; a model that can't is refused."""
    graphs: bool = False
    """Whether exporting to ONNX is tried too."""
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
    base: ModelRef | None = None
    """As in ScoreSpec."""
    schema: Literal["automl/soup"] = "automl/soup"
    version: int = 1


@dataclass(frozen=True, slots=True)
class CalibrateSpec:
    """Calibrate a classifier and tune its thresholds on validation; result: CalibrateResult."""

    task: str
    model: ModelRef
    data: DataRef
    metric: str
    direction: Direction
    target: str
    """Folder the calibrated model is written to, where calibrating helps."""
    calibration: bool
    thresholds: bool
    batch_size: int
    threads: int
    devices: tuple[str, ...]
    seed: int
    schema: Literal["automl/calibrate"] = "automl/calibrate"
    version: int = 1


@dataclass(frozen=True, slots=True)
class ExamineSpec:
    """Ask of a trained model what only checks ask, on the test rows; result: ExamineResult JSON."""

    task: str
    model: ModelRef
    data: DataRef
    batch_size: int
    threads: int
    devices: tuple[str, ...]
    seed: int
    metric: str
    direction: Literal["maximize", "minimize"]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Least probability by class; empty: the most probable class, or a half."""
    changes: tuple[str, ...] = ()
    """How texts are changed, as checks name it: ``typos``, ``synonyms=words.txt``."""
    words: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    """File of synonyms → its groups of words."""
    earlier: Mapping[str, str] = field(default_factory=dict)
    """Check → folder of the bundle to compare with."""
    beside: str = ""
    """Folder of the base model, where ``model`` is a bundle of adapters alone."""
    bases: Mapping[str, str] = field(default_factory=dict)
    """Bundle's folder → that of its base model, where it holds adapters alone."""
    schema: Literal["automl/examine"] = "automl/examine"
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
class ConvertSpec:
    """Write the model in further formats and verify what was written; result: ConvertResult."""

    task: str
    model: ModelRef
    data: DataRef
    formats: tuple[str, ...]
    metric: str
    direction: Direction
    most_loss: float
    """Of the metric: a format that loses more is refused. As in ``export.max_metric_loss``."""
    target: str
    """Folder that the formats' files are written to, by their path in a bundle."""
    rows: int
    """Validation rows that formats are compared on, at most: the first."""
    batch_size: int
    threads: int
    devices: tuple[str, ...]
    base: ModelRef | None = None
    """As in ScoreSpec."""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """As in ScoreSpec."""
    schema: Literal["automl/convert"] = "automl/convert"
    version: int = 1


Spec = (
    TrialSpec
    | ScoreSpec
    | ExamineSpec
    | FloorSpec
    | InspectSpec
    | MeasureSpec
    | ScreenSpec
    | SoupSpec
    | CalibrateSpec
    | ImportanceSpec
    | ConvertSpec
)


@dataclass(frozen=True, slots=True)
class Interval:
    """A bootstrap interval around a metric; ``level`` is .95."""

    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class SliceScore:
    """How a model does on the rows that have one value in a column."""

    rows: int
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval]


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
    notes: tuple[str, ...] = ()
    """What a person should know of how it was scored."""
    unit: str = "rows"
    """What the table by class and the confusion count."""
    slices: Mapping[str, SliceScore] = field(default_factory=dict)
    """``lang=de`` → the rows whose column ``lang`` says ``de``; of test alone."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions of like probability: how many, what they said on average, how often it was so."""

    count: int
    said: float
    found: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far probabilities can be taken at their word: of the predicted class, or of every class
    where a row has several."""

    error: float
    """Expected calibration error: the mean distance of said and found, weighted by counts."""
    bins: tuple[Bin, ...]
    """Rising; those without predictions are left out."""


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
    samples: tuple[Mapping[str, Any], ...] = ()
    """What the model said to a few rows, where it generates: by what it was given and ``said``."""
    plain: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Split → its metrics if the most probable class, or a half, decided; empty where they do."""
    reliability: Mapping[str, Reliability] = field(default_factory=dict)
    """Split → how well the probabilities are calibrated; empty for a floor, and without classes."""
    uncalibrated: Mapping[str, Reliability] = field(default_factory=dict)
    """Split → the same before the model was calibrated; empty where it was not."""
    reference: Reference | None = None
    """What the rows were like, and what was said of them; null for a floor."""
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
class Steadiness:
    """Whether answers stay when texts change in a way that means nothing."""

    rows: int
    """Rows whose text the change touches."""
    kept: int
    """Those of them whose answer stays under every variant."""
    examples: tuple[Mapping[str, str], ...] = ()
    """Up to five that changed: ``text``, ``changed``, ``before``, ``after``."""

    @property
    def share(self) -> float:
        """The share of answers that stay; NaN where no text was touched."""
        return self.kept / self.rows if self.rows else float("nan")


@dataclass(frozen=True, slots=True)
class Versus:
    """Two models on the same rows. ``difference`` is above 0 where the new one is better."""

    metric: str
    new: float
    old: float
    difference: float
    interval: Interval
    """Of the difference, bootstrapped over rows with both models' answers together."""
    rows: int


@dataclass(frozen=True, slots=True)
class ExamineResult:
    """What checks asked: by change, and by check that names an earlier bundle."""

    changes: Mapping[str, Steadiness]
    earlier: Mapping[str, Versus]
    schema: Literal["automl/examine-result"] = "automl/examine-result"
    version: int = 1


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
class Calibration:
    """What one temperature for all logits came to (Guo et al. 2017).

    Losses and errors are those of validation rows by the temperature fitted to the others.
    """

    temperature: float
    """What the logits are divided by in the model that leaves; 1 where it is left as it was."""
    loss: tuple[float, float]
    """Log loss before and after."""
    error: tuple[float, float]
    """Expected calibration error before and after."""
    why_not: str = ""
    """Why the model is left as it was; empty where it is not."""

    @property
    def taken(self) -> bool:
        """Whether the temperature is folded into the model."""
        return not self.why_not


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What tuned thresholds came to.

    ``plain``, ``tuned`` and ``noise`` are the goal's metric on validation: without thresholds, of
    rows decided by thresholds chosen on the others, and the standard error of the difference.
    """

    by_class: Mapping[str, float]
    """Least probability from which a class is predicted; empty where none are taken."""
    plain: float
    tuned: float
    noise: float
    alike: tuple[str, ...] = ()
    """Classes with too few validation rows for a threshold of their own."""
    why_not: str = ""
    """Why none are taken; empty where they are."""


@dataclass(frozen=True, slots=True)
class CalibrateResult:
    """What was tuned on validation; null for what was not asked for, or can't be."""

    calibration: Calibration | None
    thresholds: Thresholds | None
    seconds: float
    schema: Literal["automl/calibrate-result"] = "automl/calibrate-result"
    version: int = 1

    @property
    def temperature(self) -> float:
        """What the logits of the model that leaves were divided by."""
        return self.calibration.temperature if self.calibration else 1.0

    @property
    def by_class(self) -> Mapping[str, float]:
        """The thresholds taken; empty where none are."""
        return self.thresholds.by_class if self.thresholds else {}


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


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a format predicts on one kind of device, beside safetensors in the same process.

    Both took turns on the same rows; ratios are this format's figure over that of safetensors.
    """

    latency_ms: float
    """Median over single rows."""
    latency_p95_ms: float
    rows_per_second: float
    """32 rows at once."""
    latency_ratio: float
    """Below 1: faster."""
    throughput_ratio: float
    """Above 1: faster."""


@dataclass(frozen=True, slots=True)
class FormatFacts:
    """What a format of the weights is worth, measured with its own files.

    Differences, changes and the loss are against safetensors, on the same validation rows.
    """

    files: tuple[str, ...] = ()
    """Paths in the bundle; empty where it was refused, and of safetensors."""
    bytes: int = 0
    refused: str = ""
    """Why it is not in the bundle, with figures; empty where it is."""
    rows: int = 0
    """Validation rows that it was compared on."""
    max_difference: float | None = None
    """Of the model's outputs (logits, boxes, embeddings)."""
    mean_difference: float | None = None
    changed: float | None = None
    """Share of rows about which something else is said; null where all that is said are numbers. Of
    a model that goes on with texts, share of eight rows that it goes on with otherwise."""
    metric: float | None = None
    """The goal's metric on those rows."""
    loss: float | None = None
    """How much worse that is, in the metric's units; of an error, and of what goes beyond 1, as a
    share of it. Below 0: better."""
    speed: Mapping[str, Speed] = field(default_factory=dict)
    """By kind of device: ``cpu``, ``cuda``."""


@dataclass(frozen=True, slots=True)
class ConvertResult:
    """Each format's facts by its name, safetensors first."""

    formats: Mapping[str, FormatFacts]
    metric: str
    """What ``FormatFacts.metric`` is the value of."""
    seconds: float
    schema: Literal["automl/convert-result"] = "automl/convert-result"
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
            ExamineSpec,
            FloorSpec,
            InspectSpec,
            MeasureSpec,
            ScreenSpec,
            SoupSpec,
            CalibrateSpec,
            ImportanceSpec,
            ConvertSpec,
        )
    }
    name = json.loads(path.read_bytes()).get("schema")
    found: Spec = documents.read(kinds[name], path)  # type: ignore[assignment]
    if isinstance(found, TrialSpec) and _PARENT in os.environ:
        return replace(found, parent=Parent(**json.loads(os.environ[_PARENT])))
    return found
