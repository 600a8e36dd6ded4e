"""Recipe → plan: verify, read the data, find the candidates, try them, and write down the rest.

The same recipe, data and models on the same package versions give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from automl import tasks
from automl.compiler import (
    asked,
    grids,
    limits,
    memory,
    objectives,
    queries,
    rungs,
    screening,
    truncation,
)
from automl.compiler.candidates import Resolution, Terms, candidate, resolve
from automl.compiler.hyperparameters import METHOD, QUANTIZED
from automl.compiler.inspection import Question, inspect
from automl.compiler.lock import Lock
from automl.compiler.space import listed
from automl.compiler.verify import CLUSTER, task_problems, verify
from automl.errors import CandidateError, Problem, RecipeError
from automl.plan import (
    BudgetPlan,
    Candidate,
    DataPlan,
    DevicePlan,
    ExportPlan,
    Plan,
    Refusal,
    SearchPlan,
)
from automl.recipe.loaded import LoadedRecipe
from automl.recipe.schema import Recipe, seconds_of
from automl.tasks import ADAPTING, Task
from automl.tasks._weights import EXPORTING, GRAPHS, SAFETENSORS

if TYPE_CHECKING:
    import pyarrow as pa

    from automl.data.load import LoadedData

LIBRARIES = ("accelerate", "automl", "datasets", "optuna", "tokenizers", "torch", "transformers")
WORDS = ("AutoModelForCausalLM", "AutoModelForMaskedLM")
"""Classes of models that tell the probability of every token they read."""
MOST_REPEATS = 3
REPEATED_FROM = 8
"""Trials from which the best are trained again with new seeds, unless the recipe says."""
INSPECTED_WITH = ("python", "tokenizers", "torch", "transformers")
"""Packages whose version may change what loading a candidate shows, or how it compares frozen."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A plan and what it stands for on this machine."""

    plan: Plan
    tables: Mapping[str, pa.Table]
    """Split → rows, columns named by the task's roles."""
    models: Mapping[str, Path]
    """Candidate id → folder that ``from_pretrained`` takes."""
    screening_seconds: Mapping[str, float] = field(default_factory=dict)
    """Candidate id → seconds that comparing it frozen took, of all that were compared."""
    slices: pa.Table | None = None
    """Of the test rows, in their order: the columns by which results are told."""
    bundles: Mapping[str, Path] = field(default_factory=dict)
    """Check → folder of the earlier bundle it compares with."""


def compile_recipe(
    loaded: LoadedRecipe,
    jobs_folder: Path,
    on_stage: Callable[[str, str], None] | None = None,
    *,
    lock: Lock | None = None,
    memory_bytes: int | None = None,
) -> Compiled:
    """Return the plan of a recipe, with its tables and model folders.

    ``jobs_folder`` keeps the log of the process that tries the candidates; ``on_stage`` hears
    (stage, text) as work goes on; a ``lock`` pins what the recipe leaves open: revisions, and what
    queries found; ``memory_bytes`` is what a device has, asked of the machine when left out.
    Raises RecipeError, DataError or CandidateError with every problem found, JobFailed when the
    candidates cannot be tried.
    """
    from automl.data.load import load_data

    problems = verify(loaded)
    if problems:
        raise RecipeError(problems)
    say = on_stage or (lambda stage, text: None)
    task = tasks.get(loaded.recipe.task)
    say("data", "reading and splitting")
    data = load_data(loaded, task, asked.slice_columns(loaded))
    if data.task is not task:
        task = data.task
        if problems := task_problems(loaded, task):
            raise RecipeError(problems)
    wrong = tuple(asked.data_problems(loaded, task, data.plan.labels, data.slices))
    if wrong:
        raise RecipeError(wrong)
    pins, frozen = (lock.pins(), lock.answers) if lock else ({}, ())
    resolution = resolve(loaded, task, pins, say, frozen)
    devices = _devices(loaded.recipe)
    room = memory.of_a_process(devices, memory_bytes), memory.shards(devices, memory_bytes)
    candidates = _candidates(loaded, task, data, resolution, room, jobs_folder, say)
    _refuse_idle_wishes(loaded, candidates)
    problems = tuple(grids.candidate_problems(loaded, candidates))
    if problems:
        raise RecipeError(problems)
    screened = screening.screen(
        loaded,
        task,
        data,
        candidates,
        resolution.models,
        _inspected_with(),
        jobs_folder / "screen",
        say,
    )
    refused = (*resolution.refused, *screened.refused)
    cut = truncation.warnings(screened.candidates, loaded.recipe.data.max_length, task)
    warned = replace(data.plan, warnings=(*data.plan.warnings, *cut))
    answers = tuple(resolution.answers)
    found = queries.with_origins(screened.candidates, answers)
    plan = _plan(loaded, task, warned, replace(screened, candidates=found), refused)
    return Compiled(
        plan=replace(plan, answers=answers),
        tables=data.tables,
        models={each.id: resolution.models[each.id].path for each in screened.candidates},
        screening_seconds=screened.seconds,
        slices=data.slices,
        bundles=asked.bundles(loaded),
    )


def _candidates(
    loaded: LoadedRecipe,
    task: Task,
    data: LoadedData,
    resolution: Resolution,
    room: tuple[int, int],
    jobs_folder: Path,
    say: Callable[[str, str], None],
) -> tuple[Candidate, ...]:
    """Try what was resolved; refusals are added to the resolution's.

    ``room`` is the memory of a process, and over how many a model may be divided.
    """
    graphs = next((name for name in loaded.recipe.export.formats if name in GRAPHS), "")
    terms = Terms(
        tuple(limits.parse(text) for text in loaded.recipe.objective.subject_to),
        data.plan.rows["train"],
        loaded.recipe.search.space,
        room[0],
        task.knobs,
        loaded.recipe.devices.precision,
        most_rate=task.most_rate,
        smaller=bool(objectives.quantities(objectives.goal(loaded, task))),
        texts=task.texts,
        words=task.auto_class in WORDS,
        rate=task.rate,
        shards=room[1],
        graphs=graphs,
    )
    question = Question(
        task.name,
        data.plan.labels,
        _sample(data.tables["train"], task),
        loaded.recipe.data.max_length,
        _inspected_with(*(EXPORTING if graphs else ())),
        quantize=QUANTIZED in listed(loaded.recipe.search.space.get(METHOD)),
        graphs=bool(graphs),
    )
    prepared = "processor" if task.media else "tokenizer, lengths"
    say("models", f"trying {len(resolution.models)}: head, {prepared}")
    inspections = inspect(question, resolution.models, jobs_folder / "inspect")
    accepted = []
    for name, model in resolution.models.items():
        found = candidate(name, model, inspections[name], terms)
        if isinstance(found, Refusal):
            resolution.refused.append(found)
        else:
            accepted.append(found)
    if not accepted:
        raise CandidateError(_all_refused(loaded, resolution.refused))
    return tuple(accepted)


def _all_refused(loaded: LoadedRecipe, refused: Iterable[Refusal]) -> list[Problem]:
    head = loaded.problem(("models",), "no candidate is left")
    return [head, *(Problem(f"{each.reference} is refused: {each.reason}") for each in refused)]


def _sample(train: pa.Table, task: Task) -> tuple[Mapping[str, object], ...]:
    """Training rows by role. Tables are ordered by row hash, so the first rows are a fair draw."""
    roles = [role.name for role in task.roles if role.name in train.column_names]
    return tuple(train.select(roles).slice(0, task.sample_rows).to_pylist())


def _refuse_idle_wishes(loaded: LoadedRecipe, candidates: Iterable[Candidate]) -> None:
    searched = {parameter.name for each in candidates for parameter in each.space}
    idle = [name for name in loaded.recipe.search.space if name not in searched]
    if idle:
        raise RecipeError(
            loaded.problem(
                ("search", "space", name),
                f"none of the candidates has {name}",
                hint="search.space.method: [full, lora]"
                if name.startswith(ADAPTING[0])
                else f"remove {name} from search.space",
            )
            for name in idle
        )


def _plan(
    loaded: LoadedRecipe,
    task: Task,
    data: DataPlan,
    screened: screening.Screening,
    refused: tuple[Refusal, ...],
) -> Plan:
    recipe = loaded.recipe
    budget = recipe.budget
    return Plan(
        name=recipe.name,
        task=task.name,
        recipe_sha256=recipe_sha256(loaded),
        data=data,
        candidates=screened.candidates,
        refused=refused,
        screening=screened.ranking,
        search=_search(recipe, task, data, screened.candidates),
        goal=objectives.goal(loaded, task),
        budget=BudgetPlan(
            budget.trials,
            seconds_of(budget.time) if budget.time else None,
            seconds_of(budget.trial_time) if budget.trial_time else None,
        ),
        devices=_devices(recipe),
        checks=asked.texts(loaded),
        export=ExportPlan(
            tuple(dict.fromkeys((SAFETENSORS, *recipe.export.formats))),
            recipe.export.push_to_hub,
            recipe.export.private,
            recipe.export.adapter,
            recipe.export.calibration,
            recipe.export.thresholds,
            recipe.export.max_metric_loss,
        ),
        versions=_versions(),
        earlier=asked.earlier(loaded),
        words=asked.words(loaded),
        parents=loaded.parents,
    )


def _devices(recipe: Recipe) -> DevicePlan:
    devices = recipe.devices
    return DevicePlan(
        devices.executor,
        devices.per_trial,
        devices.trials_per_device,
        devices.threads,
        devices.precision,
        devices.address if devices.executor == CLUSTER else None,
    )


def _search(
    recipe: Recipe, task: Task, data: DataPlan, candidates: tuple[Candidate, ...]
) -> SearchPlan:
    """What ``auto`` means for these rows, candidates and budget.

    A task that bounds the rows of an evaluation is slow at it: once an epoch is often enough.
    """
    search = recipe.search
    strategy = "promotion" if search.strategy == "auto" else search.strategy
    often = search.evaluations_per_epoch
    if often == "auto":
        often = rungs.evaluations_per_epoch(data.rows) if task.evaluation_rows is None else 1
    evaluation_samples = math.ceil(data.rows["train"] / often)
    repeats = _repeats(recipe) if search.repeats == "auto" else search.repeats
    return SearchPlan(
        seed=search.seed,
        sampler="tpe" if search.sampler == "auto" else search.sampler,
        strategy=strategy,
        evaluation_samples=evaluation_samples,
        rungs=rungs.rungs(candidates, data.rows["train"], evaluation_samples)
        if strategy == "promotion"
        else (),
        eta=rungs.ETA,
        stop=search.stop,
        repeats=repeats,
        finish_share=recipe.budget.finish if recipe.budget.time and repeats else 0.0,
        soup=search.soup,
        experience=recipe.experience,
    )


def _repeats(recipe: Recipe) -> int:
    """Of few trials none is repeated: another configuration is worth more than a better mean."""
    trials = recipe.budget.trials
    if trials is None:
        return MOST_REPEATS
    return min(MOST_REPEATS, trials // 5) if trials >= REPEATED_FROM else 0


def recipe_sha256(loaded: LoadedRecipe) -> str:
    """Return the SHA-256 of the recipe's effective values, defaults included, comments not.

    Where a value was written, in the recipe or a parent, does not matter; nor where the study is
    kept, and who watches.
    """
    elsewhere = {"extends", "storage", "artifacts", "track"}
    values = loaded.recipe.model_dump(mode="json", exclude=elsewhere)
    text = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _inspected_with(*more: str) -> dict[str, str]:
    known = {name: version for name, version in _versions().items() if name in INSPECTED_WITH}
    return {**known, **{name: metadata.version(name) for name in more}}


def _versions() -> dict[str, str]:
    found = {name: metadata.version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **found}
