"""``extends``: what merges, what replaces, and whose paths are whose."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl.errors import RecipeError
from automl.recipe.load import load
from tests.recipe.conftest import Write

BASE = """\
    recipe: 1
    task: text-classification
    data: {train: ./rows.csv, columns: {label: queue}}
    models: [acme/encoder, acme/other]
    search: {space: {learning_rate: {low: 1e-5, high: 1e-3, log: true}}}
    budget: {trials: 10, time: 1h}
"""


def test_sections_merge_and_lists_and_scalars_replace(write: Write):
    write(BASE, "base.yaml")
    child = """\
        extends: base.yaml
        name: child
        data: {columns: {text: body}}
        models: [acme/encoder]
        search: {space: {learning_rate: {low: 1e-4}}}
        budget: {trials: 3}
    """
    recipe = load(write(child)).recipe
    assert recipe.data.columns == {"label": "queue", "text": "body"}
    assert recipe.models == ["acme/encoder"]
    assert recipe.search.model_dump()["space"] == {
        "learning_rate": {"low": 1e-4, "high": 1e-3, "log": True}
    }
    assert (recipe.budget.trials, recipe.budget.time) == (3, "1h")


def test_later_parents_win_over_earlier_and_the_recipe_over_all(write: Write):
    write(BASE, "base.yaml")
    write("{name: first, search: {seed: 1, sampler: random}, checks: [a > 1]}", "first.yaml")
    write("{name: second, search: {seed: 2}}", "second.yaml")
    recipe = load(write("extends: [base.yaml, first.yaml, second.yaml]\nname: own\n")).recipe
    assert (recipe.name, recipe.search.seed, recipe.search.sampler) == ("own", 2, "random")
    assert recipe.checks == ["a > 1"]


def test_a_parent_may_extend_and_a_grandparent_may_be_shared(write: Write):
    write(BASE, "base.yaml")
    write("extends: base.yaml\nbudget: {trials: 5}\n", "left.yaml")
    write("extends: base.yaml\nsearch: {seed: 5}\n", "right.yaml")
    recipe = load(write("extends: [right.yaml, left.yaml]\nname: own\n")).recipe
    assert (recipe.budget.trials, recipe.search.seed) == (5, 5)


def test_only_the_recipe_s_own_extends_is_kept(write: Write):
    write(BASE, "base.yaml")
    write("extends: base.yaml\n", "middle.yaml")
    assert load(write("extends: middle.yaml\nname: own\n")).recipe.extends == "middle.yaml"


def test_null_takes_back_what_a_parent_set(write: Write):
    write(BASE, "base.yaml")
    recipe = load(write("{extends: base.yaml, name: own, budget: {time: null}}")).recipe
    assert recipe.budget.time is None


def test_paths_of_a_parent_start_from_the_parent_s_folder(write: Write):
    write("text,label\n", "team/data/a.csv")
    parent = """\
        recipe: 1
        task: text-classification
        data: {train: [data/*.csv, ./missing.csv, acme/rows, /abs.csv], test: data, validation: s3://x/y}
        models: [{path: models/minilm}, {path: ~/models/x}, acme/encoder, {package: minilm}]
    """
    write(parent, "team/base.yaml")
    loaded = load(write("extends: ../team/base.yaml\nname: own\n", "mine/recipe.yaml"))
    data = loaded.recipe.data
    assert data.train == ["../team/data/*.csv", "../team/missing.csv", "acme/rows", "/abs.csv"]
    assert (data.test, data.validation) == ("../team/data", "s3://x/y")
    paths = [getattr(model, "path", None) for model in loaded.recipe.models]
    assert paths == ["../team/models/minilm", "~/models/x", None, None]


def test_a_local_path_still_looks_local_after_it_moved_down(write: Write):
    write(BASE, "team/base.yaml")
    assert (
        load(write("{extends: team/base.yaml, name: own}")).recipe.data.train == "./team/rows.csv"
    )


def test_a_value_keeps_the_place_of_the_file_that_wrote_it(
    write: Write, monkeypatch: pytest.MonkeyPatch
):
    write(BASE, "team/base.yaml")
    child = write("extends: team/base.yaml\nname: own\nbudget: {trials: 3}\n")
    monkeypatch.chdir(child.parent)
    places = load(Path("recipe.yaml")).places
    assert (places["budget", "trials"].file, places["budget", "trials"].line) == ("recipe.yaml", 3)
    assert (places["budget", "time"].file, places["budget", "time"].line) == ("team/base.yaml", 6)


def test_a_long_chain_ends_in_an_error_and_not_in_a_crash(write: Write):
    for number in range(50):
        write(f"extends: {number + 1}.yaml\n", f"{number}.yaml")
    with pytest.raises(RecipeError, match="more than 20 recipes"):
        load(write("extends: 0.yaml\n"))


def test_parents_that_list_each_other_many_times_are_read_once(write: Write):
    write(BASE, "15.yaml")
    for number in range(15):
        parent = f"{number + 1}.yaml"
        write(f"extends: [{', '.join([parent] * 8)}]\n", f"{number}.yaml")
    assert load(write("extends: 0.yaml\nname: own\n")).recipe.budget.trials == 10


def test_a_recipe_that_extends_itself_through_a_link_is_refused(write: Write, tmp_path: Path):
    path = write("extends: link.yaml\nname: own\n")
    (tmp_path / "link.yaml").symlink_to(path)
    with pytest.raises(RecipeError, match="extends itself"):
        load(path)
