"""Rows to try a finished model on: read, checked and brought to the form that it was trained on.

Knows no recipe; what the model was trained on says which columns and classes there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from automl import tasks
from automl.data import classes, columns, forms, media, nested, relabelling, sources
from automl.data.load import public, slice_table, with_constants
from automl.data.part import SOURCE, listed, refused
from automl.data.relabelling import Names
from automl.data.rows import select
from automl.errors import DataError, Problem
from automl.tasks import Task

MOST_BAD_FILES = 0.01


@dataclass(frozen=True, slots=True)
class Again:
    """Rows with a column per role, the columns by which results are told, and notes."""

    table: pa.Table
    slices: pa.Table | None
    notes: tuple[str, ...]


def read(
    reference: str,
    folder: Path,
    task: Task,
    trained: Mapping[str, str],
    labels: Sequence[str],
    *,
    names: Names | None = None,
    slices: Sequence[str] = (),
) -> Again:
    """Return the rows of ``reference``, a source as recipes name it, relative to ``folder``.

    ``trained`` is role → column of the training data, ``labels`` the model's classes, ``names``
    what classes of the data are called. Raises DataError naming rows, for what can't be read, for
    columns that are missing and for classes that the model does not know.
    """
    reading = sources.read(reference, folder, "test", task)
    parts = [relabelling.declared(nested.opened(part), names or {}) for part in reading.parts]
    there = set(parts[0].table.column_names)
    found = {role: name if name in there else role for role, name in trained.items()}
    wanted = [*found.items(), *(("a slice", name) for name in slices)]
    if problems := [p for pair in wanted for p in columns.require(parts, dict([pair]))]:
        raise DataError(problems)
    roles = [role for role in task.roles if role.name in found]
    chosen = select(parts, roles, found, None, names, slices)
    if not chosen.table.num_rows:
        raise refused(f"{reference} has no row with text")
    looked = media.look("test", chosen.table, roles, MOST_BAD_FILES)
    table, told = _prepared(task, looked.table)
    constants = {} if task.constants is None else task.constants(found)
    _refuse_unknown(task, table, labels)
    whole = with_constants(public(table), constants)
    dropped = len(chosen.dropped) + len(chosen.left_out)
    left = [f"{dropped} rows without text, or without a class, were left out"] * bool(dropped)
    return Again(whole, slice_table(table) if slices else None, (*left, *looked.notes, *told))


def _prepared(task: Task, table: pa.Table) -> tuple[pa.Table, tuple[str, ...]]:
    if task.prepare is None:
        return table, ()
    made = task.prepare(forms.plain(table))
    if made.malformed:
        places = table[SOURCE].to_pylist()
        shown = made.malformed[: forms.MOST_SHOWN]
        raise DataError(Problem(f"{places[e.row]}: {e.rule}", hint=e.hint) for e in shown)
    return forms.stored(task, made.columns, table), made.notes


def _refuse_unknown(task: Task, table: pa.Table, labels: Sequence[str]) -> None:
    known = set(labels)
    single, several = classes.class_role(task.roles), classes.classes_role(task.roles)
    held: set[str] = set()
    if task.classes is not None:
        held = set(task.classes(forms.plain(table)))
    elif several is not None and several in table.column_names:
        held = {name for names in table[several].to_pylist() for name in names or ()}
    elif single is not None and single in table.column_names:
        held = set(table[single].to_pylist())
    if known and (unknown := sorted(held - known)):
        raise refused(
            f"the model does not know {len(unknown)} of the classes: {listed(unknown)}",
            f"it knows: {listed(sorted(known))}",
        )


def narrowed(task: Task, trained: Mapping[str, str]) -> Task:
    """Return the task for rows with the roles that were trained on."""
    return tasks.narrowed(task, list(trained))
