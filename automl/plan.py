"""The plan: what a recipe means, frozen. Pure data; knows no file system and no library.

Holds no clock, and no path but those the recipe itself writes, so that the same recipe, data,
models and seed on the same package versions give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Scalar = bool | int | float | str
Direction = Literal["maximize", "minimize"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Count = int | Literal["auto"]
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class FileHash:
    """One file of a model or a data source: path relative to its root, SHA-256 (hex), bytes."""

    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows of one split come from, as the recipe wrote it; ``revision`` for hub data sets."""

    split: str
    reference: str
    files: tuple[FileHash, ...]
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class SplitRule:
    """How rows were divided. Shares are null where the split came from its own source.

    ``hash`` is the SHA-256 over the sorted content hashes of each split's rows: independent of
    row order.
    """

    seed: int
    validation_share: float | None
    test_share: float | None
    stratified_by: str | None
    grouped_by: str | None
    hash: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What the data looks like: per split and class counts, text lengths in characters."""

    class_counts: Mapping[str, Mapping[str, int]]
    characters: Mapping[str, int]
    """Percentiles of train text length: keys ``p50``, ``p95``, ``max``."""
    duplicate_rows: int
    dropped_rows: int


@dataclass(frozen=True, slots=True)
class DataPlan:
    """The data, pinned: sources with hashes, role → column, classes, sizes, split, profile."""

    sources: tuple[Source, ...]
    columns: Mapping[str, str]
    labels: tuple[str, ...]
    """Class names in the order of the model's output; empty for tasks without classes."""
    rows: Mapping[str, int]
    fingerprint: str
    """SHA-256 over the sorted content hashes of all rows."""
    split: SplitRule
    profile: Profile
    warnings: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    """Columns of the test rows by which results are told."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One hyperparameter of one candidate's space, in the units the trial uses.

    ``float`` and ``int`` range over [low, high] (``log``: uniformly in the logarithm);
    ``choice`` takes one of ``choices``. Where ``prior`` is set, search works on
    log10(value / prior), so that evidence carries over between candidates.

    A space may hold several parameters of one name, as long as the conditions of no two of them
    hold at once: a learning rate has another range for each method.
    """

    name: str
    kind: Literal["float", "int", "choice"]
    default: Scalar
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Scalar, ...] = ()
    prior: float | None = None
    source: str = ""
    """Where the range comes from: ``recipe``, or the priors' citation."""
    when: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    """Searched only where each of these other parameters has one of these values."""

    def holds(self, values: Mapping[str, Scalar]) -> bool:
        """Return whether its conditions hold under the values of the other parameters."""
        return all(values.get(name) in allowed for name, allowed in self.when.items())


@dataclass(frozen=True, slots=True)
class Lengths:
    """Token lengths of a sample of the training texts under the candidate's tokenizer."""

    p50: int
    p95: int
    max: int
    truncated_share: float
    """Share of the sample longer than ``Candidate.max_length``."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What a candidate costs, in bytes: ``memory_bytes`` is one process at the largest batch."""

    memory_bytes: int
    download_bytes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model that may win, pinned. ``id`` is short, unique in the plan and safe in a path."""

    id: str
    source: Literal["folder", "hub", "package"]
    reference: str
    """As the recipe wrote it: a path relative to the recipe, a hub id, a package name."""
    revision: str | None
    """Hub commit or package version; null for folders, whose files are hashed."""
    files: tuple[FileHash, ...]
    family: str
    """``model_type`` of the config."""
    parameters: int
    license: str | None
    language: tuple[str, ...]
    max_length: int
    """Tokens a text is truncated to."""
    lengths: Lengths | None
    trust_remote_code: bool
    fit: Fit
    space: tuple[Parameter, ...]
    portfolio: tuple[Mapping[str, Scalar], ...] = ()
    """Strong and mutually different starting points, best bet first; each holds every parameter
    that applies to it. They are tried before anything is sampled."""
    notes: tuple[str, ...] = ()
    """What a person should know of how the task uses the model."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A candidate that was not taken, and why."""

    reference: str
    reason: str


@dataclass(frozen=True, slots=True)
class Hit:
    """One model that a query found and that fits; ``parameters`` where a limit made us look."""

    reference: str
    revision: str
    parameters: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query of the recipe came to, frozen: with it in the lock nobody is asked again."""

    query: str
    """The query as one line of JSON."""
    hits: tuple[Hit, ...]
    refused: tuple[Refusal, ...]
    """Models that were found and left out; they stand among the plan's refusals too."""
    origin: Literal["hub", "cache"] = "hub"
    """``cache``: the hub could not be reached, and what is on this machine was looked through."""


@dataclass(frozen=True, slots=True)
class Screened:
    """How one model did when frozen encoders were compared: rank from 1, score from 0 to 1."""

    reference: str
    rank: int
    score: float
    layer: int
    """The layer whose features scored best; 0 is the embeddings."""
    kept: bool
    reason: str
    """Why it was kept or left out, in words."""


@dataclass(frozen=True, slots=True)
class Prefer:
    """Of the trials worse than the best by at most ``within``, take the one best in ``metric``."""

    metric: str
    within: float


@dataclass(frozen=True, slots=True)
class Goal:
    """What is optimised on the validation split: ``metric`` first; pruning looks at it alone."""

    metric: str
    direction: Direction
    subject_to: tuple[str, ...] = ()
    also: Mapping[str, Direction] = field(default_factory=dict)
    """Further objectives: metrics, or costs (``latency_ms``, ``parameters``, ``disk``)."""
    prefer: Prefer | None = None
    """Which trial of the Pareto front is exported; null: the best by ``metric``."""


@dataclass(frozen=True, slots=True)
class BudgetPlan:
    """Totals over the study's life; null means unlimited. ``trial_seconds`` bounds one trial."""

    trials: int | None
    seconds: float | None
    trial_seconds: float | None


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """How trials are laid over devices; ``threads`` null means cores divided by slots.

    What is ``auto`` is decided for each candidate by the memory of the machine's GPUs; on a CPU,
    and on a cluster, it is one.
    """

    executor: str
    per_trial: Count
    trials_per_device: Count
    threads: int | None
    precision: Precision
    address: str | None = None
    """Where the cluster is; null for an executor of this machine."""

    @property
    def processes(self) -> int:
        """Devices that a trial takes as far as the plan knows: one where memory decides."""
        return 1 if self.per_trial == "auto" else self.per_trial

    @property
    def at_once(self) -> int:
        """Trials that share a device as far as the plan knows: one where memory decides."""
        return 1 if self.trials_per_device == "auto" else self.trials_per_device


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """How configurations are drawn, how long each is trained, and when the search is over.

    ``evaluation_samples`` is how often a trial is evaluated, in training samples seen.
    """

    seed: int
    sampler: str
    """``auto`` is resolved: a name that ``search.strategies`` knows."""
    strategy: str
    """``promotion``, ``hyperband``, ``median`` or ``none``."""
    evaluation_samples: int
    rungs: tuple[int, ...] = ()
    """Samples seen at which trials are compared and paused (``promotion``), rising by ``eta``."""
    eta: int = 3
    stop: Literal["auto", "never"] = "auto"
    repeats: int = 0
    """How many of the best configurations are trained again with a new seed at the end."""
    finish_share: float = 0.0
    """Share of a time budget that is kept for those repeats."""
    soup: bool = False
    experience: bool = False
    """Whether records of similar studies start this one, and this one leaves a record."""


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """Formats by exporter name, the hub repository to push to, if any, and what of a classifier is
    tuned on validation before it leaves."""

    formats: tuple[str, ...]
    push_to_hub: str | None
    private: bool
    adapter: Literal["merge", "keep"] = "merge"
    """Whether a winner's adapters leave merged into the model, or alone, beside its name."""
    calibration: Literal["auto", "never"] = "auto"
    thresholds: Literal["auto", "never"] = "auto"
    max_metric_loss: float = 0.0
    """Of the goal's metric, by a format other than safetensors; a plan without such has none."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A bundle that the new model is compared with; ``check`` is the check that asks for it."""

    check: str
    name: str
    sha256: str
    """Of its automl.json."""


@dataclass(frozen=True, slots=True)
class Parent:
    """A recipe from the hub or a git repository that was extended, and at which commit."""

    reference: str
    """As the recipe wrote it."""
    revision: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a recipe means. See the module's first lines for what it promises."""

    name: str
    task: str
    recipe_sha256: str
    data: DataPlan
    candidates: tuple[Candidate, ...]
    refused: tuple[Refusal, ...]
    screening: tuple[Screened, ...]
    """Every model compared, best first; empty where there were too few to compare."""
    search: SearchPlan
    goal: Goal
    budget: BudgetPlan
    devices: DevicePlan
    checks: tuple[str, ...]
    export: ExportPlan
    versions: Mapping[str, str] = field(default_factory=dict)
    earlier: tuple[Earlier, ...] = ()
    """The bundles that checks compare with."""
    words: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    """File of synonyms that a check names → its groups of words that mean the same."""
    parents: tuple[Parent, ...] = ()
    """The recipes from elsewhere that this one extends."""
    answers: tuple[Answer, ...] = ()
    """What the recipe's queries for candidates found."""
    schema: Literal["automl/plan"] = "automl/plan"
    version: int = 1

    @staticmethod
    def upgraded(found: dict[str, Any]) -> dict[str, Any]:
        """Return a plan's plain data as it is written today: a strategy was a pruner once."""
        search = found.get("search")
        if not isinstance(search, dict) or "pruner" not in search:
            return found
        strategy = {"strategy": search["pruner"], **search}
        return {"screening": [], **found, "search": strategy}

    def candidate(self, identifier: str) -> Candidate:
        """Return the candidate with that id; KeyError names it when there is none."""
        for candidate in self.candidates:
            if candidate.id == identifier:
                return candidate
        raise KeyError(identifier)


@dataclass(frozen=True, slots=True)
class Configuration:
    """One point of the space: a candidate and a value for each of its parameters."""

    candidate: str
    hyperparameters: Mapping[str, Scalar]
