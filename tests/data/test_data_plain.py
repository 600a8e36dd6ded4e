"""Plain text files: paragraphs, lines, and where they count as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl.data.sources import read
from automl.errors import DataError
from tests.data.samples import Write


def _rows(folder: Path, reference: str) -> list[tuple[int, str]]:
    (part,) = read(reference, folder, "train").parts
    return list(zip(part.numbers.to_pylist(), part.table["text"].to_pylist(), strict=True))


def test_paragraphs_are_rows_and_keep_their_line_breaks(write: Write, tmp_path: Path) -> None:
    write("a.txt", "\nOne:\nhello\n\n \nTwo:\nbye\n")
    assert _rows(tmp_path, "a.txt") == [(2, "One:\nhello"), (6, "Two:\nbye")]


def test_where_no_line_is_empty_each_line_is_a_row(write: Write, tmp_path: Path) -> None:
    write("a.txt", "one\r\ntwo\r\n")
    assert _rows(tmp_path, "a.txt") == [(1, "one"), (2, "two")]


def test_a_file_without_text_is_refused(write: Write, tmp_path: Path) -> None:
    write("a.txt", "\n \n")
    with pytest.raises(DataError, match=r"a\.txt holds no text"):
        read("a.txt", tmp_path, "train")


def test_text_in_another_encoding_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"fine\nna\xefve\n")
    with pytest.raises(DataError, match=r"a\.txt:2: not UTF-8"):
        read("a.txt", tmp_path, "train")


def test_beside_data_plain_text_is_a_note(write: Write, tmp_path: Path) -> None:
    write("mixed/a.csv", "text,label\nhi,a\n")
    write("mixed/LICENSE.txt", "do as you like\n")
    write("texts/a.txt", "one\n")
    for reference in ("mixed", "mixed/*"):
        assert [part.name for part in read(reference, tmp_path, "train").parts] == ["mixed/a.csv"]
    for reference in ("texts", "texts/*.txt"):
        assert [part.name for part in read(reference, tmp_path, "train").parts] == ["texts/a.txt"]
