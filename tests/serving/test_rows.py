"""Rows come as they were written, with where they were read."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest

from automl.errors import DataError
from automl.serving.rows import Row, read, text, text_column


def rows(folder: Path, name: str, content: str | bytes, format: str | None = None) -> list[Row]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read(path, format))


def test_csv_rows_know_their_line_also_after_a_quoted_line_break(tmp_path):
    found = rows(tmp_path, "a.csv", 'id,text\n1,"two\nlines"\n2,one\n')
    assert found == [
        Row("a.csv:2", {"id": "1", "text": "two\nlines"}),
        Row("a.csv:4", {"id": "2", "text": "one"}),
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "id\ttext\n1\thello\n"),
        ("a.jsonl", '{"id": "1", "text": "hello"}\n\n'),
        ("a.ndjson", '{"id": "1", "text": "hello"}'),
        ("a.json", '[{"id": "1", "text": "hello"}]'),
        ("a.csv", b"\xef\xbb\xbfid,text\r\n1,hello\r\n"),
        ("a.csv", "id,text\n1,hello\n".encode("utf-16")),
        ("a.csv.gz", gzip.compress(b"id,text\n1,hello\n", mtime=0)),
    ],
)
def test_every_format_gives_the_same_row(tmp_path, name, content):
    (found,) = rows(tmp_path, name, content)
    assert found.columns == {"id": "1", "text": "hello"}


def test_a_text_file_has_one_text_a_line_blank_ones_too(tmp_path):
    found = rows(tmp_path, "a.txt", "one\n\nthree")
    assert [row.columns["text"] for row in found] == ["one", "", "three"]


def test_json_may_be_bare_texts(tmp_path):
    assert rows(tmp_path, "a.json", '["one"]')[0].columns == {"text": "one"}
    assert rows(tmp_path, "a.jsonl", '"one"\n')[0].columns == {"text": "one"}


def test_a_named_format_counts_more_than_the_file_name(tmp_path):
    assert rows(tmp_path, "a.dat", "id,text\n1,hello\n", "csv")[0].columns["text"] == "hello"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "id,text\n1,a\n1,b,c\n", "a.csv:3: 3 fields where the header names 2"),
        ("a.csv", 'id,text\n1,"open\n', "a.csv:"),
        ("a.csv", "id,id\n1,2\n", "a.csv:1: column 'id' is named twice"),
        ("a.jsonl", '{"text": "a"}\n{"text": \n', "a.jsonl:2: not JSON"),
        ("a.jsonl", '{"text": "a"}\n7\n', "a.jsonl:2: a row is an object"),
        ("a.json", '{"text": "a"}', "a json file holds an array"),
        ("a.json", "[" * 100_000, "not JSON"),
        ("a.txt", b"caf\xe9", "a.txt: not UTF-8 text"),
        ("a.parquet", b"PAR1", "'parquet' is not a format known here"),
        ("tickets", "hello", "'no suffix' is not a format known here"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(tmp_path, name, content, said):
    with pytest.raises(DataError) as caught:
        rows(tmp_path, name, content)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b'{"text": "hello"}\n', "hello"), (b"hello\n", "hello"), (b" \n", " ")],
)
def test_standard_input_is_json_lines_or_lines(monkeypatch, content, expected):
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(content)))
    monkeypatch.setattr(sys, "stdin", stdin)
    (row,) = read(Path("-"))
    assert row.columns["text"] == expected


def test_an_empty_file_has_no_rows(tmp_path):
    for name in ("a.csv", "a.jsonl", "a.json", "a.txt"):
        assert rows(tmp_path, name, "") == []


ROW = Row("a.csv:2", {"id": "1", "body": "hello", "message": "x"})


def test_the_column_of_the_training_data_is_preferred():
    assert text_column(ROW, None, "body", ("text", "message")) == "body"
    assert text_column(ROW, "id", "body", ()) == "id"


def test_else_a_usual_name_or_the_only_column_will_do():
    assert text_column(ROW, None, "question", ("text", "message")) == "message"
    assert text_column(Row("a.csv:2", {"q": "x"}), None, "question", ()) == "q"


def test_a_missing_column_is_refused_with_the_nearest():
    with pytest.raises(DataError, match="did you mean 'body'") as caught:
        text_column(ROW, "bodi", "text", ())
    assert "'id', 'body', 'message'" in str(caught.value)
    with pytest.raises(DataError, match="name it: --column id"):
        text_column(ROW, None, "question", ())


@pytest.mark.parametrize(
    ("value", "expected"), [("hi", "hi"), (7, "7"), (None, None), ("", None), (" \t", None)]
)
def test_a_row_without_text_has_none(value, expected):
    assert text(Row("a:1", {"text": value}), "text") == expected


def test_a_value_that_is_no_text_is_refused():
    with pytest.raises(DataError, match=r"a:1: 'text' holds \[1, 2\], not a text"):
        text(Row("a:1", {"text": [1, 2]}), "text")
    with pytest.raises(DataError, match="a:1: this row has no 'text'"):
        text(Row("a:1", {"body": "x"}), "text")
