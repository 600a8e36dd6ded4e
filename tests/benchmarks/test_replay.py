"""The replay: simulated workers under the project's own scheduler, on made-up curves."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from automl.events import Paused, Reported, Saved, Started, Tail
from automl.executors import Slot
from automl.rundir import TrialDir
from benchmarks.replay import curves, figures
from benchmarks.replay.arms import ARMS, plan
from benchmarks.replay.curves import EPOCHS, SPACE, MadeUp
from benchmarks.replay.reference import Reference
from benchmarks.replay.runs import Run, Setting, replay
from benchmarks.replay.simulation import ROWS, Simulation, Worker

UNITS = 3.0


def setting(arm: str, workers: int = 1, resume: float = 0.1, seed: int = 0) -> Setting:
    return Setting(arm, "made-up", seed, workers, resume, UNITS)


@pytest.mark.parametrize("arm", ["random", "hyperband-here", "promotion-random", "ours"])
@pytest.mark.parametrize("workers", [1, 4])
def test_incumbents_rise_and_stay_within_the_budget(arm: str, workers: int):
    run = replay(setting(arm, workers), MadeUp())
    assert run.trials >= 1
    assert list(run.values) == sorted(set(run.values))
    assert list(run.times) == sorted(run.times)
    assert run.times[0] > 0
    assert run.times[-1] <= UNITS + 1e-9


def test_random_trains_every_configuration_to_its_end():
    run = replay(setting("random"), MadeUp())
    assert (run.trials, run.complete, run.resumed) == (3, 3, 0)


def test_promotion_starts_more_configurations_and_continues_some():
    run = replay(setting("promotion-random"), MadeUp())
    assert run.trials > 3
    assert run.complete >= 1
    assert run.resumed >= 1


def test_same_setting_gives_the_same_run():
    first, again = (replay(setting("ours"), MadeUp()) for _ in range(2))
    assert (first.times, first.values) == (again.times, again.values)


def worker(folder: Path, *, rungs: tuple[int, ...] = (), done: float = 0.0) -> Worker:
    """A worker on a clock of its own, with ``done`` epochs in its checkpoint."""
    trial = TrialDir(folder)
    spec = {"number": 0, "hyperparameters": {}, "rungs": rungs}
    trial.spec.write_text(json.dumps(spec))
    if done:
        trial.checkpoints.mkdir()
        (trial.checkpoints / "done").write_text(repr(done))
    simulation = Simulation(
        score=lambda _: np.linspace(0.1, 0.9, EPOCHS),
        metric="accuracy",
        resume_seconds=5.0,
        deadline=math.inf,
    )
    return simulation.start(trial, Slot(0, (), 1, 1))


def run_until(made: Worker, *, epochs: int) -> None:
    while len(made.simulation.heard) < epochs and made.code is None:
        made.simulation.sleep(0.05)


def test_resume_takes_its_time_and_repeats_no_epoch(tmp_path: Path):
    made = worker(tmp_path, done=6.0)
    run_until(made, epochs=1)
    assert [(one.time, one.epoch) for one in made.simulation.heard] == [(6.0, 7)]


def test_paused_worker_has_saved_what_it_trained(tmp_path: Path):
    made = worker(tmp_path)
    run_until(made, epochs=4)
    made.trial.request("pause")
    made.simulation.sleep(0.05)
    said = [type(event) for event in Tail(made.trial.metrics).read()]
    assert said == [Started, *[Reported] * 4, Saved, Paused]
    assert made.code == 0
    assert made.simulation.start(made.trial, Slot(0, (), 1, 1)).done == 4.0


def test_worker_waits_at_a_rung_until_it_is_told_to_continue(tmp_path: Path):
    made = worker(tmp_path, rungs=(2 * ROWS,))
    run_until(made, epochs=2)
    made.simulation.sleep(0.05)
    made.simulation.sleep(0.05)
    assert len(made.simulation.heard) == 2
    made.trial.request("continue")
    run_until(made, epochs=3)
    assert made.trial.requested() is None
    rungs = [e.rung for e in Tail(made.trial.metrics).read() if isinstance(e, Reported)]
    assert rungs == [False, True, False]


def test_waiting_for_ever_is_an_error(tmp_path: Path):
    made = worker(tmp_path, rungs=(ROWS,))
    run_until(made, epochs=1)
    with pytest.raises(RuntimeError, match="nothing happens"):
        run_until(made, epochs=2)


def test_starts_are_tried_first():
    best = np.array([[_at(p, MadeUp().optimum) for p in SPACE]])
    best = np.array([list(curves.configuration(best[0]).values())[:-1]], float)
    run = replay(setting("ours-portfolio"), MadeUp(), best)
    assert run.values[0] == MadeUp().curve("", curves.configuration(best[0]))[0]
    assert run.values[-1] > 95


def _at(parameter: curves.Parameter, share: float) -> float:
    assert parameter.low is not None
    assert parameter.high is not None
    if parameter.log:
        return parameter.low * (parameter.high / parameter.low) ** share
    return parameter.low + share * (parameter.high - parameter.low)


def test_random_rows_lie_in_the_space_and_repeat():
    rows = curves.draw(200, seed=3)
    assert np.array_equal(rows, curves.draw(200, seed=3))
    for column, parameter in zip(rows.T, SPACE, strict=True):
        assert column.min() >= (parameter.low or 0.0)
        assert column.max() <= (parameter.high or math.inf)


def test_portfolio_never_looks_at_its_own_task():
    random = np.random.default_rng(0)
    values = {task: random.random(50) for task in ("a", "b", "c")}
    known = Reference(curves.draw(50, seed=1), values)
    changed = Reference(known.rows, {**values, "a": random.random(50)})
    chosen = known.portfolio("a", ("a", "b", "c"))
    assert np.array_equal(chosen, changed.portfolio("a", ("a", "b", "c")))


def test_speed_is_the_time_that_the_other_arm_needs_over_mine():
    values = {"made-up": np.array([0.0, 50.0, 100.0])}
    slow = _run("random", (1.0, 2.0), (60.0, 80.0))
    fast = _run("ours", (0.5,), (80.0,))
    found = figures.figures([slow, fast], Reference(curves.draw(3, 1), values), {"made-up": 100.0})
    assert found.regret("random", 1)[0] == pytest.approx(0.8)
    assert found.speed("ours")[0] == pytest.approx(UNITS / 0.5)
    assert found.difference("ours", "random", 1)[0] == pytest.approx(-0.4)


def test_arms_that_lack_a_pair_are_refused():
    values = {"made-up": np.array([0.0, 50.0, 100.0])}
    runs = [_run("random", (1.0,), (60.0,)), _run("random", (1.0,), (60.0,), seed=1)]
    runs.append(_run("ours", (1.0,), (60.0,)))
    with pytest.raises(ValueError, match="ours lacks"):
        figures.figures(runs, Reference(curves.draw(3, 1), values), {"made-up": 100.0})


def _run(arm: str, times: tuple[float, ...], values: tuple[float, ...], seed: int = 0) -> Run:
    return Run(setting(arm, seed=seed), times, values, 1, 1, 0, 0.0)


def test_first_rung_is_neither_the_first_evaluation_nor_the_end():
    made = plan(ARMS["ours"], 0, 100.0, ())
    per_epoch = made.search.evaluation_samples
    assert per_epoch < made.search.rungs[0] < EPOCHS * per_epoch


def test_surrogate_reads_features_in_its_own_order():
    pytest.importorskip("onnxruntime")
    if not (curves.folder() / "model.onnx").exists():
        pytest.skip("the surrogate is not there")
    found = curves.Surrogate().curves("3945", curves.draw(50, seed=0))
    assert found.shape == (50, EPOCHS)
    assert found.min() >= 0
    assert found.max() <= 100
    # Training helps nearly always; in another order the output is noise.
    assert (found.max(axis=1) > found[:, 0]).mean() > 0.9
