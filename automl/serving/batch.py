"""Answers for a stream of rows: each row's values, what the predictor says, kept together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice, repeat, tee
from typing import Any

from automl.errors import DataError, RowError
from automl.serving.output import Answer
from automl.serving.predict import Predictor
from automl.serving.rows import Row, nested, text, text_column
from automl.tasks import Role


def label(
    predictor: Predictor,
    rows: Iterable[Row],
    *,
    column: str | None = None,
    pair_column: str | None = None,
    batch_size: int = 1,
    top: int = 1,
) -> Iterator[Answer]:
    """Yield each row with its prediction, in order; a row that lacks a text has None.

    Columns are found as in ``rows.text_column`` when they are left out; ``pair_column`` is that of
    the second text, where the bundle was trained on pairs. Raises DataError for no rows at all, a
    missing column, and a row that cannot be read.
    """
    stream = iter(rows)
    first = next(stream, None)
    if first is None:
        raise DataError("there is nothing to predict: the input holds no rows")
    columns = _columns(predictor, first, column, pair_column)
    mine, theirs = tee((row, _input(row, columns)) for row in chain([first], stream))
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
        yield row, answer


def _columns(
    predictor: Predictor, first: Row, column: str | None, pair: str | None
) -> dict[Role, str]:
    """Return the columns of what the bundle was trained to be given, by role.

    What may be left out is looked for by the names that it is known by.
    """
    info = predictor.info
    roles = [
        role
        for role in predictor.task.inputs
        if role.asked != "never" and (role.required or role.name in info.columns)
    ]
    if pair is not None and len(roles) == 1:
        raise DataError("the bundle was trained on single texts: there is no second column")
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


def _input(row: Row, columns: Mapping[Role, str]) -> dict[str, Any] | None:
    """Return the row's values by role; None where one of its texts is empty."""
    found = {role.name: _value(row, role, column) for role, column in columns.items()}
    return None if None in found.values() else found


def _value(row: Row, role: Role, column: str) -> Any:
    if role.kind == "text":
        return text(row, column)
    return nested(row, column, listed=role.kind in ("texts", "classes"))
