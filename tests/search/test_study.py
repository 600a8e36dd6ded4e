"""The study: what it draws, what it remembers, what it refuses."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.plan import Configuration, SearchPlan
from automl.search import space
from automl.search.history import read
from automl.search.study import RETIRE_AFTER, Evaluation, Study
from tests import factories


def score(configuration: Configuration) -> float:
    """A smooth objective with its best learning rate at 3e-4."""
    rate = float(configuration.hyperparameters["learning_rate"])
    bonus = 0.1 if configuration.candidate == "large" else 0.0
    return 0.9 - 0.2 * abs(math.log10(rate / 3e-4)) + bonus


def play(study: Study, trials: int) -> list[Configuration]:
    drawn = []
    for _ in range(trials):
        trial = study.ask()
        assert trial is not None
        value = score(trial.configuration)
        study.report(trial.number, Evaluation(1, 100, value), 1.0)
        study.tell(trial.number, "complete")
        drawn.append(trial.configuration)
    return drawn


def test_each_candidate_default_is_tried_first(tmp_path: Path):
    study = Study(tmp_path / "j", factories.plan())
    first, second = study.ask(), study.ask()
    assert [t.configuration.candidate for t in (first, second) if t] == ["small", "large"]
    for trial in (first, second):
        assert trial is not None
        assert trial.configuration == space.default(
            factories.candidate(trial.configuration.candidate)
        )


def test_draws_stay_inside_each_candidate_space(tmp_path: Path):
    for configuration in play(Study(tmp_path / "j", factories.plan()), 20):
        values = configuration.hyperparameters
        assert 1e-5 <= values["learning_rate"] <= 1e-3
        assert values["epochs"] in range(1, 6)
        assert values["batch_size"] in (16, 32)


def test_interrupted_study_draws_what_the_undisturbed_one_draws(tmp_path: Path):
    undisturbed = play(Study(tmp_path / "one", factories.plan()), 15)
    resumed = []
    for _ in range(5):
        resumed += play(Study(tmp_path / "two", factories.plan()), 3)
    assert resumed == undisturbed


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_another_seed_draws_other_configurations(tmp_path: Path, sampler: str):
    drawn = [
        play(
            Study(
                tmp_path / str(seed), factories.plan(search=SearchPlan(seed, sampler, "none", 9))
            ),
            6,
        )
        for seed in (1, 2)
    ]
    assert drawn[0][:2] == drawn[1][:2]
    assert drawn[0][2:] != drawn[1][2:]
    assert len({json.dumps(dict(c.hyperparameters)) for c in drawn[0]}) > 4


def test_tpe_draws_near_the_optimum_after_learning(tmp_path: Path):
    drawn = play(Study(tmp_path / "j", factories.plan()), 40)
    late = [abs(math.log10(float(c.hyperparameters["learning_rate"]) / 3e-4)) for c in drawn[25:]]
    early = [abs(math.log10(float(c.hyperparameters["learning_rate"]) / 3e-4)) for c in drawn[2:12]]
    assert sum(late) / len(late) < 0.75 * sum(early) / len(early)


def test_history_is_kept_over_a_restart(tmp_path: Path):
    study = Study(tmp_path / "j", factories.plan())
    play(study, 3)
    running = study.ask()
    assert running is not None
    study.report(running.number, Evaluation(1, 50, 0.5), 2.5)
    study.attempt(running.number)
    study.shrink(running.number, 4)
    study.spend(12.5)
    again = Study(tmp_path / "j", factories.plan())
    assert again.trials == study.trials
    assert again.seconds == 12.5
    assert read(tmp_path / "j").trials == study.trials


def test_telling_twice_is_refused(tmp_path: Path):
    study = Study(tmp_path / "j", factories.plan())
    play(study, 1)
    with pytest.raises(ValueError, match="trial 0 has ended"):
        study.tell(0, "complete")


def test_trial_without_evaluation_cannot_be_complete(tmp_path: Path):
    study = Study(tmp_path / "j", factories.plan())
    study.ask()
    with pytest.raises(ValueError, match="no evaluation"):
        study.tell(0, "complete")


def test_repeated_evaluation_is_recorded_once(tmp_path: Path):
    study = Study(tmp_path / "j", factories.plan())
    study.ask()
    for _ in range(2):
        study.report(0, Evaluation(1, 100, 0.5), 1.0)
    assert len(study.trials[0].evaluations) == 1


def test_best_is_by_direction_and_ignores_failed_trials(tmp_path: Path):
    goal = replace(factories.plan().goal, metric="log_loss", direction="minimize")
    study = Study(tmp_path / "j", factories.plan(goal=goal))
    for value, state in ((0.5, "complete"), (0.2, "failed"), (0.4, "pruned"), (0.6, "complete")):
        trial = study.ask()
        assert trial is not None
        study.report(trial.number, Evaluation(1, 100, value), 1.0)
        study.tell(trial.number, state, "crash" if state == "failed" else None)  # type: ignore[arg-type]
    best = study.best()
    assert best is not None
    assert best.number == 2


def test_candidate_is_retired_after_three_failures_of_one_cause(tmp_path: Path):
    study = Study(tmp_path / "j", factories.plan())
    for _ in range(40):
        trial = study.ask()
        assert trial is not None
        if trial.configuration.candidate == "large":
            study.tell(trial.number, "failed", "out_of_memory", "too big")
        else:
            study.report(trial.number, Evaluation(1, 100, 0.5), 1.0)
            study.tell(trial.number, "complete")
        if study.retired():
            break
    assert list(study.retired()) == ["large"]
    failed = [t for t in study.trials if t.state == "failed"]
    assert len(failed) == RETIRE_AFTER
    assert {study.ask().configuration.candidate for _ in range(6)} == {"small"}  # type: ignore[union-attr]


def test_nothing_is_asked_when_every_candidate_is_retired(tmp_path: Path):
    study = Study(tmp_path / "j", factories.plan(factories.candidate("only")))
    for number in range(RETIRE_AFTER):
        study.ask()
        study.tell(number, "failed", "bad_candidate", "no head")
    assert study.ask() is None


def test_added_candidate_is_tried_with_the_history_kept(tmp_path: Path):
    play(Study(tmp_path / "j", factories.plan()), 8)
    wider = factories.plan(
        factories.candidate("small"), factories.candidate("large"), factories.candidate("new")
    )
    study = Study(tmp_path / "j", wider)
    trial = study.ask()
    assert trial is not None
    assert trial.number == 8
    assert trial.configuration.candidate == "new"
    play_more = study.ask()
    assert play_more is not None


def test_changed_choices_and_ranges_keep_the_history(tmp_path: Path):
    before = play(Study(tmp_path / "j", factories.plan()), 8)
    changed = factories.candidate(
        "small",
        space=(
            replace(factories.LEARNING_RATE, low=1e-4, high=2e-3, default=5e-4),
            replace(factories.BATCH, choices=(32, 64), default=32),
        ),
    )
    study = Study(tmp_path / "j", factories.plan(changed, factories.candidate("large")))
    assert [t.configuration for t in study.trials] == before
    after = play(study, 8)
    assert {c.hyperparameters["batch_size"] for c in after if c.candidate == "small"} <= {32, 64}
    assert len(Study(tmp_path / "j", factories.plan()).trials) == 16


def test_median_prunes_a_trial_far_below_the_others(tmp_path: Path):
    study = Study(tmp_path / "j", factories.plan())
    for value in (0.8, 0.81, 0.82, 0.83, 0.84):
        trial = study.ask()
        assert trial is not None
        for evaluation in (1, 2, 3):
            verdict = study.report(trial.number, Evaluation(evaluation, 9, value), 1.0)
            assert verdict == "continue"
        study.tell(trial.number, "complete")
    bad = study.ask()
    assert bad is not None
    assert study.report(bad.number, Evaluation(1, 9, 0.1), 1.0) == "continue"
    assert study.report(bad.number, Evaluation(2, 9, 0.1), 1.0) == "stop"


def test_hyperband_stops_some_trials_and_lets_others_finish(tmp_path: Path):
    search = SearchPlan(7, "random", "hyperband", 100)
    study = Study(tmp_path / "j", factories.plan(search=search))
    for _ in range(24):
        trial = study.ask()
        assert trial is not None
        value, state = score(trial.configuration), "complete"
        for evaluation in range(1, 6):
            if study.report(trial.number, Evaluation(evaluation, 9, value), 1.0) == "stop":
                state = "pruned"
                break
        study.tell(trial.number, state)  # type: ignore[arg-type]
    states = [trial.state for trial in study.trials]
    assert {"complete", "pruned"} == set(states)
    best = study.best()
    assert best is not None
    assert best.state == "complete"


def test_torn_last_line_and_stale_lock_do_not_stop_a_study(tmp_path: Path):
    journal = tmp_path / "j"
    play(Study(journal, factories.plan()), 3)
    with journal.open("ab") as stream:
        stream.write(b'{"op_code": 4, "half')
    (tmp_path / "j.lock").touch()
    study = Study(journal, factories.plan())
    assert len(study.trials) == 3
    play(study, 2)
    assert len(Study(journal, factories.plan()).trials) == 5


def test_reading_history_leaves_a_torn_journal_as_it_is(tmp_path: Path):
    journal = tmp_path / "j"
    play(Study(journal, factories.plan()), 2)
    with journal.open("ab") as stream:
        stream.write(b'{"op_code"')
    before = journal.read_bytes()
    assert len(read(journal).trials) == 2
    assert journal.read_bytes() == before


def test_plain_optuna_opens_the_journal(tmp_path: Path):
    play(Study(tmp_path / "j", factories.plan()), 4)
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(tmp_path / "j"))
    )
    study = optuna.load_study(study_name="study", storage=storage)
    assert study.best_value == max(t.value for t in study.trials)
    assert {"candidate", "learning_rate_factor", "epochs"} <= set(study.best_params)


@settings(max_examples=50, deadline=None)
@given(
    rate=st.floats(1e-5, 1e-3),
    epochs=st.integers(1, 5),
    batch=st.sampled_from([16, 32]),
    decay=st.floats(1e-5, 0.1),
)
def test_encoding_a_configuration_round_trips(rate: float, epochs: int, batch: int, decay: float):
    plan = factories.plan()
    values = {"learning_rate": rate, "epochs": epochs, "batch_size": batch, "weight_decay": decay}
    encoded = space.encode(plan, ("small", "large"), Configuration("small", values))
    assert encoded is not None
    fixed = optuna.trial.FixedTrial(dict(encoded.parameters))
    back = space.suggest(fixed, plan, ("small", "large"))  # type: ignore[arg-type]
    assert back.candidate == "small"
    for name, value in values.items():
        assert back.hyperparameters[name] == pytest.approx(value, rel=1e-9)


def test_search_does_not_import_torch():
    code = "import sys, automl.search.study; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
