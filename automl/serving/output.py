"""Predictions as lines: each input row with what is said of it. Knows no model, no input file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import IO, Any

from automl import documents
from automl.errors import DataError
from automl.serving.rows import Row

FORMATS = ("jsonl", "csv")
Answer = tuple[Row, Mapping[str, Any] | None]
"""A row and what is said of it; None where the row has no text."""
SCORES = "scores"


@dataclass(frozen=True, slots=True)
class Names:
    """Names of the columns that are added: a column of the input keeps its own."""

    of: Mapping[str, str]

    @classmethod
    def beside(cls, columns: Iterable[str], says: Sequence[str]) -> Names:
        """Return what is said by its own names; with ``predicted_`` where the input has one."""
        plain = (*says, SCORES)
        taken = not set(plain).isdisjoint(columns)
        return cls({name: f"predicted_{name}" if taken else name for name in plain})


def write(
    answers: Iterable[Answer],
    stream: IO[str],
    format: str,
    top: int,
    says: Sequence[str] = ("label", "score"),
) -> Iterator[Answer]:
    """Write each answer, whose keys are ``says``, to ``stream`` as soon as it is there; yield it.

    Where answers have some of them only, the first one decides. ``format`` is one of ``FORMATS``.
    With ``top`` above 1, jsonl has an object of class → score, csv further pairs of columns
    ``label_2``, ``score_2``. Raises DataError naming the row whose columns do not go with the
    first row's.
    """
    answers, says = _said(answers, says)
    made = _jsonl(answers, stream, says) if format == "jsonl" else _csv(answers, stream, top, says)
    yield from made


def _said(answers: Iterable[Answer], says: Sequence[str]) -> tuple[Iterable[Answer], Sequence[str]]:
    """Return the answers, and which of ``says`` they have: what the first one has that is one."""
    stream, begun = iter(answers), []
    for each in stream:
        begun.append(each)
        if each[1] is not None:
            says = [key for key in says if key in each[1]]
            break
    return chain(begun, stream), says


@contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """Yield a text stream whose content becomes ``path`` when all went well, and only then."""
    with documents.replacing(path.absolute()) as stream:
        text = TextIOWrapper(stream, encoding="utf-8", newline="")
        try:
            yield text
        finally:
            text.detach()


def _jsonl(answers: Iterable[Answer], stream: IO[str], says: Sequence[str]) -> Iterator[Answer]:
    names: Names | None = None
    for row, answer in answers:
        names = names or Names.beside(row.columns, says)
        added = {names.of[key]: answer[key] if answer else None for key in says}
        if answer and SCORES in answer and SCORES not in says:
            added[names.of[SCORES]] = answer[SCORES]
        _refuse_taken(row, added)
        stream.write(json.dumps({**row.columns, **added}, ensure_ascii=False) + "\n")
        yield row, answer


def _csv(
    answers: Iterable[Answer], stream: IO[str], top: int, says: Sequence[str]
) -> Iterator[Answer]:
    writer: csv.DictWriter[str] | None = None
    headings: list[str] = []
    for row, answer in answers:
        if writer is None:
            headings = _headings(Names.beside(row.columns, says), says, top)
            writer = csv.DictWriter(stream, [*row.columns, *headings], lineterminator="\n")
            writer.writeheader()
        added = dict(zip(headings, _cells(answer, says), strict=False))
        _refuse_taken(row, added)
        unknown = [name for name in row.columns if name not in writer.fieldnames]
        if unknown:
            raise DataError(f"{row.place}: {unknown[0]!r} is not a column of the first row")
        writer.writerow({**_flat(row.columns), **_flat(added)})
        yield row, answer


def _headings(names: Names, says: Sequence[str], top: int) -> list[str]:
    ranks = range(2, 1 if SCORES in says else top + 1)
    further = (f"{names.of[key]}_{rank}" for rank in ranks for key in says)
    return [*(names.of[key] for key in says), *further]


def _cells(answer: Mapping[str, Any] | None, says: Sequence[str]) -> list[Any]:
    if answer is None:
        return []
    if SCORES not in answer or SCORES in says:
        return [answer[key] for key in says]
    return [cell for pair in answer[SCORES].items() for cell in pair]


def _flat(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value
        for name, value in columns.items()
    }


def _refuse_taken(row: Row, added: Mapping[str, Any]) -> None:
    taken = [name for name in added if name in row.columns]
    if taken:
        raise DataError(f"{row.place}: has a column {taken[0]!r}, which the first row has not")
