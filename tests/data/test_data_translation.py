"""Translations: which column is in which language, whatever form the rows come in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from automl import tasks
from automl.data.load import load_data
from automl.errors import DataError
from tests.data.samples import MakeRecipe, Write

TRANSLATE = tasks.get("translation")


def lines(count: int = 20, **more: Any) -> str:
    return "".join(
        json.dumps({"translation": {"en": f"house number {n}", "de": f"Haus Nummer {n}"}, **more})
        + "\n"
        for n in range(count)
    )


def test_the_hubs_form_tells_columns_and_languages(recipe: MakeRecipe, write: Write) -> None:
    write("train.jsonl", lines())
    data = load_data(recipe(train="train.jsonl"), TRANSLATE)
    assert data.plan.columns == {"text": "translation.en", "target": "translation.de"}
    row = data.tables["train"].to_pylist()[0]
    assert row["text"].startswith("house")
    assert row["target"].startswith("Haus")
    assert (row["source_language"], row["target_language"]) == ("en", "de")


def test_the_other_direction_is_one_column_to_write(recipe: MakeRecipe, write: Write) -> None:
    write("train.jsonl", lines())
    wish = recipe(train="train.jsonl", columns={"text": "translation.de"})
    data = load_data(wish, TRANSLATE)
    assert data.plan.columns == {"text": "translation.de", "target": "translation.en"}
    assert data.tables["test"]["source_language"].to_pylist()[0] == "de"


def test_named_columns_need_no_language(recipe: MakeRecipe, write: Write) -> None:
    rows = "".join(f"house {n},maison {n}\n" for n in range(20))
    write("train.csv", f"source,target\n{rows}")
    data = load_data(recipe(train="train.csv"), TRANSLATE)
    assert data.plan.columns == {"text": "source", "target": "target"}
    assert "source_language" not in data.tables["train"].column_names


def test_rows_without_a_target_are_named(recipe: MakeRecipe, write: Write) -> None:
    rows = [f"house {n},maison {n}" for n in range(20)]
    rows[3] = "house 3, "
    write("train.csv", "en,fr\n" + "\n".join(rows) + "\n")
    with pytest.raises(DataError, match=r"1 rows have no target .*train\.csv:5"):
        load_data(recipe(train="train.csv"), TRANSLATE)


def test_rows_in_several_directions_are_refused(recipe: MakeRecipe, write: Write) -> None:
    rows = [f"house {n},maison {n},{'de' if n == 7 else 'fr'}" for n in range(20)]
    write("train.csv", "source,target,target_language\n" + "\n".join(rows) + "\n")
    with pytest.raises(DataError, match=r"train\.csv:9: target_language is 'de'"):
        load_data(recipe(train="train.csv"), TRANSLATE)


@pytest.mark.parametrize(
    ("task", "header"),
    [
        ("summarization", "article,highlights"),
        ("summarization", "dialogue,summary"),
        ("text2text-generation", "meaning_representation,target"),
        ("text2text-generation", "prompt,completion"),
    ],
)
def test_usual_names_tell_source_and_target(
    recipe: MakeRecipe, write: Write, task: str, header: str
) -> None:
    rows = "".join(f"what was said {n},in short {n}\n" for n in range(20))
    write("train.csv", f"{header}\n{rows}")
    data = load_data(recipe(train="train.csv"), tasks.get(task))
    assert list(data.plan.columns.values()) == header.split(",")
