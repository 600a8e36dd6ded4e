"""JSON arrays and JSON lines become rows, or an error that names the row."""

from __future__ import annotations

import gzip

import pytest

from automl.data.formats import read_file
from automl.errors import DataError
from tests.data.samples import Write, rows_of, target


def test_lines_are_numbered_by_line_and_blank_ones_skipped(write: Write) -> None:
    path = write("a.jsonl", '{"text": "x", "label": 1}\n\n{"label": 2, "text": "y"}\n')
    assert rows_of(read_file(target(path))) == [(1, "x", 1), (3, "y", 2)]


def test_array_of_objects_is_numbered_by_element(write: Write) -> None:
    path = write("a.json", '[{"text": "x"},\n\n {"text": "y", "label": "b"}]')
    assert rows_of(read_file(target(path))) == [(1, "x", None), (2, "y", "b")]


def test_json_file_of_lines_is_read_as_lines(write: Write) -> None:
    path = write("a.json", '{"text": "x\u2028y"}\n{"text": "z"}\n')
    assert rows_of(read_file(target(path))) == [(1, "x\u2028y"), (2, "z")]


def test_gzipped_lines_are_read(write: Write) -> None:
    path = write("a.ndjson.gz", gzip.compress(b'{"text": "x"}\n'))
    assert rows_of(read_file(target(path))) == [(1, "x")]


def test_bad_line_is_named_with_its_column(write: Write) -> None:
    path = write("a.jsonl", '{"text": "x"}\n{"text": oops}\n')
    with pytest.raises(DataError, match=r"a\.jsonl:2: not JSON: Expecting value at column 10"):
        read_file(target(path))


def test_bad_line_inside_an_array_is_named(write: Write) -> None:
    path = write("a.json", '[{"text": "x"},\n {"text": "y"},\n {"text" "z"}]')
    with pytest.raises(DataError, match=r"a\.json:3: not JSON"):
        read_file(target(path))


def test_row_that_is_no_object_is_named(write: Write) -> None:
    path = write("a.jsonl", '{"text": "x"}\n["y", "b"]\n')
    with pytest.raises(DataError, match=r"a\.jsonl:2: a row is an object, this is a list"):
        read_file(target(path))


def test_column_of_mixed_types_is_remembered_with_both_rows(write: Write) -> None:
    path = write("a.jsonl", '{"t": "x", "l": 1}\n{"t": "y", "l": null}\n{"t": "z", "l": "b"}\n')
    part = read_file(target(path))
    assert part.mixed == {"l": "a.jsonl:3: 'l' is text where row 1 has a number"}
    assert part.table["t"].to_pylist() == ["x", "y", "z"]


def test_half_a_surrogate_pair_is_named(write: Write) -> None:
    path = write("a.jsonl", '{"t": "x"}\n{"t": "\\ud800"}\n')
    assert "a.jsonl:2" in read_file(target(path)).mixed["t"]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize("content", ["", " \n"])
def test_empty_file_is_an_error(write: Write, name: str, content: str) -> None:
    with pytest.raises(DataError, match="is empty"):
        read_file(target(write(name, content)))


def test_deep_nesting_is_an_error_and_no_crash(write: Write) -> None:
    path = write("a.json", "[" * 200_000)
    with pytest.raises(DataError, match="nested too deeply"):
        read_file(target(path))


def test_questions_nested_as_in_squad_become_a_row_each(write: Write) -> None:
    answer = '{"text": "Oslo", "answer_start": 3}'
    path = write(
        "a.json",
        '{"version": "v2", "data": [{"title": "T", "paragraphs": [{"context": "in Oslo", "qas": ['
        f'{{"id": "1", "question": "Where?", "answers": [{answer}]}},'
        f'{{"id": "2", "question": "Why?", "is_impossible": true, "answers": [{answer}]}}]}}]}}]}}',
    )
    part = read_file(target(path))
    assert part.table.column_names == ["id", "title", "context", "question", "answers"]
    assert [row[-1] for row in rows_of(part)] == [
        {"text": ["Oslo"], "answer_start": [3]},
        {"text": [], "answer_start": []},
    ]


def test_questions_nested_in_another_way_are_named_by_article(write: Write) -> None:
    path = write("a.json", '{"data": [{"paragraphs": [{"qas": [{"question": "Where?"}]}]}]}')
    with pytest.raises(DataError, match=r"a\.json: article 1 is not nested as in SQuAD: KeyError"):
        read_file(target(path))
