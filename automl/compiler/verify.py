"""What can be checked of a recipe without opening its data or its models. Imports nothing heavy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from automl import plugins, tasks
from automl.catalog import hub
from automl.compiler import asked, grids, limits, objectives
from automl.compiler.hyperparameters import HYPERPARAMETERS, METHOD, QUANTIZED, names
from automl.compiler.lock import parent_pins
from automl.compiler.references import reference_problems
from automl.compiler.space import faults, listed
from automl.errors import Problem, RecipeError
from automl.recipe.loaded import LoadedRecipe, Location
from automl.tasks import Task, _weights

EXECUTORS, EXPORTERS = "automl.executors", "automl.exporters"
TRACKERS = "automl.worker.trackers"
"""Looked up in the registry by name: none of them is the compiler's to import."""
QUANTIZER = "bitsandbytes"
"""The package that the extra called as the method installs."""
CLUSTER = "ray"
"""The executor whose machines have an address."""


def load_verified(path: Path, *, pinned: bool = True) -> LoadedRecipe:
    """Return the recipe at ``path``, in order as far as the recipe alone can tell.

    Parents from elsewhere are those of its lock, unless not ``pinned``. Raises RecipeError with
    every problem at once: of its form, and of the names in what is left of it without those.
    """
    from automl.recipe.load import in_order, load

    try:
        loaded = load(path, pins=partial(parent_pins, path) if pinned else dict)
    except RecipeError as error:
        more = verify(error.remainder) if isinstance(error.remainder, LoadedRecipe) else ()
        raise RecipeError(in_order([*error.problems, *more], str(path))) from None
    problems = verify(loaded)
    if problems:
        raise RecipeError(problems)
    return loaded


def verify(loaded: LoadedRecipe) -> tuple[Problem, ...]:
    """Return everything wrong with the recipe that needs neither data nor models; () when none."""
    found = (
        *_task_problems(loaded),
        *reference_problems(loaded),
        *_space_problems(loaded),
        *grids.recipe_problems(loaded),
        *_limit_problems(loaded),
        *_device_problems(loaded),
        *_export_problems(loaded),
        *_storage_problems(loaded),
        *_track_problems(loaded),
    )
    return tuple(sorted(found, key=_position))


def _storage_problems(loaded: LoadedRecipe) -> Iterator[Problem]:
    where: Location = ("storage",)
    url = loaded.recipe.storage
    if url is not None and "://" not in url:
        yield loaded.problem(
            where,
            f"{url!r} is no database URL",
            hint="postgresql+psycopg://user@host/database",
        )
    elif url is not None and where not in loaded.written and urlsplit(url).password:
        yield loaded.problem(
            where,
            "the password is in the recipe, which is shared and travels with the bundle",
            hint="write ${env:STORAGE}, and export STORAGE=…",
        )


def _position(problem: Problem) -> tuple[str, int, int]:
    place = problem.place
    return (place.file, place.line, place.column) if place else ("", 0, 0)


def _task_problems(loaded: LoadedRecipe) -> Iterator[Problem]:
    name = loaded.recipe.task
    if name not in tasks.names():
        yield loaded.problem(
            ("task",), f"there is no task {name!r}", value=name, known=tasks.names()
        )
        return
    task = tasks.get(name)
    yield from _column_problems(loaded, task)
    yield from objectives.problems(loaded, task)
    yield from asked.problems(loaded, task)


def task_problems(loaded: LoadedRecipe, task: Task) -> tuple[Problem, ...]:
    """Return what is wrong with objectives and checks for the task that the data has made."""
    return (*objectives.problems(loaded, task), *asked.problems(loaded, task))


def _column_problems(loaded: LoadedRecipe, task: Task) -> Iterator[Problem]:
    columns = loaded.recipe.data.columns
    roles = tuple(role.name for role in task.roles)
    for role in columns:
        if role not in roles:
            yield loaded.problem(
                ("data", "columns", role),
                f"{task.name} has no column role {role!r}",
                value=role,
                known=roles,
            )
    for column, count in Counter(columns.values()).items():
        if count > 1:
            used = [role for role in columns if columns[role] == column]
            yield loaded.problem(
                ("data", "columns", used[1]),
                f"the column {column!r} is given to {' and '.join(used)}",
                hint="each role reads a column of its own",
            )


def _space_problems(loaded: LoadedRecipe) -> Iterator[Problem]:
    for name, entry in loaded.recipe.search.space.items():
        where: Location = ("search", "space", name)
        if name not in HYPERPARAMETERS:
            problem = loaded.problem(
                where, f"there is no hyperparameter {name!r}", value=name, known=names()
            )
            every = f"known: {', '.join(names())}"
            hint = problem.hint if problem.hint == every else f"{problem.hint} {every}"
            yield Problem(problem.message, problem.place, hint)
            continue
        for inside, fault in faults(HYPERPARAMETERS[name], entry):
            yield loaded.problem((*where, *inside), f"{name} {fault}")
        if name == METHOD and not plugins.is_installed(QUANTIZER):
            for index, value in enumerate(listed(entry)):
                if value == QUANTIZED:
                    at: Location = (*where, index) if isinstance(entry, list) else where
                    said = f"{QUANTIZED} needs {QUANTIZER}, which is not installed"
                    yield loaded.problem(at, said, hint=f"pip install 'automl[{QUANTIZED}]'")


def _limit_problems(loaded: LoadedRecipe) -> Iterator[Problem]:
    for index, text in enumerate(loaded.recipe.objective.subject_to):
        where: Location = ("objective", "subject_to", index)
        try:
            limits.parse(text)
        except KeyError as error:
            quantity = str(error.args[0])
            yield loaded.problem(
                where,
                f"{quantity!r} is not a quantity that can be limited",
                value=quantity,
                known=limits.QUANTITIES,
            )
        except ValueError as error:
            yield loaded.problem(where, str(error))


def _device_problems(loaded: LoadedRecipe) -> Iterator[Problem]:
    name, known = loaded.recipe.devices.executor, plugins.names(EXECUTORS)
    if name not in known:
        yield loaded.problem(
            ("devices", "executor"), f"there is no executor {name!r}", value=name, known=known
        )
    elif name != CLUSTER and "address" in loaded.recipe.devices.model_fields_set:
        yield loaded.problem(
            ("devices", "address"),
            f"address is the Ray cluster's; the executor {name} has none",
            hint=f"`executor: {CLUSTER}`, or delete address",
        )


def _export_problems(loaded: LoadedRecipe) -> Iterator[Problem]:
    known = _formats()
    for index, name in enumerate(loaded.recipe.export.formats):
        if name not in known:
            yield loaded.problem(
                ("export", "formats", index),
                f"there is no export format {name!r}",
                value=name,
                known=known,
            )
    yield from _format_problems(loaded)
    methods = listed(loaded.recipe.search.space.get(METHOD))
    if loaded.recipe.export.adapter == "keep" and QUANTIZED in methods:
        yield loaded.problem(
            ("export", "adapter"),
            f"adapters by {QUANTIZED} belong to rounded weights, so they are merged",
            hint=f"`adapter: merge`, or leave {QUANTIZED} out of search.space.method",
        )
    target = loaded.recipe.export.push_to_hub
    if target is not None and (hub.parse(target) or ("", "revision"))[1] is not None:
        yield loaded.problem(
            ("export", "push_to_hub"), f"{target!r} is no hub repository", hint="write owner/name"
        )


def _format_problems(loaded: LoadedRecipe) -> Iterator[Problem]:
    """What can be told of formats without a model: packages, whole weights, code, the task."""
    export = loaded.recipe.export
    task = tasks.get(loaded.recipe.task) if loaded.recipe.task in tasks.names() else None
    for index, name in enumerate(export.formats):
        where: Location = ("export", "formats", index)
        derived = name in _weights.GRAPHS or name in _weights.TYPES
        if derived and export.adapter == "keep":
            yield loaded.problem(
                where,
                f"{name} is made of a whole model, and `adapter: keep` lets adapters leave alone",
                hint=f"`adapter: merge`, or leave {name} out",
            )
        if name not in _weights.GRAPHS:
            continue
        if absent := _weights.missing(_weights.EXPORTING):
            said = f"{name} needs {', '.join(absent)}, not installed"
            yield loaded.problem(where, said, hint=f"pip install 'automl[{_weights.EXTRA}]'")
        if task is not None and task.no_graphs:
            yield loaded.problem(
                where,
                f"{name} is not for {task.name}: {task.no_graphs}",
                hint=f"leave {name} out; bf16 and fp16 are for all tasks",
            )


def _track_problems(loaded: LoadedRecipe) -> Iterator[Problem]:
    """A tracker's module and the extra that installs it are called as the tracker is."""
    known, wish = plugins.names(TRACKERS), loaded.recipe.track
    for index, name in enumerate([wish] if isinstance(wish, str) else wish):
        where: Location = ("track",) if isinstance(wish, str) else ("track", index)
        if name not in known:
            yield loaded.problem(where, f"there is no tracker {name!r}", value=name, known=known)
        elif not plugins.is_installed(name):
            hint = f"pip install 'automl[{name}]'"
            yield loaded.problem(where, f"{name} is not installed", hint=hint)


def _formats() -> tuple[str, ...]:
    return tuple(
        name
        for name in plugins.names(EXPORTERS)
        if plugins.load(EXPORTERS, name, "EXPORTER").format
    )
