"""Jobs that say how good a model is, and what is said. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from automl.jobs.references import DataRef, ModelRef
from automl.plan import Direction
from automl.reference import Reference


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
