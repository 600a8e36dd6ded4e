"""The recipe as a person writes it: frozen pydantic models, every default stated once, here.

Knows the shape of a recipe and nothing of tasks, data or models; names (of tasks, metrics,
hyperparameters) are checked by the compiler, which knows them.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from automl.recipe.models import ModelRef, each_once
from automl.recipe.section import Broken, Section, Text, Texts, refuse, shown

Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


def seconds_of(duration: str) -> float:
    """Return the seconds in a duration such as ``2h``, ``1h30m`` or ``45s``; ValueError else."""
    found = _DURATION.fullmatch(duration.strip())
    if not duration.strip() or found is None:
        raise ValueError(f"{shown(duration)} is not a duration: write it as 2h, 1h30m, 90m or 45s")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    total = hours * 3600 + minutes * 60 + seconds
    if total <= 0:
        raise ValueError(f"{shown(duration)} is no time at all")
    return total


def _checked_duration(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"{value} has no unit: write {value}s, {value}m or {value}h")
    if isinstance(value, str):
        seconds_of(value)
    return value


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{shown(name)} is not a name: at most 64 letters, digits, '.', '_' and '-', "
            "the first a letter or a digit"
        )
    return name


Name = Annotated[
    str, AfterValidator(_checked_name), Field(json_schema_extra={"pattern": f"^{_NAME.pattern}$"})
]
Duration = Annotated[
    str,
    BeforeValidator(_checked_duration),
    Field(json_schema_extra={"pattern": r"^\s*(\d+(\.\d+)?h)?(\d+(\.\d+)?m)?(\d+(\.\d+)?s)?\s*$"}),
]


class Data(Section):
    """Where the rows are, which columns matter, and how they are split."""

    train: Text | Texts
    """Training rows: a file (csv, tsv, json, jsonl, parquet, arrow), a folder, a glob, a saved
    dataset, a hub data set id (`owner/name` or `owner/name@revision`), an fsspec URL; or a list."""
    validation: Share | Text | Texts = 0.1
    """Validation rows, on which the search is decided: a source, or a share of train."""
    test: Share | Text | Texts = 0.1
    """Test rows, scored once at the end: a source, or a share of train."""
    columns: dict[Text, Text] = Field(default_factory=dict)
    """Role → column name, where it cannot be inferred, e.g. `{text: body, label: queue}`."""
    labels: dict[str, Text | None] = Field(default_factory=dict)
    """Class in the data → its name in training, e.g. `{"Refund ": refund}`; null leaves its rows
    out, of several classes a row the class. The empty name stands for rows without a class; a class
    named as itself is meant as it is written."""
    group_by: Text | None = None
    """Column whose equal values never fall on two sides of a split (customer, document)."""
    slices: list[Text] = Field(default_factory=list)
    """Columns by which results on test are told besides, each value a slice (language, channel);
    columns that checks name are added to them."""
    bad_files: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.01
    """Share of a split's rows whose pictures or sounds may be missing or damaged: they are named
    and left out. More of them end the run with the list."""
    seed: Seed = 0
    """Seed of the split. The split depends on row content and this seed, not on row order."""
    max_length: Annotated[int, Field(ge=8)] | None = None
    """Tokens a text is cut to. Left out: what the training texts need, within the model's limit."""

    @model_validator(mode="after")
    def _leaves_rows_to_train_on(self) -> Self:
        shares = [share for share in (self.validation, self.test) if isinstance(share, float)]
        if sum(shares) >= 1:
            at = "test" if "test" in self.model_fields_set else "validation"
            said = f"validation ({self.validation}) and test ({self.test})"
            message = f"{said} leave no rows to train on"
            refuse([Broken((at,), message, "make their sum less than 1")])
        return self


Scalar = bool | int | float | str
Choices = Annotated[list[Scalar], Field(min_length=1)]


class Range(Section):
    """A range to search."""

    low: int | float
    """Lowest value, included."""
    high: int | float
    """Highest value, included."""
    log: bool = False
    """Search evenly in the logarithm; for values that span orders of magnitude."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        broken = []
        if self.low >= self.high:
            message = f"high must be greater than low ({self.low}), found {self.high}"
            hint = "for one fixed value write the value instead of the range"
            broken.append(Broken(("high",), message, hint))
        if self.log and self.low <= 0:
            message = f"low must be greater than 0 for a logarithmic range, found {self.low}"
            hint = "a small number such as 1e-6, or `log: false`"
            broken.append(Broken(("low",), message, hint))
        refuse(broken)
        return self


class Screen(Section):
    """How candidates are compared before any is fine-tuned."""

    keep: Annotated[int, Field(ge=1)] = 3
    """How many of the best ranked candidates are kept; one generalist is kept besides."""
    by: Literal["probe", "h_score", "logme", "knn"] = "probe"
    """What ranks frozen encoders: a linear probe on the best layer, H-score, LogME, or nearest
    neighbours."""
    rows: Annotated[int, Field(ge=100, le=20000)] = 2000
    """Training rows that are embedded, at most."""


class Search(Section):
    """How configurations are found. All optional: defaults come from priors per model family."""

    space: dict[Text, Range | Choices | Scalar] = Field(default_factory=dict)
    """Hyperparameter → range, list of choices, or one fixed value; replaces the default."""
    seed: Seed = 0
    """Seed of sampling and training."""
    sampler: Literal["auto", "tpe", "random", "gp", "cmaes", "nsga2", "grid"] = "auto"
    """How the next configuration is drawn (Optuna's samplers; `auto` is `tpe`)."""
    strategy: Literal["auto", "promotion", "hyperband", "median", "none"] = "auto"
    """How long each configuration is trained. `promotion` pauses trials at rungs and continues the
    most promising; `hyperband` and `median` end trials early (Optuna's pruners); `auto` is
    `promotion`."""
    evaluations_per_epoch: Literal["auto"] | Annotated[int, Field(ge=1, le=100)] = "auto"
    """How often a trial is scored on validation; rungs, pruning and budgets act at these moments.
    `auto`: up to three times, where validation is small enough."""
    stop: Literal["auto", "never"] = "auto"
    """Whether the search ends before its budget when little is left to gain."""
    screen: Literal["auto", "never"] | Screen = "auto"
    """Whether candidates are compared as frozen encoders first; `auto`: when there are more than
    four."""
    repeats: Literal["auto"] | Annotated[int, Field(ge=0, le=20)] = "auto"
    """How many of the best configurations are trained again with a new seed before the winner is
    chosen by its mean; `auto`: up to three, as the budget allows."""
    soup: bool = True
    """Whether the best models of one architecture are averaged, kept only if a held-back part of
    validation agrees."""


class Preference(Section):
    """Which trial of several objectives' front is exported."""

    metric: Text
    """Objective to be best in, e.g. `latency_ms`."""
    within: Annotated[float, Field(ge=0.0)]
    """How much worse than the best, in the first objective's units, the trial may be."""


class Objective(Section):
    """What the search optimises on the validation split. Left out: the task's own objective."""

    maximize: Text | Texts | None = None
    """Metric to make as large as possible, or several; the first one decides what is pruned."""
    minimize: Text | Texts | None = None
    """Metric or cost (`latency_ms`, `parameters`, `disk`) to make as small as possible, or several.
    The first one decides what is pruned where nothing is maximised."""
    subject_to: list[Text] = Field(default_factory=list)
    """Limits the winner must keep, e.g. `latency_ms <= 20`, `parameters <= 100M`,
    `disk <= 500MB`."""
    prefer: Preference | None = None
    """With several objectives: which trial of their front is exported. Left out: the best by the
    first objective."""


class Budget(Section):
    """When the search ends: whichever limit is reached first. Totals over all continued runs."""

    trials: Annotated[int, Field(ge=1)] | None = 20
    """Configurations tried in all; null for no limit."""
    time: Duration | None = None
    """Search time in all, e.g. `2h` or `1h30m`; overrun by at most one evaluation interval."""
    finish: Share = 0.2
    """Share of `time` kept for the end: repeats with new seeds, scoring, export."""
    trial_time: Duration | None = None
    """Longest one trial may take; a trial over it is ended and counts as failed."""

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.trials is None and self.time is None:
            message = "a budget needs trials or time, found neither"
            refuse([Broken(("trials",), message, "`trials: 20` or `time: 2h`")])
        return self


class Devices(Section):
    """What trials run on."""

    executor: Text = "local"
    """`local` (a process per trial), `ray` (on the machines of a Ray cluster) or `inline` (in this
    process, for debugging)."""
    address: Text = "auto"
    """With `ray`: the cluster, as `host:port` or `ray://host:port`; `auto` is the one that this
    machine belongs to."""
    per_trial: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Devices (GPUs, or processes on CPU) that one trial uses. `auto`: one, or as many GPUs as a
    candidate needs that does not fit one (sharded, FSDP) or takes its batch in many parts; on a CPU
    and on a cluster one."""
    trials_per_device: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Trials that share one device (on CPU: trials at once, dividing the threads). `auto`: as many
    trials of a candidate as fit a GPU's memory, where sharing gains time; on a CPU and on a cluster
    one."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """CPU threads per trial process. Left out: measured."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Number format of training; `auto` measures what is fastest here."""


class Export(Section):
    """What the bundle holds and where it goes."""

    formats: list[Text] = Field(default_factory=lambda: ["safetensors"])
    """Formats of the weights to write: `safetensors` (always there, listed or not), `onnx`,
    `onnx-int8`, `bf16`, `fp16`. Each is compared with safetensors on validation rows."""
    max_metric_loss: Annotated[float, Field(ge=0.0)] = 0.01
    """What a format may lose of the goal's metric, in its units; of an error, and of a metric that
    goes beyond 1, as a share of it. A format that loses more is left out of the bundle, and its
    figures are told."""
    adapter: Literal["merge", "keep"] = "merge"
    """What leaves of a winner trained by `lora` or `qlora`: the whole model with its adapters
    merged into it, or the adapters alone (PEFT's format), for the base model they were trained
    on."""
    push_to_hub: Text | None = None
    """Hub repository (`owner/name`) the bundle is uploaded to when every check has passed."""
    private: bool = True
    """Whether a repository created by the upload is private."""
    calibration: Literal["auto", "never"] = "auto"
    """Whether a classifier's probabilities are calibrated on validation, by one temperature that is
    folded into its last layer; `auto`: where rows held back agree."""
    thresholds: Literal["auto", "never"] = "auto"
    """Whether the probability from which a class is predicted is tuned on validation, of two
    classes or of several a row; `auto`: where rows held back show a gain beyond noise."""


class NotWorse(Section):
    """A check against a bundle that is there already: the new model must not be shown to be worse.

    Both are scored on the new test rows, by the recipe's objective; the check fails where the whole
    95% interval of their difference, bootstrapped over pairs, lies below ``-by``.
    """

    not_worse_than: Text
    """Bundle, or run folder that holds one, relative to the recipe."""
    by: Annotated[float, Field(ge=0.0)] = 0.0
    """How much worse it may be, in the objective's units."""


class Recipe(Section):
    """A declarative description of a fine-tuning study: task, data, candidates, goal, budget."""

    recipe: Literal[1]
    """Version of the recipe format."""
    name: Name
    """Name of the study; its run folder is `runs/<name>`."""
    extends: Text | list[Text] = Field(default_factory=list)
    """Recipes this one is merged over, later ones and this one win: files, relative to it; on the
    hub, `hub:owner/name/path.yaml@revision`; in git, `git+https://host/repo.git@revision#path`."""
    task: Text
    """Task, e.g. `text-classification`."""
    data: Data
    """Where the rows are, which columns matter, and how they are split."""
    models: Annotated[list[ModelRef], Field(min_length=1), AfterValidator(each_once)]
    """Candidates: hub ids (`owner/name@revision`), `{path: folder}`, `{package: import_name}`, or a
    query, `{hub: {search: modernbert, license: mit, max_parameters: 200M, limit: 5}}`."""
    search: Search = Field(default_factory=Search)
    """How configurations are found."""
    objective: Objective = Field(default_factory=Objective)
    """What the search optimises."""
    budget: Budget = Field(default_factory=Budget)
    """When the search ends."""
    devices: Devices = Field(default_factory=Devices)
    """What trials run on."""
    storage: Text | None = None
    """Database that keeps the study, for many machines at one study (`automl worker`):
    `postgresql+psycopg://user@host/database`, or MySQL. Left out: a file in the run folder. A
    password belongs into the environment: `${env:STORAGE}`."""
    artifacts: Text | None = None
    """Folder that all those machines see, for checkpoints and bundles: a path on a shared disk
    (relative to the recipe), or `s3://bucket/prefix`. Needed with `storage`."""
    checks: list[Text | NotWorse] = Field(default_factory=list)
    """Conditions on the test split: of all rows (`accuracy >= 0.9`), a class
    (`recall[refund] >= 0.8`), the rows of a slice (`accuracy[lang=de] >= 0.85`), a cost
    (`latency_ms <= 20`, `parameters <= 100M`, `disk <= 500MB`), answers that stay when texts
    change (`invariance[typos] >= 0.95`; also `case`, `punctuation`, `synonyms=words.txt`), an
    earlier bundle (`{not_worse_than: bundles/v1}`). A miss is exit code 3."""
    export: Export = Field(default_factory=Export)
    """What the bundle holds and where it goes."""
    track: Text | list[Text] = Field(default_factory=list)
    """Trackers that are told of every trial: `tensorboard`, `mlflow`, `wandb`, or a list."""
    experience: bool = True
    """Whether similar earlier studies of this user start the search, and this one leaves a record
    for later ones (settings and scores, never rows)."""

    @property
    def trackers(self) -> tuple[str, ...]:
        """Return the trackers' names, each once."""
        return tuple(dict.fromkeys([self.track] if isinstance(self.track, str) else self.track))
