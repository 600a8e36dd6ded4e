"""Columns are found by what the recipe says, by name, or by plain values; else an error helps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from automl.data.columns import require, resolve
from automl.data.part import Part
from automl.errors import DataError
from automl.tasks import Role
from tests.data.samples import MakeRecipe

TEXT = Role("text", "text", True, ("text", "sentence", "body"))
LABEL = Role("label", "class", True, ("label", "category", "intent"))
SCORE = Role("score", "number", True, ("score", "rating"))
PAIR = Role("text_pair", "text", False, ("text_pair", "sentence2", "hypothesis"))
EXTRA = Role("language", "class", False, ("language", "lang"))


@dataclass
class Columns:
    """Columns of a made-up file of 40 rows."""

    rows: int = 40
    values: dict[str, list[Any]] = field(default_factory=dict)

    def text(self, name: str) -> Columns:
        self.values[name] = [f"a sentence about thing number {n}" for n in range(self.rows)]
        return self

    def few(self, name: str) -> Columns:
        self.values[name] = ["ab"[n % 2] for n in range(self.rows)]
        return self

    def number(self, name: str) -> Columns:
        self.values[name] = [n * 0.7 for n in range(self.rows)]
        return self

    def part(self, name: str = "train.csv", typed: bool = True) -> Part:
        table = pa.table(self.values)
        return Part(name, table, pa.array(range(table.num_rows)), typed)


def _found(recipe: MakeRecipe, file: Columns, *roles: Role, **data: Any) -> dict[str, str]:
    return resolve(recipe(**data), roles or (TEXT, LABEL), [file.part()])


def test_conventional_names_win_whatever_their_letter_case(recipe: MakeRecipe) -> None:
    columns = Columns().text("Body").few("INTENT").text("notes").few("flag")
    assert _found(recipe, columns) == {"text": "Body", "label": "INTENT"}


def test_a_roles_own_name_wins_over_other_conventional_names(recipe: MakeRecipe) -> None:
    columns = Columns().text("text").text("body").few("category").few("label")
    assert _found(recipe, columns) == {"text": "text", "label": "label"}


def test_unconventional_names_are_found_by_their_only_fitting_values(recipe: MakeRecipe) -> None:
    columns = Columns().text("what_they_said").few("bucket").number("when")
    assert _found(recipe, columns) == {"text": "what_they_said", "label": "bucket"}


def test_number_roles_are_found_by_value(recipe: MakeRecipe) -> None:
    columns = Columns().text("said").number("how_good").few("kind")
    assert _found(recipe, columns, TEXT, SCORE) == {"text": "said", "score": "how_good"}


def test_optional_role_is_taken_by_name_only(recipe: MakeRecipe) -> None:
    columns = Columns().text("text").few("label").few("other")
    assert _found(recipe, columns, TEXT, LABEL, EXTRA) == {"text": "text", "label": "label"}
    found = _found(recipe, columns.few("lang"), TEXT, LABEL, EXTRA)
    assert found == {"text": "text", "label": "label", "language": "lang"}


def test_a_second_text_is_taken_by_its_name(recipe: MakeRecipe) -> None:
    columns = Columns().text("sentence").text("Sentence2").few("label")
    assert _found(recipe, columns, TEXT, PAIR, LABEL) == {
        "text": "sentence", "text_pair": "Sentence2", "label": "label",
    }  # fmt: skip


def test_one_text_is_the_text_whatever_it_is_called(recipe: MakeRecipe) -> None:
    columns = Columns().text("hypothesis").few("label")
    assert _found(recipe, columns, TEXT, PAIR, LABEL) == {"text": "hypothesis", "label": "label"}


def test_a_name_for_the_second_text_tells_two_fitting_columns_apart(recipe: MakeRecipe) -> None:
    columns = Columns().text("question").text("hypothesis").few("label")
    assert _found(recipe, columns, TEXT, PAIR, LABEL) == {
        "text": "question", "text_pair": "hypothesis", "label": "label",
    }  # fmt: skip


def test_a_recipe_that_names_a_text_means_that_one_alone(recipe: MakeRecipe) -> None:
    columns = Columns().text("text").text("hypothesis").few("label")
    named = {"columns": {"text": "text"}}
    assert _found(recipe, columns, TEXT, PAIR, LABEL, **named) == {"text": "text", "label": "label"}
    named = {"columns": {"text_pair": "hypothesis"}}
    found = _found(recipe, columns, TEXT, PAIR, LABEL, **named)
    assert found == {"text": "text", "text_pair": "hypothesis", "label": "label"}


def test_recipes_columns_come_first_and_free_no_others(recipe: MakeRecipe) -> None:
    columns = Columns().text("text").text("body").few("label")
    found = _found(recipe, columns, columns={"text": "body"})
    assert found == {"text": "body", "label": "label"}


def test_grouping_column_is_not_taken_for_a_role(recipe: MakeRecipe) -> None:
    columns = Columns().text("said").few("customer").few("bucket")
    assert _found(recipe, columns, group_by="customer")["label"] == "bucket"


def test_two_fitting_columns_are_an_error_with_columns_to_paste(recipe: MakeRecipe) -> None:
    columns = Columns().text("text").few("bucket").few("team")
    with pytest.raises(DataError) as caught:
        _found(recipe, columns)
    (problem,) = caught.value.problems
    assert problem.message == (
        "cannot tell which column of train.csv holds the label; columns: text, bucket, team"
    )
    assert problem.hint == "write under data: columns: {text: text, label: bucket}"
    assert problem.place is not None
    assert problem.place.text == "  train: train.csv"


def test_two_conventional_names_are_an_error_even_if_one_fits(recipe: MakeRecipe) -> None:
    columns = Columns().text("text").few("category").number("intent")
    with pytest.raises(DataError, match="holds the label"):
        _found(recipe, columns)


def test_file_without_header_is_suspected(recipe: MakeRecipe) -> None:
    columns = Columns().text("what a lovely day it was").few("positive").few("x")
    with pytest.raises(DataError) as caught:
        resolve(recipe(), (TEXT, LABEL), [columns.part(typed=False)])
    assert "first line of the file must name the columns" in str(caught.value.problems[0].hint)


def test_suggested_names_are_quoted_where_yaml_needs_it(recipe: MakeRecipe) -> None:
    columns = Columns().text("text").few("it's: odd").few("null")
    with pytest.raises(DataError) as caught:
        _found(recipe, columns)
    assert "label: 'it''s: odd'" in str(caught.value.problems[0].hint)


def test_unknown_roles_and_columns_are_named_at_their_places(recipe: MakeRecipe) -> None:
    columns = Columns().text("body").few("queue")
    wrong = {"txt": "body", "label": "queu"}
    with pytest.raises(DataError) as caught:
        _found(recipe, columns, columns=wrong, group_by="custmer")
    role, column, group = caught.value.problems
    assert (role.message, role.hint) == ("the task reads no role 'txt'", "did you mean 'text'?")
    assert role.place is not None
    assert role.place.text.strip() == "txt: body"
    assert column.message == "train has no column 'queu'; it has body, queue"
    assert column.hint == "did you mean 'queue'?"
    assert "no column 'custmer'" in group.message


def test_missing_column_in_another_file_names_that_file() -> None:
    parts = [
        Columns().text("text").few("label").part("a.csv"),
        Columns().text("text").part("b.csv"),
    ]
    problems = require(parts, {"text": "text", "label": "label"})
    assert [p.message for p in problems] == ["b.csv has no column 'label' (label); it has text"]


def test_columns_that_only_a_later_file_has_are_looked_at_there(recipe: MakeRecipe) -> None:
    parts = [Columns().text("said").part("a.csv"), Columns().text("said").few("kind").part("b.csv")]
    assert resolve(recipe(), (TEXT, LABEL), parts) == {"text": "said", "label": "kind"}


def test_types_that_differ_between_files_are_named(tmp_path: Path) -> None:
    whole = Part("a.parquet", pa.table({"label": [1]}), pa.array([1]), typed=True)
    small = pa.table({"label": pa.array([1], pa.int8())})
    text = pa.table({"label": ["1"]})
    parts = [
        whole,
        Part("b.parquet", small, pa.array([1]), typed=True),
        Part("c.csv", text, pa.array([1]), typed=False),
        Part("d.jsonl", text, pa.array([1]), typed=True),
    ]
    problems = require(parts, {"label": "label"})
    assert [problem.message for problem in problems] == [
        "column 'label' holds text in d.jsonl, whole numbers in a.parquet"
    ]


TOKENS = Role("tokens", "texts", True, ("tokens", "words"))
WHOLE = Role("text", "text", False, ("text", "sentence"), instead_of="tokens")
TAGS = Role("tags", "classes", True, ("tags", "ner_tags"))
SPANS = Role("spans", "json", False, ("spans",), target=True, instead_of="tags")
EITHER = (TOKENS, WHOLE, TAGS, SPANS)


def _lists(name: str, columns: Columns) -> Columns:
    columns.values[name] = [["a", "b"]] * columns.rows
    return columns


def test_a_role_stands_in_for_a_required_one_that_is_not_there(recipe: MakeRecipe) -> None:
    columns = _lists("spans", Columns().text("sentence"))
    assert _found(recipe, columns, *EITHER) == {"text": "sentence", "spans": "spans"}


def test_a_role_that_is_there_needs_none_that_stands_in(recipe: MakeRecipe) -> None:
    columns = _lists("tokens", _lists("ner_tags", _lists("spans", Columns().text("text"))))
    assert _found(recipe, columns, *EITHER) == {"tokens": "tokens", "tags": "ner_tags"}


def test_the_recipe_may_name_one_that_stands_in(recipe: MakeRecipe) -> None:
    columns = _lists("tokens", _lists("tags", _lists("marks", Columns().text("body"))))
    found = _found(recipe, columns, *EITHER, columns={"text": "body", "spans": "marks"})
    assert found == {"text": "body", "spans": "marks"}


def test_where_neither_is_there_the_required_one_is_asked_for(recipe: MakeRecipe) -> None:
    with pytest.raises(DataError, match=r"which column of train\.csv holds the tags"):
        _found(recipe, _lists("tokens", Columns().few("x")), *EITHER)
