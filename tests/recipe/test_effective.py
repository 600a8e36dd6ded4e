"""The effective recipe: one file, same meaning, nothing of the environment in it."""

from __future__ import annotations

from pathlib import Path

from automl.recipe.effective import effective
from automl.recipe.load import load

PARENT = """\
recipe: 1
task: text-classification
data: {train: "${env:DATA}/train.csv", test: 0.2}
models: [{path: models/small}, "acme/$${odd}"]
"""
CHILD = """\
recipe: 1
name: child
extends: team/base.yaml
budget: {trials: "${env:TRIALS:-5}"}
"""
ENVIRON = {"DATA": "/secret/place", "TRIALS": "9"}


def written(folder: Path) -> Path:
    (folder / "team" / "models" / "small").mkdir(parents=True)
    (folder / "team" / "base.yaml").write_text(PARENT)
    (folder / "child.yaml").write_text(CHILD)
    return folder / "child.yaml"


def test_it_loads_to_the_same_values(tmp_path: Path):
    loaded = load(written(tmp_path), ENVIRON)
    (tmp_path / "one.yaml").write_text(effective(loaded))
    again = load(tmp_path / "one.yaml", ENVIRON)
    assert again.recipe == loaded.recipe.model_copy(update={"extends": []})


def test_values_of_the_environment_stay_out_of_it(tmp_path: Path):
    text = effective(load(written(tmp_path), ENVIRON))
    assert "/secret/place" not in text
    assert "${env:DATA}/train.csv" in text
    assert "${env:TRIALS:-5}" in text


def test_paths_of_a_parent_start_from_the_recipe(tmp_path: Path):
    assert "team/models/small" in effective(load(written(tmp_path), ENVIRON))
