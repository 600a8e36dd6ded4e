"""Labels for a stream of rows: finds each row's texts, asks the predictor, keeps them together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, tee

from automl import tasks
from automl.errors import DataError
from automl.serving.output import Answer
from automl.serving.predict import Pair, Predictor
from automl.serving.rows import Row, text, text_column


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
        yield row, None if found is None else next(answers)


def _columns(predictor: Predictor, first: Row, column: str | None, pair: str | None) -> list[str]:
    """Return the columns of the text, or of the two texts, that the bundle was trained on."""
    info = predictor.info
    roles = [role for role in tasks.get(info.task).roles if role.kind == "text"]
    roles = [role for role in roles if role.required or role.name in info.columns]
    if pair is not None and len(roles) == 1:
        raise DataError("the bundle was trained on single texts: there is no second column")
    found: list[str] = []
    wishes = ((column, "--column"), (pair, "--pair-column"))
    for role, (wanted, option) in zip(roles, wishes, strict=False):
        trained = info.columns.get(role.name, role.name)
        usual = (role.name, *role.conventional)
        found.append(text_column(first, wanted, trained, usual, taken=found, option=option))
    return found


def _input(row: Row, columns: list[str]) -> str | Pair | None:
    texts = [text(row, column) for column in columns]
    match texts:
        case [str(one)]:
            return one
        case [str(one), str(other)]:
            return Pair(text=one, text_pair=other)
    return None
