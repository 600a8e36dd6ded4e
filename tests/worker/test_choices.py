"""What a trial may choose of its model: pooling, layers, embeddings, depths, the head's start."""

from __future__ import annotations

import json

import numpy as np
import pytest

from automl.events import Finished, Paused, Progressed, Reported, Started, Stopped
from automl.worker import head_start, store
from automl.worker.ranks import Ranks

from . import together
from .conftest import LABELS, TINY_BERT
from .test_continuing import until_finished, weights
from .test_training import load

pytestmark = pytest.mark.slow

CHOICES = {
    "pooling": {"pooling": "mean"},
    "kept layers": {"keep_layers": 1},
    "frozen embeddings": {"freeze_embeddings": True},
    "depths": {"layer_decay": 0.8},
    "head": {"head_init": "probe"},
    "all": {
        "pooling": "mean",
        "keep_layers": 1,
        "freeze_embeddings": True,
        "layer_decay": 0.8,
        "head_init": "probe",
    },
}
DEFAULTS = {
    "pooling": "stock",
    "freeze_embeddings": False,
    "layer_decay": 1.0,
    "head_init": "random",
    "keep_layers": 2,
}


@pytest.mark.parametrize("chosen", CHOICES.values(), ids=CHOICES)
def test_a_paused_trial_ends_as_an_unbroken_one_whatever_it_chose(bench, fault, chosen):
    unbroken = bench.trial("unbroken", hyperparameters=chosen)
    assert bench.run(unbroken) == 0
    paused = bench.trial("paused", hyperparameters=chosen)
    fault("pause@step=3;pause@step=6")
    assert until_finished(bench, paused) == 3
    assert bench.scores(paused) == bench.scores(unbroken)
    assert weights(paused) == weights(unbroken)


def test_the_defaults_change_nothing(bench, unbroken):
    said = bench.trial("said", hyperparameters=DEFAULTS)
    assert bench.run(said) == 0
    assert bench.scores(unbroken) == bench.scores(said)
    assert weights(unbroken) == weights(said)


def test_each_choice_changes_what_is_learnt(bench, unbroken):
    trials = {name: bench.trial(name, hyperparameters=each) for name, each in CHOICES.items()}
    assert {bench.run(trial) for trial in trials.values()} == {0}
    trials["plain"] = unbroken
    assert len({str(bench.scores(trial)) for trial in trials.values()}) == len(trials)


def test_frozen_embeddings_stay_and_the_optimizer_knows_nothing_of_them(bench, fault):
    trial = bench.trial(hyperparameters={"freeze_embeddings": True})
    fault("pause@step=3,once")
    assert bench.run(trial) == 0
    (checkpoint,) = trial.checkpoints.iterdir()
    states = json.loads((checkpoint / "training.json").read_text())["dict"]
    optimizer = next(value for key, value in states if key == "optimizer")["dict"]
    known = next(value for key, value in optimizer if key == "state")["dict"]
    before, after = load(TINY_BERT), load(checkpoint)
    frozen = [name for name in before if name.startswith("embeddings.")]
    assert len(frozen) == 5
    assert all((before[name] == after[f"bert.{name}"]).all() for name in frozen)
    assert len(known) == len(after) - len(frozen)
    assert bench.run(trial) == 0
    ended = load(trial.best)
    assert all((before[name] == ended[f"bert.{name}"]).all() for name in frozen)
    moved = "bert.encoder.layer.0.output.dense.weight"
    assert (before[moved.removeprefix("bert.")] != ended[moved]).any()


def test_deep_layers_move_less(bench):
    def moved(decay):
        trial = bench.trial(f"{decay}", hyperparameters={"layer_decay": decay, "epochs": 1})
        assert bench.run(trial) == 0
        before, after = load(TINY_BERT), load(trial.best)
        return [
            np.abs(before[name] - after[f"bert.{name}"]).mean()
            for name in (f"encoder.layer.{depth}.output.dense.weight" for depth in (0, 1))
        ]

    (low, high), (alike_low, alike_high) = moved(0.1), moved(1.0)
    assert low < 0.2 * high
    assert alike_low > 0.5 * alike_high


def test_weights_decay_as_trainer_has_it_at_every_depth(bench):
    from automl.worker import training
    from automl.worker.reporter import Reporter
    from automl.worker.settings import pace, training_arguments

    def groups(**chosen):
        trial = bench.trial(str(chosen), hyperparameters=chosen)
        spec = bench.spec.__class__(
            **{name: getattr(bench.spec, name) for name in bench.spec.__slots__}
            | {"hyperparameters": {**bench.spec.hyperparameters, **chosen}}
        )
        paced = pace(spec, 43)
        trainer = training.assemble(
            trial,
            spec,
            training_arguments(trial, spec, paced),
            paced,
            Ranks(0, 1),
            Reporter(trial, first=True),
            None,
        )
        names = {id(p): name for name, p in trainer.model.named_parameters()}
        return {
            names[id(p)]: (group["lr"], group["weight_decay"])
            for group in trainer.create_optimizer().param_groups
            for p in group["params"]
        }

    plain, deep = groups(), groups(layer_decay=0.5)
    assert {name: decay for name, (_, decay) in plain.items()} == {
        name: decay for name, (_, decay) in deep.items()
    }
    assert {rate for rate, _ in plain.values()} == {5e-3}
    assert deep["classifier.weight"] == (5e-3, 0.01)
    assert deep["bert.encoder.layer.0.attention.output.LayerNorm.weight"] == (1.25e-3, 0.0)


def test_a_head_start_begins_better_and_its_time_counts(bench):
    slow = {"learning_rate": 1e-9, "epochs": 1}
    random = bench.trial("random", hyperparameters=slow)
    probe = bench.trial("probe", hyperparameters={**slow, "head_init": "probe"})
    assert bench.run(random) == bench.run(probe) == 0
    first, second = (bench.events(trial, Reported)[0] for trial in (random, probe))
    assert second.metrics["log_loss"] < 0.8 * first.metrics["log_loss"]
    assert isinstance(bench.events(probe)[0], Started)


@pytest.mark.parametrize(("request_", "kind"), [("pause", Paused), ("stop", Stopped)])
def test_a_request_during_the_head_start_leaves_nothing_behind(bench, request_, kind):
    from automl.worker.run import run

    trial = bench.trial(hyperparameters={"head_init": "probe"})
    trial.request(request_)
    assert run(trial.spec) == 0
    assert isinstance(bench.events(trial)[-1], kind)
    assert bench.events(trial)[-1].step == 0
    assert not trial.checkpoints.exists()
    assert bench.run(trial) == 0
    assert isinstance(bench.events(trial)[-1], Finished)


def test_a_head_start_says_that_it_is_alive(bench, monkeypatch):
    from automl.worker import conduct

    monkeypatch.setattr(conduct, "PROGRESS_SECONDS", 0.0)
    trial = bench.trial(hyperparameters={"head_init": "probe"})
    assert bench.run(trial) == 0
    assert bench.events(trial, Progressed)[0].step == 0


@pytest.mark.parametrize("labels", [LABELS, ("home", "money"), (*LABELS, "unseen")])
def test_the_classifier_is_that_of_a_logistic_regression(data, labels, monkeypatch):
    from pathlib import Path

    import torch
    from sklearn.linear_model import LogisticRegression

    from automl.tasks._text import load_tokenizer
    from automl.tasks.text_classification import TASK
    from automl.worker.cache import read_columns

    columns = read_columns(Path(data.tables["train"]))
    kept = [row for row, label in enumerate(columns["label"]) if label in labels]
    columns = {role: [values[row] for row in kept] for role, values in columns.items()}
    monkeypatch.setattr(head_start, "STRENGTHS", (0.1,))
    tokenizer = load_tokenizer(str(TINY_BERT))
    rows = store.rows(TASK.encode(columns, tokenizer, 32, labels))
    model = TASK.build(str(TINY_BERT), labels, {"pooling": "mean"}, False)
    collate = TASK.collator(tokenizer)
    head_start.give(model, rows, collate, 8, 0, Ranks(0, 1), lambda: None)
    assert type(model.classifier) is torch.nn.Linear
    inputs = collate([rows[row] for row in range(len(rows))])
    targets = inputs.pop("labels").numpy()
    with torch.no_grad():
        pooled = model.eval().bert(**inputs)[1].numpy()
        predicted = model(**inputs).logits.softmax(-1).numpy()
    scaled = (pooled - pooled.mean(0)) / pooled.std(0)
    # Of two classes scikit-learn has one set of weights, whose penalty is twice that of two.
    strength = 0.2 if len(labels) == 2 else 0.1
    expected = LogisticRegression(C=strength, max_iter=1000).fit(scaled, targets)
    expected = expected.predict_proba(scaled)
    np.testing.assert_allclose(predicted[:, : expected.shape[1]], expected, atol=0.02)
    if len(labels) == 4:
        assert predicted[:, 3].max() < 0.05


def test_a_head_start_looks_at_so_many_rows_and_no_more(monkeypatch):
    from automl.tasks._text import load_tokenizer
    from automl.tasks.text_classification import TASK

    monkeypatch.setattr(head_start, "ROWS", 10)
    texts = {"text": [f"number {row}" for row in range(40)], "label": [*LABELS, "home"] * 10}
    tokenizer = load_tokenizer(str(TINY_BERT))
    rows = store.rows(TASK.encode(texts, tokenizer, 32, LABELS))
    pad = TASK.collator(tokenizer)
    batches = []

    def collate(items):
        batches.append([item["input_ids"].tolist() for item in items])
        return pad(items)

    heads = []
    for _ in range(2):
        model = TASK.build(str(TINY_BERT), LABELS, {}, False)
        head_start.give(model, rows, collate, 16, 3, Ranks(0, 1), lambda: None)
        heads.append(model.classifier.weight.tolist())
    assert [len(batch) for batch in batches] == [2, 10, 2, 10]
    assert batches[1] == batches[3]
    assert len({str(ids) for ids in batches[1]}) == 10
    assert heads[0] == heads[1]


def test_features_that_tell_nothing_leave_the_head_as_it_was_drawn():
    import torch

    from automl.tasks._text import load_tokenizer
    from automl.tasks.text_classification import TASK

    tokenizer = load_tokenizer(str(TINY_BERT))
    drawn = np.random.default_rng(0).choice(LABELS, 90)
    texts = {"text": [f"number {row}" for row in range(90)], "label": list(drawn)}
    rows = store.rows(TASK.encode(texts, tokenizer, 32, LABELS))
    torch.manual_seed(0)
    model = TASK.build(str(TINY_BERT), LABELS, {}, False)
    before = model.classifier.weight.tolist()
    head_start.give(model, rows, TASK.collator(tokenizer), 32, 0, Ranks(0, 1), lambda: None)
    assert model.classifier.weight.tolist() == before


def test_two_processes_begin_with_one_head(bench):
    still = {**CHOICES["all"], "learning_rate": 1e-9}
    both = bench.trial("both", processes=2, hyperparameters=still)
    alone = bench.trial("alone", hyperparameters=still)
    assert together.run(both) == [0, 0], both.log.read_text()
    assert bench.run(alone) == 0
    first, second = (bench.events(trial, Reported)[0].metrics for trial in (both, alone))
    assert first["log_loss"] == pytest.approx(second["log_loss"], abs=1e-4)
    assert isinstance(bench.events(both)[-1], Finished)


def test_costs_are_told_with_the_first_evaluation_alone(bench, unbroken):
    costly = bench.trial("costly", costs=True)
    assert bench.run(costly) == 0
    first, *others = bench.events(costly, Reported)
    assert set(first.costs) == {"latency_ms", "parameters", "disk"}
    assert first.costs["parameters"] == sum(t.numel() for t in load(costly.best).values())
    assert first.costs["disk"] == (costly.best / "model.safetensors").stat().st_size
    assert 0.1 < first.costs["latency_ms"] < 100
    assert not any(event.costs for event in others)
    assert bench.scores(unbroken) == bench.scores(costly)
    assert weights(unbroken) == weights(costly)
    assert not any(event.costs for event in bench.events(unbroken, Reported))


def test_fewer_layers_cost_less(bench):
    found = []
    for kept in (1, 2):
        trial = bench.trial(f"{kept}", costs=True, hyperparameters={"keep_layers": kept})
        assert bench.run(trial) == 0
        found.append(bench.events(trial, Reported)[0].costs)
    # The latency of so small a model is mostly Python, and on a busy machine mostly chance.
    assert all(found[0][name] < found[1][name] for name in ("parameters", "disk"))


def test_costs_that_were_told_are_not_measured_again(bench, fault):
    trial = bench.trial(costs=True, checkpoint_seconds=1e9)
    fault("crash@step=8,once")
    assert bench.run(trial) == 1
    assert bench.run(trial) == 0
    assert [bool(event.costs) for event in bench.events(trial, Reported)] == [True, False, False]
