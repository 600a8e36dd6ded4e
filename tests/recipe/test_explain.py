"""``automl explain``: effective values and their origins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from automl.recipe import explain
from automl.recipe.load import load
from automl.recipe.loaded import LoadedRecipe
from tests.recipe.conftest import Write

BASE = """\
    recipe: 1
    task: text-classification
    data: {train: rows.csv}
    models:
      - acme/encoder
      - path: models/minilm
"""
CHILD = """\
    extends: base.yaml
    name: run-${env:BUILD}
    search:
      space: {batch_size: [16, 32], note: "costs $${x}"}
    budget: {trials: "${env:TRIALS:-40}"}
"""


@pytest.fixture
def loaded(write: Write, monkeypatch: pytest.MonkeyPatch) -> LoadedRecipe:
    write(BASE, "base.yaml")
    monkeypatch.chdir(write(CHILD).parent)
    return load(Path("recipe.yaml"), {"BUILD": "7"})


def origins(loaded: LoadedRecipe) -> dict[tuple[str | int, ...], str]:
    return {row.location: str(row.origin) for row in explain.rows(loaded) if row.origin}


def test_each_value_names_its_file_and_line_its_variable_or_default(loaded: LoadedRecipe):
    found = origins(loaded)
    assert found["task",] == "base.yaml:2"
    assert found["models", 1, "path"] == "base.yaml:6"
    assert found["models", 1, "trust_remote_code"] == "default"
    assert found["search", "space", "batch_size"] == "recipe.yaml:4"
    assert found["name",] == "env BUILD (recipe.yaml:2)"
    assert found["budget", "trials"] == "env TRIALS (recipe.yaml:5)"
    assert found["budget", "time"] == "default"


def test_the_text_is_yaml_of_the_effective_recipe(loaded: LoadedRecipe):
    text = explain.as_text(explain.rows(loaded)).replace("$${", "${")
    assert YAML(typ="safe", pure=True).load(text) == loaded.recipe.model_dump()


def test_the_text_loads_to_the_same_recipe(loaded: LoadedRecipe, write: Write):
    text = explain.as_text(explain.rows(loaded))
    again = load(write(text, "effective.yaml"), {})
    assert again.recipe == loaded.recipe
    assert again.recipe.search.space["note"] == "costs ${x}"


def test_the_origins_are_aligned(loaded: LoadedRecipe):
    lines = explain.as_text(explain.rows(loaded)).splitlines()
    columns = {line.index("# ") for line in lines if "# " in line}
    assert len(columns) == 1


def test_every_field_of_the_schema_is_shown(loaded: LoadedRecipe):
    shown = {row.location[0] for row in explain.rows(loaded)}
    assert shown == set(type(loaded.recipe).model_fields)


def test_a_long_list_takes_a_line_an_item(write: Write):
    sources = [f"tickets-of-the-year-{year}.csv" for year in range(2020, 2024)]
    text = "{recipe: 1, name: x, task: t, models: [m], data: {train: " + json.dumps(sources) + "}}"
    lines = explain.as_text(explain.rows(load(write(text)))).splitlines()
    assert sum(line.startswith("    - tickets-of-the-year-") for line in lines) == 4


def test_json_holds_the_values_and_every_place(loaded: LoadedRecipe):
    document = json.loads(json.dumps(explain.as_json(loaded)))
    assert document["recipe"] == loaded.recipe.model_dump(mode="json")
    by_location = {tuple(one["location"]): one for one in document["origins"]}
    trials = by_location["budget", "trials"]
    assert trials["value"] == 40
    assert trials["variables"] == ["TRIALS"]
    assert trials["place"] == {"file": "recipe.yaml", "line": 5, "column": 18}
    assert by_location["budget", "time"]["place"] is None
