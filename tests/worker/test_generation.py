"""Language tasks from tables to a scored model: long texts in windows, pairs with a reference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from automl.data.tables import write_table
from automl.errors import CandidateError
from automl.events import Finished, Reported
from automl.jobs import DataRef, InspectSpec, ModelRef, ScoreSpec
from automl.worker.inspection import inspect
from automl.worker.scoring import score
from tests.fixtures import tiny_decoder
from tests.fixtures.make_tiny_bert import corpus
from tests.tasks.pairs import PAIRS

from .conftest import TINY_BERT

TEXTS = [" ".join(corpus()[n : n + 6]) for n in range(0, 240, 6)]


def tables(folder: Path, columns: dict[str, list[str]], length: int) -> DataRef:
    """The same columns as every split."""
    path = folder / "rows.arrow"
    write_table(pa.table(columns), path)
    return DataRef(dict.fromkeys(("train", "validation", "test"), str(path)), (), "same", length)


@pytest.fixture
def model(tmp_path):
    return ModelRef("tiny", str(tiny_decoder.make(tmp_path / "model")))


def test_nothing_of_a_text_in_windows_is_said_to_be_cut(model):
    sample = tuple({"text": text} for text in [*TEXTS[:3], "short"])
    (found,) = inspect(InspectSpec("text-generation", (model,), (), sample, 32)).inspections
    assert found.refused is None
    assert found.lengths["max"] > found.max_length == 32
    assert found.lengths["truncated_share"] == 0


def test_an_encoder_is_refused_for_generation_with_a_reason():
    spec = InspectSpec(
        "text-generation", (ModelRef("bert", str(TINY_BERT)),), (), ({"text": "a text"},), None
    )
    assert inspect(spec).inspections[0].refused is not None


@pytest.mark.slow
def test_texts_in_windows_are_trained_on_to_the_end_and_scored(bench, model, tmp_path):
    data = tables(tmp_path, {"text": TEXTS}, 64)
    trial = bench.trial(
        task="text-generation",
        model=model,
        data=data,
        metric="bits_per_byte",
        direction="minimize",
        evaluation_samples=len(TEXTS),
        hyperparameters={"epochs": 2, "batch_size": 8, "learning_rate": 3e-3},
    )
    assert bench.run(trial) == 0
    reports = bench.events(trial, Reported)
    assert [report.samples for report in reports] == [len(TEXTS), 2 * len(TEXTS)]
    assert isinstance(bench.events(trial)[-1], Finished)
    assert bench.events(trial)[-1].step > 2 * len(TEXTS) / 8
    values = [report.metrics["bits_per_byte"] for report in reports]
    assert values[1] < values[0]
    best = ModelRef("best", str(trial.best))
    spec = ScoreSpec("text-generation", best, data, ("validation",), 8, 1, (), 0)
    found = score(spec)
    # The model reads 128 tokens at once here, in training 64: more context, fewer bits.
    assert found.splits["validation"].metrics["bits_per_byte"] == pytest.approx(values[1], rel=0.1)
    assert len(found.samples) == 5
    assert {"begun", "said"} == set(found.samples[0])


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["dpo", "orpo"])
def test_preferences_are_learnt_and_the_bundle_judges_as_the_trial_did(
    bench, model, tmp_path, loss
):
    data = tables(tmp_path, PAIRS, 128)
    trial = bench.trial(
        task="preference",
        model=model,
        data=data,
        metric="accuracy",
        direction="maximize",
        evaluation_samples=24,
        hyperparameters={
            "epochs": 2, "batch_size": 4, "learning_rate": 2e-3, "preference_loss": loss,
        },
    )  # fmt: skip
    assert bench.run(trial) == 0
    first, last = (bench.events(trial, Reported)[at].metrics for at in (0, -1))
    assert last["margin"] > first["margin"] > 0
    assert last["accuracy"] > 0.9
    spec = ScoreSpec("preference", ModelRef("best", str(trial.best)), data, ("test",), 8, 1, (), 0)
    found = score(replace(spec, base=model)).splits["test"].metrics
    assert found["accuracy"] == max(first["accuracy"], last["accuracy"])
    with pytest.raises(CandidateError, match="the model before training is gone"):
        score(spec)
