"""Predictions as lines: each input row with its label and score. Knows no model, no input file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

from automl import documents
from automl.errors import DataError
from automl.serving.predict import Prediction
from automl.serving.rows import Row

FORMATS = ("jsonl", "csv")
Answer = tuple[Row, Prediction | None]
"""A row and its prediction; None where the row has no text."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names of the columns that are added: a column of the input keeps its own."""

    label: str
    score: str
    scores: str

    @classmethod
    def beside(cls, columns: Iterable[str]) -> Names:
        """Return ``label``, ``score``, ``scores``; with ``predicted_`` where the input has one."""
        plain = ("label", "score", "scores")
        taken = not set(plain).isdisjoint(columns)
        return cls(*(f"predicted_{name}" if taken else name for name in plain))


def write(answers: Iterable[Answer], stream: IO[str], format: str, top: int) -> Iterator[Answer]:
    """Write each answer to ``stream`` as soon as it is there, and yield it.

    ``format`` is one of ``FORMATS``. With ``top`` above 1, jsonl has an object of class → score,
    csv further pairs of columns ``label_2``, ``score_2``. Raises DataError naming the row whose
    columns do not go with the first row's.
    """
    yield from (_jsonl(answers, stream) if format == "jsonl" else _csv(answers, stream, top))


@contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """Yield a text stream whose content becomes ``path`` when all went well, and only then."""
    with documents.replacing(path.absolute()) as stream:
        text = TextIOWrapper(stream, encoding="utf-8", newline="")
        try:
            yield text
        finally:
            text.detach()


def _jsonl(answers: Iterable[Answer], stream: IO[str]) -> Iterator[Answer]:
    names: Names | None = None
    for row, prediction in answers:
        names = names or Names.beside(row.columns)
        added: dict[str, Any] = {
            names.label: prediction["label"] if prediction else None,
            names.score: prediction["score"] if prediction else None,
        }
        if prediction and "scores" in prediction:
            added[names.scores] = prediction["scores"]
        _refuse_taken(row, added)
        stream.write(json.dumps({**row.columns, **added}, ensure_ascii=False) + "\n")
        yield row, prediction


def _csv(answers: Iterable[Answer], stream: IO[str], top: int) -> Iterator[Answer]:
    writer: csv.DictWriter[str] | None = None
    names = Names.beside(())
    for row, prediction in answers:
        if writer is None:
            names = Names.beside(row.columns)
            header = [*row.columns, *_headings(names, top)]
            writer = csv.DictWriter(stream, header, lineterminator="\n")
            writer.writeheader()
        added = dict(zip(_headings(names, top), _cells(prediction), strict=False))
        _refuse_taken(row, added)
        unknown = [name for name in row.columns if name not in writer.fieldnames]
        if unknown:
            raise DataError(f"{row.place}: {unknown[0]!r} is not a column of the first row")
        writer.writerow({**_flat(row.columns), **added})
        yield row, prediction


def _headings(names: Names, top: int) -> list[str]:
    further = (
        f"{name}_{rank}" for rank in range(2, top + 1) for name in (names.label, names.score)
    )
    return [names.label, names.score, *further]


def _cells(prediction: Prediction | None) -> list[str | float]:
    if prediction is None:
        return []
    if "scores" not in prediction:
        return [prediction["label"], prediction["score"]]
    return [cell for pair in prediction["scores"].items() for cell in pair]


def _flat(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value
        for name, value in columns.items()
    }


def _refuse_taken(row: Row, added: Mapping[str, Any]) -> None:
    taken = [name for name in added if name in row.columns]
    if taken:
        raise DataError(f"{row.place}: has a column {taken[0]!r}, which the first row has not")
