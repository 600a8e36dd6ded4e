"""A run whose winner is made of adapters, as a person has it: recipe, run, bundle, answers."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.slow


def test_adapters_are_searched_kept_and_answer_beside_their_base_model(project, automl):
    recipe = (project / "weather.yaml").read_text()
    recipe = recipe.replace("space: {", "space: {method: lora, lora_rank: 4, ")
    recipe = recipe.replace("trials: 2", "trials: 1") + "export: {adapter: keep}\n"
    (project / "weather.yaml").write_text(recipe)
    done = automl("run", "weather.yaml")
    assert done.returncode == 0, done.stderr
    assert "lora r4" in done.stdout + done.stderr
    bundle = project / "runs" / "weather" / "bundle"
    info = json.loads((bundle / "automl.json").read_bytes())
    assert (info["adapter"], info["base_model"], info["base_source"]) == (True, "tiny", "folder")
    assert not (bundle / "model.safetensors").exists()
    asked = ("predict", "runs/weather/bundle", "--text", "it is warm out in town 3")
    answered = automl(*asked, "--base-model", "tiny")
    assert answered.returncode == 0, answered.stderr
    assert json.loads(answered.stdout)["label"] in ("rain", "sun")
    log = (project / "runs" / "weather" / "trials" / "0000" / "log.txt").read_text()
    assert "weights are trained beside" in log
