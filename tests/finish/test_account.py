"""What is told of a search: summaries, confirmed configurations, points before objectives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from automl.finish import averaging
from automl.finish.account import choice, summaries
from automl.jobs import DataRef
from automl.plan import Configuration
from automl.search.trial import Evaluation, StudyTrial


def test_repeats_are_told_with_their_original_the_best_mean_first(finished, plan):
    study = finished(0.90, 0.88, 0.70, 0.80, 0.87, repeats=(0, 1))
    best = study.best()
    found = choice(study, best, None)
    assert [one.trials for one in found.confirmed] == [(1, 4), (0, 3)]
    assert found.optimism == pytest.approx(((0.88 - 0.87) + (0.90 - 0.80)) / 2)
    assert found.of(4) == found.of(1) == found.confirmed[0]
    assert found.of(2) is None
    assert found.points == ()
    assert [one.repeat_of for one in summaries(study)] == [None, None, None, 0, 1]


def test_points_are_told_with_several_objectives_only(finished, plan):
    goal = replace(plan.goal, also={"latency_ms": "minimize"}, subject_to=("latency_ms <= 1",))
    study = finished(0.9, 0.8, plan=replace(plan, goal=goal))
    found = choice(study, study.trials[0], None)
    assert [(one.trial, one.front, one.feasible, one.chosen) for one in found.points] == [
        (0, False, False, True), (1, False, False, False),
    ]  # fmt: skip
    assert summaries(study)[0].broken == ("latency_ms <= 1",)


def test_the_reason_of_the_end_is_the_studys(finished):
    study = finished(0.9)
    study.end("all 1 trials have been made")
    assert choice(study, study.trials[0], None).ended == "all 1 trials have been made"


def trial(number: int, value: float, **hyperparameters) -> StudyTrial:
    configuration = Configuration("small", {"epochs": 3, **hyperparameters})
    return StudyTrial(number, configuration, "complete", (Evaluation(1, 100, value),))


def kept(rundir, *numbers: int) -> None:
    for number in numbers:
        rundir.trial(number).best.mkdir(parents=True)
        (rundir.trial(number).best / "config.json").write_text("{}")


def test_only_models_of_one_architecture_are_alike(rundir):
    trials = (
        trial(0, 0.7),
        trial(1, 0.9, pooling="mean"),
        trial(2, 0.8, method="full"),
        trial(3, 0.6, keep_layers=2),
        trial(4, 0.5, method="probe"),
        trial(5, 0.95, learning_rate=1e-3),
        replace(trial(6, 0.99), state="failed"),
        replace(trial(7, 0.99), state="running"),
        replace(trial(8, 0.9), configuration=Configuration("large", {"epochs": 3})),
        trial(9, 0.9),
    )
    kept(rundir, *range(9))
    found = averaging.like(trials, trials[2], "maximize", rundir)
    assert [one.number for one in found] == [2, 5, 0]


def test_merged_adapters_are_averaged_like_other_models_unless_they_leave_alone(rundir, plan):
    trials = (trial(0, 0.9, method="lora"), trial(1, 0.8), trial(2, 0.7, method="qlora"))
    kept(rundir, 0, 1, 2)
    found = averaging.like(trials, trials[0], "maximize", rundir)
    assert [one.number for one in found] == [0, 1, 2]
    alone = replace(plan, export=replace(plan.export, adapter="keep"))
    heard = []
    data = DataRef({}, plan.data.labels, "", 64)
    said = averaging.soup(alone, trials, trials[0], data, rundir, (), None, heard.append)
    assert (said, heard) == (None, [])


def test_a_frozen_encoder_is_not_averaged(rundir):
    trials = (trial(0, 0.9, method="probe"), trial(1, 0.8, method="probe"))
    kept(rundir, 0, 1)
    assert averaging.like(trials, trials[0], "maximize", rundir) == ()


def test_only_so_many_models_are_offered_the_winner_first(rundir):
    trials = tuple(trial(number, number / 100) for number in range(20))
    kept(rundir, *range(20))
    found = averaging.like(trials, trials[3], "minimize", rundir)
    assert [one.number for one in found] == [3, 0, 1, 2, 4, 5, 6, 7]
