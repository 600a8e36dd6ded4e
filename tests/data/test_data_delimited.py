"""Comma- and tab-separated files are read as the text they are."""

from __future__ import annotations

import codecs
import gzip

import pytest

from automl.data.delimited import CHUNK
from automl.data.formats import read_file
from automl.errors import DataError
from tests.data.samples import Write, rows_of, target


def test_values_that_look_like_nulls_and_numbers_stay_text(write: Write) -> None:
    path = write("a.csv", "text,label\nNA,01\nnull,1e5\nNone,\n,007\n")
    assert rows_of(read_file(target(path))) == [
        (2, "NA", "01"),
        (3, "null", "1e5"),
        (4, "None", ""),
        (5, "", "007"),
    ]


def test_rows_are_numbered_by_the_line_they_begin_on(write: Write) -> None:
    path = write("a.csv", 'text,label\n"two\nlines",a\n\nplain,b\n"x\r\ny\nz",c\nlast,d')
    found = rows_of(read_file(target(path)))
    assert [(row[0], row[2]) for row in found] == [(2, "a"), (5, "b"), (6, "c"), (9, "d")]
    assert found[0][1] == "two\nlines"
    assert found[2][1] == "x\r\ny\nz"


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, b""])
def test_byte_order_mark_is_not_part_of_the_first_name(write: Write, mark: bytes) -> None:
    path = write("a.csv", mark + "text,label\nhé,a\n".encode())
    assert read_file(target(path)).table.column_names == ["text", "label"]


def test_utf16_with_byte_order_mark_is_read(write: Write) -> None:
    path = write("a.csv", "text,label\nhé,a\n".encode("utf-16"))
    assert rows_of(read_file(target(path))) == [(2, "hé", "a")]


def test_tabs_separate_tsv_and_commas_are_text_there(write: Write) -> None:
    path = write("a.tsv", "text\tlabel\none, two\ta\n")
    assert rows_of(read_file(target(path))) == [(2, "one, two", "a")]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_in_the_header_is_found(write: Write, separator: str) -> None:
    path = write("a.csv", f"text{separator}label\none, two{separator}a\n")
    assert rows_of(read_file(target(path))) == [(2, "one, two", "a")]


def test_gzipped_csv_is_read(write: Write) -> None:
    path = write("a.csv.gz", gzip.compress(b"text,label\nhi,a\n"))
    assert rows_of(read_file(target(path))) == [(2, "hi", "a")]


def test_truncated_gzip_is_an_error_that_names_the_file(write: Write) -> None:
    path = write("a.csv.gz", gzip.compress(b"text,label\n" + b"hi,a\n" * 5000)[:-20])
    with pytest.raises(DataError, match=r"a\.csv\.gz is damaged"):
        read_file(target(path))


def test_texts_beyond_the_csv_modules_own_limit_are_read(write: Write) -> None:
    path = write("a.csv", f"text,label\n{'x' * 300_000},a\n")
    assert len(rows_of(read_file(target(path)))[0][1]) == 300_000


def test_files_of_several_chunks_keep_all_rows_in_order(write: Write) -> None:
    count = 2 * CHUNK + 1
    path = write("a.csv", "text,label\n" + "".join(f"t{n},a\n" for n in range(count)))
    found = rows_of(read_file(target(path)))
    assert [row[:2] for row in found] == [(n + 2, f"t{n}") for n in range(count)]


def test_ragged_rows_are_named_by_line(write: Write) -> None:
    path = write("a.csv", 'text,label\nfine,a\none, two,b\n"three\n",c\nfour\n')
    with pytest.raises(DataError) as caught:
        read_file(target(path))
    message = caught.value.problems[0].message
    assert message.splitlines() == [
        "a.csv:3: 3 fields where the header names 2",
        "a.csv:6: 1 fields where the header names 2",
    ]
    assert "quote" in str(caught.value.problems[0].hint)


def test_many_ragged_rows_are_counted(write: Write) -> None:
    path = write("a.csv", "text,label\n" + "a,b,c\n" * 12)
    with pytest.raises(DataError, match="and 7 more such rows"):
        read_file(target(path))


def test_unfinished_quote_is_an_error(write: Write) -> None:
    path = write("a.csv", 'text,label\n"never closed,a\nmore,b\n')
    with pytest.raises(DataError, match=r"a\.csv:3: unexpected end of data"):
        read_file(target(path))


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_empty_file_is_an_error(write: Write, content: str) -> None:
    with pytest.raises(DataError, match=r"a\.csv is empty"):
        read_file(target(write("a.csv", content)))


def test_header_without_rows_is_an_error(write: Write) -> None:
    with pytest.raises(DataError, match="has a header but no rows"):
        read_file(target(write("a.csv", "text,label\n")))


def test_repeated_column_name_is_an_error(write: Write) -> None:
    with pytest.raises(DataError, match="'text' is named twice"):
        read_file(target(write("a.csv", "text,text\na,b\n")))


def test_other_encoding_is_an_error_naming_the_line(write: Write) -> None:
    path = write("a.csv", "text,label\nfine,a\ncafé,b\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"a\.csv:3: not UTF-8 text \(byte 0xe9\)") as caught:
        read_file(target(path))
    assert "iconv" in str(caught.value.problems[0].hint)
