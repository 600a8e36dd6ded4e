"""Labels for a stream of rows: finds each row's text, asks the predictor, keeps them together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, tee

from automl import tasks
from automl.errors import DataError
from automl.serving.output import Answer
from automl.serving.predict import Predictor
from automl.serving.rows import Row, text, text_column


def label(
    predictor: Predictor,
    rows: Iterable[Row],
    *,
    column: str | None = None,
    batch_size: int = 1,
    top: int = 1,
) -> Iterator[Answer]:
    """Yield each row with its prediction, in order; a row without text has None.

    ``column`` is found as in ``rows.text_column`` when it is left out. Raises DataError for no
    rows at all, a missing column, and a row that cannot be read.
    """
    stream = iter(rows)
    first = next(stream, None)
    if first is None:
        raise DataError("there is nothing to predict: the input holds no rows")
    info = predictor.info
    role = next(role for role in tasks.get(info.task).roles if role.kind == "text")
    trained = info.columns.get(role.name, role.name)
    column = text_column(first, column, trained, (role.name, *role.conventional))
    mine, theirs = tee((row, text(row, column)) for row in chain([first], stream))
    answers = predictor.predict(
        (found for _, found in mine if found is not None), batch_size=batch_size, top=top
    )
    for row, found in theirs:
        yield row, None if found is None else next(answers)
