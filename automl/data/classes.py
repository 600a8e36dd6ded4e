"""The classes in the rows of all splits: their order, and what is wrong about them, at its place.

Knows the recipe's data section; reads no file and draws no split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pyarrow as pa

from automl.data import labels, nested
from automl.data.part import SOURCE, Part, listed
from automl.errors import DataError, Problem
from automl.recipe.loaded import LoadedRecipe, Location
from automl.tasks import Role, Task


@contextmanager
def placed(loaded: LoadedRecipe, location: Location) -> Iterator[None]:
    """Give problems raised inside, where they have no place yet, the place of ``location``."""
    try:
        yield
    except DataError as error:
        place = loaded.place(location)
        raise DataError(
            replace(problem, place=problem.place or place) for problem in error.problems
        ) from error


def class_role(roles: Sequence[Role]) -> str | None:
    """Return the role of one class a row; None where there is none."""
    return next((role.name for role in roles if role.kind == "class"), None)


def classes_role(roles: Sequence[Role]) -> str | None:
    """Return the role of several classes a row; None where there is none."""
    return next((role.name for role in roles if role.kind == "classes"), None)


def names_of_nothing(
    loaded: LoadedRecipe,
    roles: Sequence[Role],
    tables: Mapping[str, pa.Table],
    renamed: Counter[str],
) -> list[Problem]:
    """Return a problem for each class of ``data.labels`` that no row has."""
    idle = [name for name in loaded.recipe.data.labels if name and not renamed[name]]
    if not idle:
        return []
    role = class_role(roles) or classes_role(roles)
    if role is None:
        place = ("data", "labels")
        return [loaded.problem(place, "the task has no classes", hint="remove data.labels")]
    several = class_role(roles) is None
    each = (nested.exploded(table, role) if several else table for table in tables.values())
    known = tuple(sorted({name for table in each for name in table[role].unique().to_pylist()}))
    return [
        loaded.problem(("data", "labels", name), f"no row has the class {name!r}",
                       value=name, known=known)
        for name in idle
    ]  # fmt: skip


def check_labels(
    loaded: LoadedRecipe,
    roles: Sequence[Role],
    found: Mapping[str, str],
    given: Mapping[str, pa.Table],
    parts: Sequence[Part],
) -> None:
    """Raise DataError for classes that are misspelt, are none, or that train's rows have not."""
    role = class_role(roles) or classes_role(roles)
    if role is None:
        return
    column = found.get(role, role)
    if class_role(roles) is None:
        given = {split: nested.exploded(table, role, SOURCE) for split, table in given.items()}
    meant = [name for name in loaded.recipe.data.labels.values() if name is not None]
    problems = labels.misspelled(given.values(), role, column, meant)
    problems += labels.unlike_classes(given["train"], role, column)
    if not problems:
        known = labels.class_order(given["train"], role, column, parts)
        problems = labels.unseen(known, given, role, column)
    if problems:
        with placed(loaded, ("data", "columns", role)):
            raise DataError(problems)


def check_said(loaded: LoadedRecipe, task: Task, tables: Mapping[str, pa.Table]) -> None:
    """Raise DataError where rows of another split hold classes that train's rows do not."""
    if task.classes is None:
        return
    held = {split: table.to_pydict() for split, table in tables.items()}
    known = set(task.classes(held["train"]))
    if not known:
        message = "no train row holds any class: there is nothing to learn"
        raise DataError(loaded.problem(("data", "train"), message))
    known.update(task.unmarked)
    problems = []
    for split, rows in held.items():
        if foreign := sorted(set(task.classes(rows)) - known):
            where = [
                place
                for row, place in enumerate(rows[SOURCE])
                if set(task.classes({k: v[row : row + 1] for k, v in rows.items()})) - known
            ]
            message = (
                f"{split} has classes that train has not: {listed(map(repr, foreign))}, in "
                f"{len(where)} rows: {listed(where, 5)}"
            )
            hint = f"add rows of them to train, or remove them from {split}"
            problems.append(loaded.problem(("data", split), message, hint=hint))
    if problems:
        raise DataError(problems)


def in_order(
    task: Task,
    roles: Sequence[Role],
    found: Mapping[str, str],
    train: pa.Table,
    parts: Sequence[Part],
) -> tuple[str, ...]:
    """Return the classes of the model's outputs, in their order."""
    if task.classes is not None:
        return task.classes(train.to_pydict())
    role = classes_role(roles)
    if role is None:
        return _classes(roles, found, train, parts)
    each = nested.exploded(train, role)
    return labels.class_order(each, role, found.get(role, role), parts)


def _classes(
    roles: Sequence[Role], found: Mapping[str, str], train: pa.Table, parts: Sequence[Part]
) -> tuple[str, ...]:
    role = class_role(roles)
    if role is None:
        return ()
    return labels.class_order(train, role, found[role], parts)


def unused_note(
    roles: Sequence[Role], found: Mapping[str, str], train: pa.Table, parts: Sequence[Part]
) -> list[str]:
    """Return a sentence where the data declares classes of which train has no row."""
    role = class_role(roles)
    if role is None:
        return []
    known = _classes(roles, found, train, parts)
    unused = labels.unused_classes(known, found[role], parts)
    return [f"{len(unused)} declared classes have no train row: {listed(unused)}"] * bool(unused)
