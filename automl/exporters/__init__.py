"""What leaves with a bundle. Each exporter is one module offering ``EXPORTER``.

``order`` decides the sequence; an exporter writes into a folder that becomes the bundle when all
are done. The ones a recipe may name under ``export.formats`` have ``format`` set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

from automl import plugins
from automl.exporters._choice import Choice
from automl.exporters._energy import Energy
from automl.jobs import CalibrateResult, FormatFacts, ImportanceResult, ScoreResult
from automl.plan import Configuration, Plan
from automl.tasks._loading import ADAPTER


@dataclass(frozen=True, slots=True)
class TrialSummary:
    """One trial as the card and the tables show it."""

    number: int
    configuration: Configuration
    state: str
    value: float | None
    seconds: float
    curve: tuple[tuple[int, float], ...]
    """(training samples seen, goal's metric on validation), one pair an evaluation."""
    message: str = ""
    costs: Mapping[str, float] = field(default_factory=dict)
    """What prediction with its model costs, as far as it was measured."""
    broken: tuple[str, ...] = ()
    """The goal's limits that these costs break; such a trial cannot win."""
    repeat_of: int | None = None
    """The trial whose configuration this one trained again with another seed."""

    @property
    def method(self) -> str:
        """What of the model was trained."""
        return str(self.configuration.hyperparameters.get("method", "full"))

    @property
    def probe(self) -> bool:
        """Whether it is a frozen encoder with a linear head: no fine-tuning."""
        return self.method == "probe"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check of the recipe, applied to the test split."""

    expression: str
    actual: float | None
    passed: bool
    detail: str = ""
    """What else is to be said of it: the difference to an earlier bundle, with its interval."""
    skipped: bool = False
    """Whether it could not be asked at all, which counts neither for nor against the model."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """All that an exporter may need; paths are absolute, and none of them may reach the bundle."""

    plan: Plan
    model: Path
    """The folder of the model that leaves, as ``from_pretrained`` takes it."""
    winner: TrialSummary
    """The trial whose model leaves, or is the first member of the average that does."""
    trials: tuple[TrialSummary, ...]
    score: ScoreResult
    floor: ScoreResult
    checks: tuple[CheckResult, ...]
    recipe: str
    """The effective recipe, YAML."""
    lock: bytes
    """The lock, JSON."""
    seconds: float
    """Wall-clock seconds of the search over all its runs."""
    hardware: str
    choice: Choice = field(default_factory=Choice)
    untrained: ScoreResult | None = None
    """The winner's candidate as it came, where the task can be done with it."""
    tuned: CalibrateResult | None = None
    """What of a classifier was tuned on validation: ``model`` is calibrated by it already."""

    examples: Path | None = None
    """A picture of what the model says of the first test rows, where that can be drawn."""
    formats: Mapping[str, FormatFacts] = field(default_factory=dict)
    """What each format of the weights is worth, by name, safetensors first and those that were
    refused among them; empty where safetensors alone was asked for."""
    converted: Path | None = None
    """Folder with a folder a format, which holds its files by their path in a bundle."""

    importance: ImportanceResult | None = None
    """Which settings made the difference; null where too few configurations can be compared."""
    energy: Energy | None = None
    """What the trials used, estimated; null where it is not known what they held."""

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Least probability from which a class is predicted, by class; empty: a half."""
        return self.tuned.by_class if self.tuned else {}

    @property
    def validation(self) -> float | None:
        """The goal's metric by which the winner was chosen: a mean where it was repeated."""
        found = self.choice.of(self.winner.number)
        return found.mean if found else self.winner.value

    @property
    def keeps_adapter(self) -> bool:
        """Whether adapters leave alone, for the base model that they were trained on."""
        return self.plan.export.adapter == "keep" and (self.model / ADAPTER).is_dir()

    @property
    def max_length(self) -> int:
        """Tokens a text is cut to in use: what the winner was scored with."""
        trained = self.plan.candidate(self.winner.configuration.candidate).max_length
        return self.score.max_length or trained


class Exporter(Protocol):
    """Adds its files to ``folder``."""

    name: str
    format: bool
    order: int

    def export(self, delivery: Delivery, folder: Path) -> None:
        """Write this exporter's files into ``folder``, which exists; earlier ones are there."""
        ...


def names() -> tuple[str, ...]:
    """Return the names of all exporters."""
    return plugins.names(__name__)


def get(name: str) -> Exporter:
    """Return the exporter called ``name``; KeyError lists the known ones."""
    return cast(Exporter, plugins.load(__name__, name, "EXPORTER"))


def formats() -> tuple[str, ...]:
    """Return the names a recipe may list under ``export.formats``."""
    return tuple(name for name in names() if get(name).format)
