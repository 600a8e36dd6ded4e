"""Tagged columns of tokens become a row for each sentence, or an error that names the line."""

from __future__ import annotations

import gzip

import pytest

from automl import tasks
from automl.data.formats import read_file
from automl.data.load import load_data
from automl.errors import DataError
from tests.data.samples import MakeRecipe, Write, rows_of, target


def test_sentences_are_parted_by_blank_lines_and_numbered_by_their_first_line(
    write: Write,
) -> None:
    path = write("a.conll", "\nAda B-PER\nwrote O\n\n\nOslo B-LOC\r\n")
    part = read_file(target(path))
    assert part.table.column_names == ["tokens", "tags"]
    assert rows_of(part) == [
        (2, ["Ada", "wrote"], ["B-PER", "O"]),
        (6, ["Oslo"], ["B-LOC"]),
    ]


def test_columns_between_token_and_tag_are_kept_by_their_place(write: Write) -> None:
    path = write("a.conll", "-DOCSTART- -X- -X- O\n\nAda NNP I-NP I-PER\n")
    part = read_file(target(path))
    assert part.table.column_names == ["tokens", "column_2", "column_3", "tags"]
    assert rows_of(part) == [(3, ["Ada"], ["NNP"], ["I-NP"], ["I-PER"])]


def test_tabs_part_columns_where_there_are_any(write: Write) -> None:
    path = write("a.bio", "New York\tB-LOC\nnow\tO\n")
    assert rows_of(read_file(target(path))) == [(1, ["New York", "now"], ["B-LOC", "O"])]


def test_comments_are_left_out_and_tokens_that_begin_like_one_are_not(write: Write) -> None:
    path = write("a.iob", "# id 1 of a\nAda B-PER\n# O\n#tag O\n")
    assert rows_of(read_file(target(path))) == [(2, ["Ada", "#", "#tag"], ["B-PER", "O", "O"])]
    path = write("b.iob", "#tag O\nAda B-PER\n")
    assert rows_of(read_file(target(path))) == [(1, ["#tag", "Ada"], ["O", "B-PER"])]


def test_gzipped_files_are_read(write: Write) -> None:
    path = write("a.conll.gz", gzip.compress(b"Ada B-PER\n"))
    assert rows_of(read_file(target(path))) == [(1, ["Ada"], ["B-PER"])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Ada B-PER\nwrote\n", r"a\.conll:2: 1 columns where others have 2"),
        ("Ada\nwrote\n", r"a\.conll:1: 'Ada' stands alone"),
        ("Ada\tB-PER\n\tO\n", r"a\.conll:2: column 1 is empty"),
        ("\n\n", r"a\.conll holds no sentence"),
        (b"Ada B-PER\nM\xfcller B-PER\n", r"a\.conll:2: not UTF-8 text"),
    ],
)
def test_what_is_no_token_and_its_tag_is_named(
    write: Write, content: str | bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_file(target(write("a.conll", content)))


def _file(rows: int, first: str = "B") -> str:
    return "".join(f"Ada{n} {first}-PER\nof O\nOslo{n} {first}-LOC\n\n" for n in range(rows))


def test_a_recipe_trains_on_such_a_file(recipe: MakeRecipe, write: Write) -> None:
    write("train.conll", _file(40))
    write("test.conll", "Eve I-PER\nnow O\n")
    data = load_data(
        recipe(train="train.conll", test="test.conll"), tasks.get("token-classification")
    )
    assert data.plan.labels == ("B-LOC", "B-PER", "O")
    assert data.plan.columns == {"tokens": "tokens", "tags": "tags"}
    assert data.tables["test"]["tags"].to_pylist() == [["B-PER", "O"]]
    assert data.plan.warnings == (
        "test: tags are IOB1: 1 entities that begin with I- were rewritten with B-",
    )
    assert data.plan.profile.class_counts["test"] == {"B-PER": 1, "O": 1}


def test_malformed_rows_are_named_by_file_and_line(recipe: MakeRecipe, write: Write) -> None:
    write("train.conll", _file(40))
    write("test.conll", "Eve B-PER\n\nEve B-PER\nnow I-LOC\n")
    with pytest.raises(DataError) as caught:
        load_data(recipe(train="train.conll", test="test.conll"), tasks.get("token-classification"))
    (problem,) = caught.value.problems
    assert problem.message.startswith("test.conll:3: tag 'I-LOC' at 2 follows 'B-PER'")
    assert problem.place is not None


def test_tags_that_train_has_not_are_named(recipe: MakeRecipe, write: Write) -> None:
    write("train.conll", _file(40))
    write("test.conll", "Acme B-ORG\n")
    with pytest.raises(DataError, match=r"test has classes that train has not: 'B-ORG'"):
        load_data(recipe(train="train.conll", test="test.conll"), tasks.get("token-classification"))
