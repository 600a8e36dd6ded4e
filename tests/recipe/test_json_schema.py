"""The JSON Schemas: as committed, and accepting what the loader accepts."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from automl import documents
from automl.recipe import choices, json_schema
from automl.recipe.load import load
from automl.recipe.schema import Search
from automl.recipe.syntax import parse, plain
from automl.recipe.text import decode
from tests import factories
from tests.conftest import ROOT
from tests.recipe.conftest import Write
from tests.recipe.test_load import FULL, TYPICAL

RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))


@pytest.fixture(scope="module")
def recipes() -> Draft202012Validator:
    return Draft202012Validator(json_schema.recipe_schema())


@pytest.mark.parametrize("kind", ["recipe", "plan"])
def test_the_committed_schema_is_the_generated_one(kind: json_schema.Kind):
    path = ROOT / "schemas" / f"{kind}-v1.json"
    renew = f"automl schema {kind} > schemas/{path.name}"
    assert path.read_text(encoding="utf-8") == json_schema.text(kind), f"renew it: {renew}"


@pytest.mark.parametrize("kind", ["recipe", "plan"])
def test_the_schema_is_a_valid_schema(kind: json_schema.Kind):
    schema = json.loads(json_schema.text(kind))
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"]
    assert schema["title"]
    assert schema["description"]


def test_every_property_of_a_recipe_is_described():
    schema = json_schema.recipe_schema()
    for name, section in {"recipe": schema, **schema["$defs"]}.items():
        for key, inside in section.get("properties", {}).items():
            reference = inside.get("$ref", "").rpartition("/")[2]
            described = inside.get("description") or schema["$defs"][reference].get("description")
            assert described, f"{name}.{key}"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_example_recipe_follows_the_schema_and_names_it(
    path: Path, recipes: Draft202012Validator
):
    text = decode(path.read_bytes(), path.name)
    named = text.text.partition("\n")[0].removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == ROOT / "schemas" / "recipe-v1.json"
    recipes.validate(plain(parse(text)))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"extends": ["a.yaml"]},
        {"budget": {"trials": None, "time": "1h30m"}},
        {"data": {"train": ["a.csv", "b.csv"], "validation": 0.2, "test": "c.csv"}},
        {"name": "run-${env:BUILD}"},
        {"recipe": "${env:FORMAT:-1}"},
        {"search": {"seed": "${env:SEED:-3}", "sampler": "${env:SAMPLER:-tpe}"}},
        {
            "search": {
                "space": {"epochs": {"low": "${env:LOW:-1}", "high": 5}, "x": [1, "${env:B}"]}
            }
        },
        {"export": {"private": "${env:PRIVATE:-true}"}},
        {"budget": {"time": "${env:HOURS:-2}h"}},
    ],
)
def test_what_the_loader_accepts_the_schema_accepts(
    change: dict[str, Any], recipes: Draft202012Validator, write: Write
):
    values = {**copy.deepcopy(FULL), **change}
    write("recipe: 1\n", "a.yaml")
    load(write(json.dumps(values)), {"BUILD": "7", "B": "2"})
    recipes.validate(values)


def test_a_recipe_that_extends_may_leave_out_what_its_parent_has(
    recipes: Draft202012Validator, write: Write
):
    write(TYPICAL, "base.yaml")
    values = {"extends": "base.yaml", "search": {"space": {"learning_rate": {"high": 1e-3}}}}
    load(write(json.dumps(values)))
    recipes.validate(values)


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"trials": 3},
        {"budget": {"trails": 3}},
        {"budget": {"trials": "many"}},
        {"models": []},
        {"models": [{"pth": "x"}]},
        {"data": {"columns": {}}},
        {"search": {"space": {"learning_rate": {"low": 1}}}},
        {"search": {"space": {"learning_rate": None}}},
        {"devices": {"precision": "fp8"}},
    ],
)
def test_what_an_editor_can_see_is_wrong_the_schema_refuses(
    change: dict[str, Any], recipes: Draft202012Validator
):
    values = {**copy.deepcopy(FULL), **change}
    del values["extends"]
    assert not recipes.is_valid(values)


def test_a_recipe_that_extends_nothing_must_have_the_required_sections(
    recipes: Draft202012Validator,
):
    assert not recipes.is_valid({"recipe": 1, "name": "x"})


def test_a_recipe_for_others_to_extend_may_leave_out_anything(recipes: Draft202012Validator):
    recipes.validate({"recipe": 1, "budget": {"trials": 3}})


def test_a_plan_follows_its_schema():
    plan = json.loads(documents.to_json(factories.plan()))
    Draft202012Validator(json_schema.plan_schema()).validate(plan)


@pytest.mark.parametrize(
    ("field", "words"), [("sampler", choices.SAMPLERS), ("strategy", choices.STRATEGIES)]
)
def test_every_name_to_choose_by_is_explained(field: str, words: dict[str, str]):
    assert tuple(words) == get_args(Search.model_fields[field].annotation)
