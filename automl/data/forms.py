"""Rows as their task wants them stored: checked, brought to one form. Knows no file format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from automl.data.arrays import strings
from automl.data.nested import LISTS
from automl.data.part import OWN, SOURCE
from automl.errors import DataError, Problem
from automl.recipe.loaded import LoadedRecipe
from automl.tasks import Kind, Malformed, Task

MOST_SHOWN = 20
"""Malformed rows that are told one by one."""


def prepare(
    loaded: LoadedRecipe, task: Task, given: Mapping[str, pa.Table]
) -> tuple[dict[str, pa.Table], tuple[str, ...]]:
    """Return each split's rows in the task's form, and what a person should know of them.

    Raises DataError naming each malformed row, at the split's place in the recipe.
    """
    if task.prepare is None:
        return dict(given), ()
    found: dict[str, pa.Table] = {}
    notes: list[str] = []
    problems: list[Problem] = []
    for split, table in given.items():
        prepared = task.prepare(plain(table))
        problems += _problems(loaded, split, table[SOURCE].to_pylist(), prepared.malformed)
        notes += [f"{split}: {note}" for note in prepared.notes]
        if not prepared.malformed:
            found[split] = stored(task, prepared.columns, table)
    if problems:
        raise DataError(problems)
    return found, tuple(notes)


def plain(table: pa.Table) -> dict[str, list[object]]:
    """Return the values of the rows by role."""
    roles = [name for name in table.column_names if not name.startswith(OWN)]
    plain: dict[str, list[object]] = table.select(roles).to_pydict()
    return plain


def _problems(
    loaded: LoadedRecipe, split: str, sources: Sequence[str], malformed: Sequence[Malformed]
) -> list[Problem]:
    place = loaded.place(("data", split))
    problems = [
        Problem(f"{sources[each.row]}: {each.rule}", hint=each.hint, place=place)
        for each in malformed[:MOST_SHOWN]
    ]
    if len(malformed) > MOST_SHOWN:
        more = f"{split} has {len(malformed) - MOST_SHOWN} more malformed rows"
        problems.append(Problem(more, place=place))
    return problems


def stored(task: Task, columns: Mapping[str, Sequence[object]], read: pa.Table) -> pa.Table:
    """Return the columns as a table, with those of ``read`` that belong to no role."""
    kinds = {role.name: role.kind for role in task.roles}
    stored = {name: _array(kinds[name], values) for name, values in columns.items()}
    for name in read.column_names:
        if name.startswith(OWN):
            stored[name] = read[name]
    return pa.table(stored)


def _array(kind: Kind, values: Sequence[object]) -> pa.Array:
    if kind in ("texts", "classes"):
        return pa.array(values, type=LISTS)
    if kind == "number":
        return pa.array(values, type=pa.float64())
    return strings(values)  # type: ignore[arg-type]  # every other kind is stored as text
