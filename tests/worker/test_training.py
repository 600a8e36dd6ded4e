"""One attempt at a trial: what it reports, what it keeps, how it fails."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
from dataclasses import replace
from statistics import fmean, median

import numpy as np
import pytest

from automl.events import Failed, Finished, Progressed, Reported, Started
from automl.jobs import DataRef, ModelRef, ScoreSpec
from automl.worker import conduct

from .conftest import TINY_BERT, rows

pytestmark = pytest.mark.slow


def load(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def without_dropout(tmp_path):
    """Return a copy of the tiny model that draws nothing while it trains."""
    folder = shutil.copytree(TINY_BERT, tmp_path / "still")
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return ModelRef("still", str(folder))


def test_a_trial_learns_and_says_what_it_did_in_order(bench):
    trial = bench.trial(evaluation_samples=86, hyperparameters={"epochs": 12})
    assert bench.run(trial) == 0
    said = bench.events(trial)
    assert isinstance(said[0], Started)
    assert (said[0].step, said[0].total_steps, said[0].processes) == (0, 72, 1)
    assert isinstance(said[-1], Finished)
    reports = bench.events(trial, Reported)
    assert [(e.evaluation, e.step, e.samples) for e in reports] == [
        (count, 12 * count, 86 * count) for count in range(1, 7)
    ]
    assert reports[-1].metrics["log_loss"] < 0.8 * math.log(3)
    assert all(e.time > 1.6e9 for e in said)
    assert said[-1].seconds >= reports[-1].seconds >= reports[0].seconds > 0


def test_the_order_of_events_times_and_seconds_only_grows(bench):
    trial = bench.trial(evaluation_samples=8)
    assert bench.run(trial) == 0
    times = [event.time for event in bench.events(trial)]
    assert times == sorted(times)
    assert len(bench.events(trial, Reported)) == 16


def test_progress_is_said_every_so_many_seconds(bench, monkeypatch):
    monkeypatch.setattr(conduct, "PROGRESS_SECONDS", 0.2)
    trial = bench.trial(hyperparameters={"epochs": 60}, evaluation_samples=10**6)
    assert bench.run(trial) == 0
    said = bench.events(trial, Progressed)
    assert said
    # An event's time is that of writing it, which may take a moment on a busy machine.
    assert said[-1].time - said[0].time > 0.2 * (len(said) - 4)
    assert all(e.samples_per_second > 0 and e.memory_bytes > 10**8 for e in said)
    assert all(0 < e.loss < 3 for e in said)


def test_the_said_speed_is_that_of_training_alone(bench, monkeypatch):
    monkeypatch.setattr(conduct, "PROGRESS_SECONDS", 0.0)  # at every step
    often = bench.trial("often", hyperparameters={"epochs": 40}, evaluation_samples=8)
    never = bench.trial("never", hyperparameters={"epochs": 40}, evaluation_samples=10**6)
    assert bench.run(often) == bench.run(never) == 0
    speeds = [
        median(e.samples_per_second for e in bench.events(trial, Progressed))
        for trial in (often, never)
    ]
    assert 0.1 < speeds[0] / speeds[1] < 10


def test_the_best_model_is_kept_and_not_the_last(bench, data, tmp_path):
    from automl.worker.scoring import score

    # Asked for the largest loss, the first evaluation is the best and training only leads away.
    # No text is longer than 64 tokens: scoring, which cuts none, reads what training read.
    data = replace(data, max_length=64)
    trial = bench.trial(
        data=data, direction="maximize", hyperparameters={"epochs": 12}, evaluation_samples=172
    )
    assert bench.run(trial) == 0
    reports = bench.events(trial, Reported)
    assert [e.best for e in reports] == [True, False, False]
    spec = ScoreSpec(
        "text-classification", ModelRef("best", str(trial.best)), data, ("validation",), 8, 1, (), 0
    )
    found = score(spec).splits["validation"].metrics["log_loss"]
    assert found == pytest.approx(reports[0].metrics["log_loss"], abs=1e-6)
    assert abs(found - reports[-1].metrics["log_loss"]) > 0.05


def test_the_best_folder_is_all_that_a_pipeline_needs(bench):
    from transformers import pipeline

    trial = bench.trial(
        hyperparameters={"epochs": 25, "learning_rate": 2e-3}, evaluation_samples=10**6
    )
    assert bench.run(trial) == 0
    classify = pipeline("text-classification", model=str(trial.best))
    assert classify("the morning train number 7")[0]["label"] == "travel"
    written = {file.name: file.read_text(errors="replace") for file in trial.best.iterdir()}
    assert set(written) >= {"config.json", "tokenizer.json", "model.safetensors"}
    assert not [name for name, text in written.items() if str(TINY_BERT.parent) in text]


def uneven(tmp_path):
    """Return 43 training rows, half of them of one class."""
    import pyarrow as pa

    from automl.data.tables import write_table

    table = pa.table(rows(63))
    kept = [row for row in range(63) if row % 3 == 0 or row % 6 == 1 or row % 5 == 0][:43]
    write_table(table.take(pa.array(kept)), tmp_path / "train.arrow")
    return {"train": str(tmp_path / "train.arrow")}


@pytest.mark.parametrize("more", [{}, {"class_weights": "balanced", "label_smoothing": 0.1}])
def test_accumulated_gradients_are_those_of_one_big_batch(bench, tmp_path, more):
    # Sequence-classification heads ignore the count Trainer passes them; unremedied, loss and
    # gradient grow by the factor (transformers #47688). 43 rows in batches of 8 end with 3, which
    # micro-batches of 2 see as 2 and 1: they must not weigh the same.
    model = without_dropout(tmp_path)
    data = replace(
        bench.spec.data, tables={**bench.spec.data.tables, **uneven(tmp_path)}, fingerprint="uneven"
    )
    steady = {"dropout": 0.0, "max_grad_norm": 0.0, **more}
    settings = {"hyperparameters": steady, "model": model, "data": data}
    whole, parts = bench.trial("whole", **settings), bench.trial("parts", micro_batch=2, **settings)
    assert bench.run(whole) == bench.run(parts) == 0
    first, second = load(whole.best), load(parts.best)
    for name, tensor in first.items():
        np.testing.assert_allclose(tensor, second[name], atol=2e-4, err_msg=name)
    for one, two in zip(bench.scores(whole), bench.scores(parts), strict=True):
        assert one[:4] == two[:4]
        assert one[4] == pytest.approx(two[4], abs=1e-3)


def test_the_said_loss_is_the_mean_over_rows_also_when_accumulating(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(conduct, "PROGRESS_SECONDS", 0.0)  # at every step
    model = without_dropout(tmp_path)
    quiet = {"learning_rate": 1e-9, "dropout": 0.0, "epochs": 40}
    losses = []
    for name, micro in (("whole", None), ("parts", 2)):
        trial = bench.trial(
            name, hyperparameters=quiet, model=model, micro_batch=micro, evaluation_samples=10**6
        )
        assert bench.run(trial) == 0
        losses.append(fmean(e.loss for e in bench.events(trial, Progressed)))
    assert losses[0] == pytest.approx(math.log(3), abs=0.1)
    assert losses[1] == pytest.approx(losses[0], abs=0.05)


@pytest.mark.parametrize(
    ("family", "more"), [("mixtral", {"num_local_experts": 2}), ("gpt_neox", {}), ("llama", {})]
)
def test_best_and_checkpoint_give_back_the_weights_of_every_family(
    bench, fault, tmp_path, family, more
):
    # mixtral is among those whose original format renames keys (transformers #43701).
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

    folder = shutil.copytree(TINY_BERT, tmp_path / family)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
    config = AutoConfig.for_model(family, vocab_size=384, **sizes, **heads, **more)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    model = ModelRef(family, str(folder))
    unbroken, paused = bench.trial("unbroken", model=model), bench.trial("paused", model=model)
    assert bench.run(unbroken) == 0
    fault("pause@step=8,once")
    assert bench.run(paused) == bench.run(paused) == 0
    assert bench.scores(paused) == bench.scores(unbroken)
    loaded, found = AutoModelForSequenceClassification.from_pretrained(
        unbroken.best, output_loading_info=True
    )
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    saved = load(unbroken.best)
    assert set(saved) == set(loaded.state_dict())
    assert all(torch.equal(saved[name], tensor) for name, tensor in loaded.state_dict().items())


@pytest.mark.parametrize(
    ("wish", "kind", "words"),
    [
        ("nan@step=3", "not_a_number", "the loss is nan by step"),
        ("oom@step=2", "out_of_memory", "can't allocate memory"),
        ("crash@step=5", "crash", "InjectedCrash: injected at step 5"),
        ("bad_candidate", "bad_candidate", "can't be loaded"),
    ],
)
def test_each_failure_is_told_by_its_kind(bench, fault, capfd, wish, kind, words):
    trial = bench.trial()
    fault(wish)
    assert bench.run(trial) == 1
    failed = bench.events(trial)[-1]
    assert isinstance(failed, Failed)
    assert failed.kind == kind
    assert words in failed.message
    assert "Traceback" in capfd.readouterr().err
    if kind == "not_a_number":
        assert not trial.best.exists()


def test_a_model_that_predicts_no_numbers_is_told_even_if_its_loss_is_one(bench):
    trial = bench.trial(
        hyperparameters={
            "learning_rate": 1.0,
            "epochs": 30,
            "max_grad_norm": 0.0,
            "warmup_ratio": 0,
        }
    )
    fault_free = bench.run(trial)
    last = bench.events(trial)[-1]
    assert (fault_free, type(last)) in [(0, Finished), (1, Failed)]
    assert all(math.isfinite(v) for e in bench.events(trial, Reported) for v in e.metrics.values())


def test_a_folder_that_holds_no_model_is_a_bad_candidate(bench, tmp_path):
    trial = bench.trial(model=ModelRef("gone", str(tmp_path / "gone")))
    assert bench.run(trial) == 1
    assert bench.events(trial)[-1].kind == "bad_candidate"


def test_a_launcher_that_started_too_few_processes_is_found_out(bench):
    trial = bench.trial(processes=2)
    assert bench.run(trial) == 1
    assert "2 processes were asked for, 1 came" in bench.events(trial)[-1].message


def test_bfloat16_trains_where_the_machine_multiplies_it(bench):
    import torch

    from automl.worker import device

    if not device.supports("bf16", torch.device("cpu")):
        pytest.skip("this CPU has no bfloat16 instructions")
    losses = {}
    for precision in ("fp32", "bf16"):
        trial = bench.trial(precision, precision=precision, hyperparameters={"epochs": 12})
        assert bench.run(trial) == 0
        losses[precision] = bench.events(trial, Reported)[-1].metrics["log_loss"]
        assert {str(t.dtype) for t in load(trial.best).values()} == {"torch.float32"}
    assert losses["bf16"] < 0.8 * math.log(3)
    assert losses["bf16"] != losses["fp32"]


def test_the_process_is_left_as_it_was(bench, fault):
    import torch
    from transformers.utils import logging

    def state():
        return (
            dict(os.environ),
            os.getcwd(),
            torch.get_num_threads(),
            torch.get_rng_state().tolist(),
            random.getstate(),
            np.random.get_state()[1].tolist(),
            logging.get_verbosity(),
            logging.is_progress_bar_enabled(),
            torch.is_grad_enabled(),
        )

    assert bench.run(bench.trial("first")) == 0
    fault("crash@step=2,trial=3")
    before = state()
    assert bench.run(bench.trial("second", seed=99, threads=2)) == 0
    assert bench.run(bench.trial("third", number=3)) == 1
    assert state() == before


def test_two_seeds_give_two_models_and_one_seed_the_same(bench):
    trials = [bench.trial(f"{i}", seed=seed) for i, seed in enumerate((1, 1, 2))]
    assert [bench.run(trial) for trial in trials] == [0, 0, 0]
    first, again, other = (bench.scores(trial) for trial in trials)
    assert first == again
    assert first != other


def test_each_epoch_sees_every_row_once_in_an_order_of_its_own(bench):
    from automl.worker import training
    from automl.worker.ranks import Ranks
    from automl.worker.reporter import Reporter
    from automl.worker.sampling import order
    from automl.worker.settings import pace, training_arguments

    class Watched:
        def __init__(self, rows):
            self.rows, self.seen = rows, []

        def __len__(self):
            return len(self.rows)

        def __getitem__(self, row):
            self.seen.append(row)
            return self.rows[row]

    trial, spec = bench.trial(), bench.spec
    paced = pace(spec, 43)
    arguments = training_arguments(trial, spec, paced)
    reporter = Reporter(trial, first=True)
    trainer = training.assemble(trial, spec, arguments, paced, Ranks(0, 1), reporter, None)
    watched = trainer.train_dataset = Watched(trainer.train_dataset)
    trainer.train()
    expected = [order(watched.rows.lengths, 8, spec.seed, epoch) for epoch in range(3)]
    assert watched.seen == [row for epoch in expected for row in epoch]
    assert expected[0] != expected[1]


def test_the_validation_split_alone_decides(bench, data):
    tables = {split: path for split, path in data.tables.items() if split != "test"}
    blind = DataRef(tables, data.labels, data.fingerprint, data.max_length)
    assert bench.run(bench.trial(data=blind)) == 0
