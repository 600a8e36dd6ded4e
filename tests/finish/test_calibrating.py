"""What is tuned on validation leaves with the bundle, and is not tuned twice."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from automl.finish import calibrating, conclude, read
from automl.serving.predict import Predictor

pytestmark = pytest.mark.slow
RECIPE = "recipe: 1\nname: study\n"


def ended(study, rundir) -> tuple[object, list[str]]:
    heard = []
    finish = conclude(study, rundir, RECIPE, (), heard.append)
    return finish, [f"{event.stage}: {event.detail}" for event in heard]


def test_a_calibrated_model_leaves_is_scored_once_and_says_so(rundir, plan, finished, save):
    wishes = replace(plan.export, calibration="auto", thresholds="auto")
    plan = replace(plan, export=wishes, search=replace(plan.search, soup=False))
    study = finished(0.80, plan=plan)
    save(rundir, 0, +1)  # its errors are large, and it is very sure
    finish, heard = ended(study, rundir)
    assert finish.tuned.calibration.taken
    assert heard[0] == "calibrate: probabilities and thresholds, on validation"
    assert heard[1].startswith(f"calibrate: logits divided by {finish.tuned.temperature:.2f}; ")
    assert (rundir.bundle / "model.safetensors").read_bytes() == (
        calibrating.folder(rundir) / "model.safetensors"
    ).read_bytes()
    info = json.loads((rundir.bundle / "automl.json").read_bytes())
    assert info["calibration"]["temperature"] == finish.tuned.temperature
    assert info["calibration_error"]["after"] < info["calibration_error"]["before"]
    card = (rundir.bundle / "README.md").read_text()
    assert f"a temperature of {finish.tuned.temperature:.2f}" in card
    assert "plots/reliability.png" in card
    assert read(rundir) == finish
    assert ended(study, rundir)[1] == []
    _the_bundle_says_what_a_pipeline_says(rundir)


def _the_bundle_says_what_a_pipeline_says(rundir):
    from transformers import pipeline

    text = "please help me the morning train number 7"
    (said,) = Predictor(rundir.bundle, "cpu").predict([text])
    found = pipeline("text-classification", model=str(rundir.bundle))(text)[0]
    assert said["label"] == found["label"]
    assert said["score"] == pytest.approx(found["score"], abs=1e-6)
