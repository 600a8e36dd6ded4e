"""Predictions are written beside what was read, and a file is whole or not there."""

from __future__ import annotations

import csv
import io
import json

import pytest

from automl.errors import DataError
from automl.serving.output import replacing, write
from automl.serving.rows import Row

HAM = {"label": "ham", "score": 0.75, "scores": {"ham": 0.75, "spam": 0.25}}

LATE = (Row("a:2", {"text": "hi", "note": "x"}), HAM)
"""A row with a column that no header can still name."""


def jsonl(*answers, top=1):
    stream = io.StringIO()
    list(write(answers, stream, "jsonl", top))
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def table(*answers, top=1):
    stream = io.StringIO()
    list(write(answers, stream, "csv", top))
    return list(csv.DictReader(io.StringIO(stream.getvalue())))


def test_the_columns_of_the_input_are_kept():
    answer = (Row("a:1", {"id": 7, "text": "hi"}), {"label": "ham", "score": 0.75})
    assert jsonl(answer) == [{"id": 7, "text": "hi", "label": "ham", "score": 0.75}]
    assert table(answer) == [{"id": "7", "text": "hi", "label": "ham", "score": "0.75"}]


def test_scores_of_more_classes_are_added():
    answer = (Row("a:1", {"text": "hi"}), HAM)
    assert jsonl(answer, top=2)[0]["scores"] == {"ham": 0.75, "spam": 0.25}
    (row,) = table(answer, top=2)
    assert (row["label"], row["label_2"], row["score_2"]) == ("ham", "spam", "0.25")


def test_a_label_in_the_input_is_not_overwritten():
    answer = (Row("a:1", {"text": "hi", "label": "spam"}), HAM)
    for (row,) in (jsonl(answer), table(answer)):
        assert (row["label"], row["predicted_label"]) == ("spam", "ham")


def test_a_row_without_text_has_no_label():
    answers = (Row("a:1", {"text": ""}), None), (Row("a:2", {"text": "hi"}), HAM)
    assert jsonl(*answers)[0] == {"text": "", "label": None, "score": None}
    assert table(*answers)[0] == {"text": "", "label": "", "score": ""}


def test_columns_that_come_late_are_refused_with_their_row():
    first = (Row("a:1", {"text": "hi"}), HAM)
    with pytest.raises(DataError, match="a:2: has a column 'label'"):
        jsonl(first, (Row("a:2", {"text": "hi", "label": "x"}), HAM))
    with pytest.raises(DataError, match="a:2: 'note' is not a column of the first row"):
        table(first, (Row("a:2", {"text": "hi", "note": "x"}), HAM))


def test_nested_values_survive_in_csv_as_json():
    (row,) = table((Row("a:1", {"text": "hi", "tags": ["a", "b"]}), HAM))
    assert json.loads(row["tags"]) == ["a", "b"]


def test_each_line_is_written_when_its_answer_is_there():
    stream = io.StringIO()
    answers = write(iter([(Row("a:1", {"text": "hi"}), HAM)] * 2), stream, "jsonl", 1)
    next(answers)
    assert stream.getvalue().count("\n") == 1


def test_a_file_appears_whole_or_keeps_what_it_held(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(DataError), replacing(path) as stream:
        list(write([(Row("a:1", {"text": "hi"}), HAM), LATE], stream, "csv", 1))
    assert path.read_text() == "old"
    with replacing(path) as stream:
        stream.write("new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in tmp_path.iterdir()] == ["out.csv"]
