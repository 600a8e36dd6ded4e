"""Answers for a stream of rows: each row's values, what the predictor says, kept together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice, repeat, tee
from typing import Any

from automl.errors import DataError, RowError
from automl.serving.output import Answer
from automl.serving.predict import Predictor
from automl.serving.rows import PAIR, TEXT, Row, file, nested, text, text_column
from automl.tasks import MEDIA, Role, _images, _sounds


def label(
    predictor: Predictor,
    rows: Iterable[Row],
    *,
    column: str | None = None,
    pair_column: str | None = None,
    batch_size: int = 1,
    top: int = 1,
    on_fault: Callable[[str], None] = lambda said: None,
    listen: Callable[[Mapping[str, Any], Mapping[str, Any]], None] = lambda values, said: None,
) -> Iterator[Answer]:
    """Yield each row with its prediction, in order; a row that lacks a text has None.

    So has a row whose file can't be read; ``on_fault`` hears why. ``listen`` hears the values by
    role that were looked at, and the answer.

    Columns are found as in ``rows.text_column`` when they are left out; ``pair_column`` is that of
    the second text, where the bundle was trained on pairs. Raises DataError for no rows at all, a
    missing column, and a row that cannot be read.
    """
    stream = iter(rows)
    first = next(stream, None)
    if first is None:
        raise DataError("there is nothing to predict: the input holds no rows")
    columns = _columns(predictor, first, column, pair_column)
    values = ((row, _input(row, columns, on_fault)) for row in chain([first], stream))
    mine, theirs = tee(values)
    answers = predictor.predict(
        (found for _, found in mine if found is not None), batch_size=batch_size, top=top
    )
    for row, found in theirs:
        try:
            answer = None if found is None else next(answers)
        except RowError as error:
            batch = chain([row], (later for later, held in theirs if held is not None))
            where = next(islice(batch, error.row, None)).place
            problems = (
                replace(each, message=f"{where}: {each.message}") for each in error.problems
            )
            raise DataError(problems) from error
        if found is not None and answer is not None:
            listen(found, answer)
        yield row, answer


def given(
    predictor: Predictor,
    rows: Iterable[Row],
    *,
    column: str | None = None,
    pair_column: str | None = None,
    on_fault: Callable[[str], None] = lambda said: None,
) -> Iterator[Mapping[str, Any] | None]:
    """Yield each row's values by role, as ``label`` finds them; None where one is missing."""
    stream = iter(rows)
    first = next(stream, None)
    if first is None:
        raise DataError("there is nothing to look at: the input holds no rows")
    columns = _columns(predictor, first, column, pair_column)
    yield from (_input(row, columns, on_fault) for row in chain([first], stream))


def _columns(
    predictor: Predictor, first: Row, column: str | None, pair: str | None
) -> dict[Role, str]:
    """Return the columns of what the bundle was trained to be given, by role.

    What may be left out is looked for by the names that it is known by.
    """
    info = predictor.info
    roles = list(_roles(predictor, first, column))
    if pair is not None and len(roles) == 1:
        raise DataError("the bundle was trained on single texts: there is no second column")
    two = len(roles) == 2 and roles[0].name != TEXT and all(r.kind == "text" for r in roles)
    if two and set(first.columns) == {TEXT, PAIR} and column is None and pair is None:
        return dict(zip(roles, (TEXT, PAIR), strict=True))  # two texts without names of their own
    found: dict[Role, str] = {}
    wishes = chain(((column, "--column"), (pair, "--pair-column")), repeat((None, "a column of")))
    for role, (wanted, option) in zip(roles, wishes, strict=False):
        trained = info.columns.get(role.name, role.name)
        usual = (role.name, *role.conventional)
        taken = list(found.values())
        if role.asked == "optional" and not wanted and not {trained, *usual} & set(first.columns):
            continue
        found[role] = text_column(first, wanted, trained, usual, taken=taken, option=option)
    return found


def _roles(predictor: Predictor, first: Row, column: str | None) -> Iterator[Role]:
    """Yield the roles to be given: of such as stand in for each other, those that are there."""
    task, trained = predictor.task, predictor.info.columns
    if task.asks:
        yield from (each for each in task.asks if each.required or _has(each, first, trained))
        return
    for role in predictor.roles:
        if role.instead_of or role.asked == "never":
            continue
        several = [role, *(each for each in task.inputs if each.instead_of == role.name)]
        if column is not None and column in first.columns and len(several) > 1:
            is_list = isinstance(first.columns[column], list)
            several = [each for each in several if is_list == (each.kind == "texts")]
            yield several[0] if several else role
            continue
        there = [each for each in several if _is_there(each, first, trained)]
        known = [each for each in there if each.name in trained]
        found = known or there or [role]
        yield from found[:1] if role in found else found


def _has(role: Role, first: Row, trained: Mapping[str, str]) -> bool:
    """Whether the row has a column of the role's own name or that of the training data."""
    return role.name in first.columns or trained.get(role.name) in first.columns


def _is_there(role: Role, first: Row, trained: Mapping[str, str]) -> bool:
    usual = (trained.get(role.name, role.name), role.name, *role.conventional)
    return any(name in first.columns for name in usual)


def _input(
    row: Row, columns: Mapping[Role, str], on_fault: Callable[[str], None]
) -> dict[str, Any] | None:
    """Return the row's values by role; None where one of its texts is empty.

    Of several that stand in for one, some may be empty, but not all.
    """
    found = {role.name: _value(row, role, column, on_fault) for role, column in columns.items()}
    for role in columns:
        spare = role.kind == "json" and not role.required and not role.instead_of
        if spare and found[role.name] is None:
            found[role.name] = '""'
    several = [role.name for role in columns if role.instead_of]
    if several and all(found[name] is None for name in several):
        return None
    needed = (value for name, value in found.items() if name not in several)
    return None if any(value is None for value in needed) else found


def _value(row: Row, role: Role, column: str, on_fault: Callable[[str], None]) -> Any:
    if role.kind in MEDIA:
        return _readable(row, role, column, on_fault)
    if role.kind == "text":
        return text(row, column)
    return nested(row, column, listed=role.kind in ("texts", "classes"))


def _readable(row: Row, role: Role, column: str, on_fault: Callable[[str], None]) -> Any:
    """Return the row's picture, opened, or its sound's path; None where it can't be read."""
    path = file(row, column)
    if path is None:
        return None
    try:
        if role.kind == "image":
            return _images.opened(path)
        fault = _sounds.looked_at(path).fault
    except DataError as error:
        fault = str(error)
    if fault is None:
        return path
    on_fault(f"{row.place}: {fault}")
    return None
