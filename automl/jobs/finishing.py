"""Jobs that make of a chosen model the one that leaves. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from automl.jobs.references import DataRef, ModelRef
from automl.plan import Direction


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
