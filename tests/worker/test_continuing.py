"""A trial that was interrupted ends as one that was not, bit for bit."""

from __future__ import annotations

import pytest

from automl.events import Finished, Paused, Reported, Saved, Started, Stopped
from automl.jobs import Parent
from automl.worker import checkpoints

from .conftest import made

pytestmark = pytest.mark.slow

PAUSES = {
    "mid-epoch": "pause@step=3",
    "at the end of an epoch, inside its evaluation": "pause@step=6",
    "right after an epoch began": "pause@step=7",
    "three times": "pause@step=2;pause@step=9;pause@step=17",
    "inside the last evaluation": "pause@step=18",
}
SHAPES = {
    "plain": {},
    "accumulating": {"micro_batch": 3},
    "smoothing, cosine": {"hyperparameters": {"label_smoothing": 0.1, "schedule": "cosine"}},
}


def weights(trial):
    return (trial.best / "model.safetensors").read_bytes()


def until_finished(bench, trial):
    for attempts in range(1, 10):
        assert bench.run(trial) == 0
        if isinstance(bench.events(trial)[-1], Finished):
            return attempts
    raise AssertionError("it never finished")


@pytest.fixture(scope="module", params=SHAPES.values(), ids=SHAPES)
def shape(request):
    return request.param


@pytest.fixture(scope="module")
def whole(shape, tmp_path_factory, data, tokens):
    """A trial of the shape that went to its end without a pause."""
    bench = made(tmp_path_factory.mktemp("whole"), data, tokens)
    trial = bench.trial(**shape)
    assert bench.run(trial) == 0
    return trial


@pytest.mark.parametrize("pauses", PAUSES.values(), ids=PAUSES)
def test_a_paused_trial_ends_with_the_weights_and_scores_of_an_unbroken_one(
    bench, fault, pauses, shape, whole
):
    paused = bench.trial("paused", **shape)
    fault(pauses)
    assert until_finished(bench, paused) == 1 + pauses.count("pause")
    assert bench.scores(paused) == bench.scores(whole)
    assert weights(paused) == weights(whole)
    asked = [int(each.rpartition("=")[2]) for each in pauses.split(";")]
    assert [event.step for event in bench.events(paused, Paused)] == asked
    assert [event.step for event in bench.events(paused, Started)] == [0, *asked]


def test_a_trial_that_is_killed_continues_from_its_last_checkpoint(bench, unbroken, fault):
    crashed = bench.trial("crashed", checkpoint_seconds=0.0)
    fault("crash@step=9,once")
    assert bench.run(crashed) == 1
    assert bench.run(crashed) == 0
    assert [event.step for event in bench.events(crashed, Started)] == [0, 6]
    assert bench.scores(crashed) == bench.scores(unbroken)
    assert weights(crashed) == weights(unbroken)


def test_an_evaluation_reported_by_a_lost_attempt_is_not_reported_again(bench, unbroken, fault):
    crashed = bench.trial("crashed", checkpoint_seconds=1e9)
    fault("crash@step=14,once")
    assert bench.run(crashed) == 1
    assert len(bench.events(crashed, Reported)) == 2
    assert bench.run(crashed) == 0
    assert [event.step for event in bench.events(crashed, Started)] == [0, 0]
    assert bench.scores(crashed) == bench.scores(unbroken)
    assert weights(crashed) == weights(unbroken)


def test_halving_what_fits_at_once_keeps_the_checkpoint(bench, fault):
    trial = bench.trial()
    fault("pause@step=4")
    assert bench.run(trial) == 0
    bench.respec(trial, micro_batch=4)
    assert bench.run(trial) == 0
    assert [event.step for event in bench.events(trial, Started)] == [0, 4]
    assert bench.events(trial)[-1].step == 18


def test_a_checkpoint_of_other_hyperparameters_is_set_aside(bench, fault, capfd):
    trial = bench.trial()
    fault("pause@step=4,once")
    assert bench.run(trial) == 0
    bench.respec(trial, hyperparameters={"learning_rate": 1e-3})
    assert bench.run(trial) == 0
    assert [event.step for event in bench.events(trial, Started)] == [0, 0]
    assert "another configuration" in capfd.readouterr().err


def test_a_broken_checkpoint_is_set_aside_and_training_starts_over(bench, unbroken, fault, capfd):
    trial = bench.trial()
    fault("pause@step=4,once")
    assert bench.run(trial) == 0
    weak = checkpoints.path(trial.checkpoints, 4) / "training.safetensors"
    weak.write_bytes(weak.read_bytes()[:-1] + b"\1")
    assert bench.run(trial) == 0
    assert "training.safetensors has changed" in capfd.readouterr().err
    assert weights(trial) == weights(unbroken)


def test_only_the_newest_checkpoint_is_kept(bench):
    trial = bench.trial(checkpoint_seconds=0.0)
    assert bench.run(trial) == 0
    saved = bench.events(trial, Saved)
    assert [event.step for event in saved] == [6, 12]
    assert [folder.name for folder in trial.checkpoints.iterdir()] == ["step-00000012"]
    size = sum(f.stat().st_size for f in (trial.root / saved[-1].path).iterdir())
    assert size - saved[-1].bytes == (trial.root / saved[-1].path / "complete.json").stat().st_size


def test_stopping_leaves_no_checkpoint(bench, fault):
    trial = bench.trial()
    fault("stop@step=5")
    assert bench.run(trial) == 0
    assert isinstance(bench.events(trial)[-1], Stopped)
    assert bench.events(trial)[-1].step == 5
    assert not trial.checkpoints.exists()


def test_a_trial_whose_parent_is_gone_saves_and_leaves(bench):
    nobody = Parent(bench.spec.parent.pid, bench.spec.parent.created - 1000)
    trial = bench.trial(parent=nobody)
    assert bench.run(trial) == 0
    (paused,) = bench.events(trial, Paused)
    assert paused.reason == "parent_gone"
    assert checkpoints.path(trial.checkpoints, paused.step).exists()
