"""The calibrate job: what is kept says calibrated probabilities to whoever loads it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from automl import documents, tasks
from automl.jobs import RESULT, CalibrateResult, CalibrateSpec, ModelRef, ScoreSpec
from automl.worker.calibrating import calibrate, fold
from automl.worker.run import run
from automl.worker.scoring import score

from .test_soup import trained  # noqa: F401  (a fixture)

pytestmark = pytest.mark.slow
WEIGHTS = "model.safetensors"
HEAD = ("classifier.weight", "classifier.bias")


@pytest.fixture
def loud(trained, tmp_path):  # noqa: F811
    """A model that is right sometimes and very sure always."""
    import shutil

    folder = shutil.copytree(trained, tmp_path / "loud")
    weights = load_file(trained / WEIGHTS)
    generator = torch.Generator().manual_seed(2)
    for name in HEAD:
        drawn = torch.randn(weights[name].shape, generator=generator)
        weights[name] = 12 * (weights[name] + 0.6 * weights[name].std() * drawn)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    return ModelRef("loud", str(folder))


def spec(data, model, target, **changes) -> CalibrateSpec:
    made = CalibrateSpec(
        task="text-classification",
        model=model,
        data=data,
        metric="macro_f1",
        direction="maximize",
        target=str(target),
        calibration=True,
        thresholds=True,
        batch_size=8,
        threads=1,
        devices=(),
        seed=0,
    )
    return replace(made, **changes)


@pytest.fixture
def wide(data, tmp_path):
    """The same data with more validation rows: a gain shows."""
    import pyarrow as pa

    from automl.data.tables import write_table

    from .conftest import rows

    write_table(pa.table(rows(150, 300)), tmp_path / "validation.arrow")
    tables = {**data.tables, "validation": str(tmp_path / "validation.arrow")}
    return replace(data, tables=tables)


def test_the_kept_model_divides_its_logits_by_the_temperature(loud, wide, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    target = tmp_path / "calibrated"
    found = calibrate(spec(wide, loud, target))
    assert found.calibration.taken
    assert found.temperature > 2
    assert found.calibration.loss[1] < found.calibration.loss[0]
    assert found.thresholds is None, "three classes have no thresholds"
    text = "please help me the morning train number 7"
    tokenizer = AutoTokenizer.from_pretrained(target)
    inputs = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        before, after = (
            AutoModelForSequenceClassification.from_pretrained(path).eval()(**inputs).logits
            for path in (loud.path, target)
        )
    torch.testing.assert_close(after * found.temperature, before, rtol=1e-4, atol=1e-4)
    said = pipeline("text-classification", model=str(target))(text)[0]
    expected = torch.softmax(after, -1)[0]
    assert said["score"] == pytest.approx(float(expected.max()), abs=1e-5)
    different = {
        name
        for name, tensor in load_file(target / WEIGHTS).items()
        if not torch.equal(tensor, load_file(Path(loud.path) / WEIGHTS)[name])
    }
    assert different == set(HEAD)


def test_scores_tell_both_errors_and_the_metrics_without_thresholds(loud, wide, tmp_path):
    found = calibrate(spec(wide, loud, tmp_path / "calibrated"))
    scoring = ScoreSpec(
        "text-classification",
        ModelRef("kept", str(tmp_path / "calibrated")),
        wide,
        ("validation",),
        8,
        1,
        (),
        0,
        temperature=found.temperature,
    )
    result = score(scoring)
    before = score(replace(scoring, model=loud, temperature=1.0))
    error = result.uncalibrated["validation"].error
    assert error == pytest.approx(before.reliability["validation"].error, abs=1e-4)
    assert result.reliability["validation"].error < error
    assert before.uncalibrated == {}
    assert result.splits["validation"].confusion == before.splits["validation"].confusion
    assert result.plain == {}


def test_what_was_not_asked_for_is_not_done(loud, data, tmp_path):
    target = tmp_path / "calibrated"
    found = calibrate(spec(data, loud, target, calibration=False, thresholds=False))
    assert (found.calibration, found.thresholds) == (None, None)
    assert not target.exists()


def test_the_job_leaves_its_result_beside_its_spec(loud, data, tmp_path):
    documents.write(tmp_path / "spec.json", spec(data, loud, tmp_path / "calibrated"))
    assert run(tmp_path / "spec.json") == 0
    found = documents.read(CalibrateResult, tmp_path / RESULT)
    assert found.calibration is not None


def test_numbers_are_not_calibrated(loud, data, tmp_path, capfd):
    documents.write(
        tmp_path / "spec.json",
        spec(data, loud, tmp_path / "calibrated", task="text-regression"),
    )
    assert run(tmp_path / "spec.json") == 1
    assert "text-regression says no probabilities" in capfd.readouterr().err


class Doubled(torch.nn.Module):
    """A model that adds a number to what its last linear layer says."""

    def __init__(self) -> None:
        super().__init__()
        from types import SimpleNamespace

        self.last = torch.nn.Linear(4, 3)
        self.config = SimpleNamespace(num_labels=3)

    def forward(self, states):
        from types import SimpleNamespace

        return SimpleNamespace(logits=self.last(states) + 5.0)


def test_a_head_whose_logits_do_not_follow_its_last_layer_is_left_as_it_was():
    model = Doubled()
    before = {name: each.clone() for name, each in model.state_dict().items()}
    assert fold(model, {"states": torch.ones(2, 4)}, 2.0) == (
        "its logits are more than what its last linear layer says"
    )
    for name, each in model.state_dict().items():
        assert torch.equal(each, before[name])
    model.config.num_labels = 7
    assert "no linear layer" in fold(model, {"states": torch.ones(2, 4)}, 2.0)


def test_the_floor_is_given_thresholds_for_the_same_metric(tmp_path):
    import pyarrow as pa

    from automl.data.tables import write_table
    from automl.jobs import DataRef, FloorSpec
    from automl.worker.floor import floor

    rng = np.random.default_rng(0)
    tables = {}
    for split, count in (("train", 300), ("validation", 300), ("test", 200)):
        true = rng.random(count) < 0.12
        words = [
            "win a prize now" if each ^ (rng.random() < 0.15) else "see you then" for each in true
        ]
        table = {
            "text": [f"{word} {rng.integers(99)}" for word in words],
            "label": ["spam" if each else "ham" for each in true],
        }
        tables[split] = str(tmp_path / f"{split}.arrow")
        write_table(pa.table(table), Path(tables[split]))
    data = DataRef(tables, ("ham", "spam"), "f", 32)
    plain = FloorSpec("text-classification", data, ("validation", "test"), 1, 0)
    tuned = floor(replace(plain, metric="balanced_accuracy"))
    before = floor(plain)
    assert before.plain == {}
    assert tuned.plain["test"] == before.splits["test"].metrics
    gained = tuned.splits["test"].metrics["balanced_accuracy"]
    assert gained > before.splits["test"].metrics["balanced_accuracy"]
    assert tasks.get("text-classification").floor_description == tuned.description
    assert json.loads(documents.to_json(tuned))
