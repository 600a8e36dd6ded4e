"""Encoder-decoders in trials and jobs: they learn, accumulate alike, are measured and scored."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from automl.data.tables import write_table
from automl.jobs import DataRef, FloorSpec, InspectSpec, MeasureSpec, ModelRef, ScoreSpec
from automl.tasks import _loading, get
from automl.tasks._seq2seq import SETTINGS
from automl.worker import models
from automl.worker.floor import floor
from automl.worker.inspection import inspect
from automl.worker.measuring import measure
from automl.worker.scoring import score
from tests.tasks.tiny_seq2seq import tiny_bart, tiny_t5

pytestmark = pytest.mark.slow
TASK = "text2text-generation"
PLACES = ("house", "garden", "train")


def rows(count: int, offset: int = 0) -> dict[str, list[str]]:
    """Rows whose target is one word of their text."""
    numbers = range(offset, offset + count)
    return {
        "text": [f"{'please ' * (n % 4)}the {PLACES[n % 3]} number {n}" for n in numbers],
        "target": [f"the {PLACES[n % 3]}{' it is' * (n % 2)}" for n in numbers],
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> DataRef:
    """43 training rows, 23 of validation, 20 of test."""
    folder = tmp_path_factory.mktemp("written")
    tables = {}
    for split, counts in {"train": (43, 0), "validation": (23, 100), "test": (20, 200)}.items():
        tables[split] = str(folder / f"{split}.arrow")
        write_table(pa.table(rows(*counts)), Path(tables[split]))
    return DataRef(tables, (), "written", 32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    return ModelRef("t5", str(tiny_t5(tmp_path_factory.mktemp("t5"))))


@pytest.fixture
def writing(bench, written, model):
    """A bench whose trials write; without dropout, so that they draw nothing."""
    chosen = {**bench.spec.hyperparameters, "dropout": 0.0, "learning_rate": 1e-2}
    spec = replace(
        bench.spec,
        task=TASK,
        data=written,
        model=model,
        metric="rougeL",
        direction="maximize",
        hyperparameters=chosen,
    )
    return replace(bench, spec=spec)


def test_a_trial_learns_to_write_and_its_best_scores_as_it_said(writing, written):
    trial = writing.trial(hyperparameters={"epochs": 12}, evaluation_samples=43 * 4)
    assert writing.run(trial) == 0
    reported = [metrics["rougeL"] for *_, metrics in writing.scores(trial)]
    assert len(reported) == 3
    assert reported[-1] > max(0.6, reported[0])
    spec = ScoreSpec(TASK, ModelRef("best", str(trial.best)), written, ("validation",), 8, 1, (), 0)
    found = score(spec)
    assert found.splits["validation"].metrics["rougeL"] == pytest.approx(max(reported), abs=1e-6)
    assert found.max_length == written.max_length
    said = json.loads((trial.best / "tokenizer_config.json").read_text())[SETTINGS]
    assert said == {"prompt": "", "target_length": 16}


def test_accumulated_gradients_of_tokens_are_those_of_one_big_batch(writing):
    # T5's loss ignores the count Trainer passes it (transformers #47688), and parts of a batch hold
    # unlike numbers of target tokens: they must not weigh the same.
    from safetensors.torch import load_file

    settings = {"hyperparameters": {"epochs": 1, "max_grad_norm": 0.0}}
    whole, parts = (
        writing.trial("whole", **settings),
        writing.trial("parts", micro_batch=2, **settings),
    )
    assert writing.run(whole) == writing.run(parts) == 0
    first, second = (load_file(trial.best / "model.safetensors") for trial in (whole, parts))
    for name, tensor in first.items():
        np.testing.assert_allclose(tensor, second[name], atol=5e-4, err_msg=name)


def test_smoothing_makes_the_said_loss_larger(writing):
    losses = []
    for smoothing in (0.0, 0.5):
        trial = writing.trial(
            f"smooth-{smoothing}",
            hyperparameters={"label_smoothing": smoothing, "epochs": 12},
            evaluation_samples=10**6,
        )
        assert writing.run(trial) == 0
        losses.append(writing.events(trial)[-2].loss)
    assert losses[1] > losses[0] + 0.3


@pytest.mark.parametrize("make", [tiny_t5, tiny_bart])
def test_an_encoder_decoder_is_inspected_and_measured(written, tmp_path, make):
    ref = ModelRef("tiny", str(make(tmp_path / "model")))
    columns = rows(43)
    sample = tuple(
        {"text": text, "target": target} for text, target in zip(*columns.values(), strict=True)
    )
    (found,) = inspect(InspectSpec(TASK, (ref,), (), sample, None)).inspections
    assert found.refused is None
    assert 8 < found.target_length <= 16
    assert found.notes[0].startswith("targets cut at 16 tokens: 0.0% are longer")
    spec = MeasureSpec(
        TASK, ref, written, 8, (1,), ("fp32",), (), 2, str(tmp_path / "tokens"), (4, 8)
    )
    result = measure(spec)
    assert {each.batch_size for each in result.batches} == {4, 8}
    assert all(each.seconds_per_step for each in result.batches)
    assert result.seconds_per_evaluated_row == result.seconds_per_scored_row > 0
    assert 0 < result.frozen_share <= 1


def test_a_split_is_scored_as_far_as_the_task_goes(written, model, monkeypatch):
    task = get(TASK)
    monkeypatch.setattr("automl.tasks.get", lambda name: replace(task, scored_rows=7))
    kept = Path(written.tables["test"]).parent / "kept"
    tokenizer = models.tokenizer(task, model, written)
    built = task.build(model.path, (), {}, False)
    built.generation_config.max_new_tokens = 4
    built.save_pretrained(kept)
    tokenizer.save_pretrained(kept)
    spec = ScoreSpec(TASK, ModelRef("kept", str(kept)), written, ("test",), 8, 1, (), 0)
    assert score(spec).splits["test"].rows == 7
    assert floor(FloorSpec(TASK, written, ("test",), 1, 0)).splits["test"].rows == 7


def test_encoded_rows_are_remembered_by_what_the_tokenizer_was_told(writing, written, model):
    from automl.worker import cache

    task = get(TASK)
    one, _ = _loading.adapted(task, model.path, False, lambda: rows(43))
    other, _ = _loading.adapted(task, model.path, False, lambda: rows(43))
    other.init_kwargs[SETTINGS] = {**other.init_kwargs[SETTINGS], "prompt": "say: "}
    keys = {cache.key(task, written, "train", each) for each in (one, other)}
    assert len(keys) == 2
