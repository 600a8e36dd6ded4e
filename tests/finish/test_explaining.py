"""Importance is asked for once, and only where the caller may write or wait."""

from __future__ import annotations

import pytest

from automl import documents
from automl.finish.explaining import importance
from automl.jobs import RESULT, ImportanceResult, Share
from automl.rundir import RunDir
from automl.search.importance import LEAST, question
from tests.search.trials import PLAN, trial

TRIED = [
    trial(n, 0.2, 0.4, 0.5 + n / 100, rate=1e-5 * (n + 1), state="complete") for n in range(LEAST)
]


@pytest.fixture
def rundir(tmp_path):
    return RunDir.at(tmp_path / "run")


def answered(rundir: RunDir) -> ImportanceResult:
    kept = ImportanceResult({"learning_rate": Share(0.9, 0.8, 1.0)}, LEAST, 0.7)
    documents.write(rundir.job("importance") / "spec.json", question(TRIED, PLAN))
    documents.write(rundir.job("importance") / RESULT, kept)
    return kept


def test_an_answer_about_the_same_trials_is_used_again(rundir):
    kept = answered(rundir)
    assert importance(TRIED, PLAN, rundir, "nowhere") == kept
    more = [*TRIED, trial(LEAST, 0.2, 0.4, 0.9, rate=5e-4, state="complete")]
    assert importance(more, PLAN, rundir, "nowhere") is None


def test_too_few_trials_are_no_question(rundir):
    assert importance(TRIED[1:], PLAN, rundir, "here") is None
    assert not rundir.jobs.exists()


@pytest.mark.slow
def test_a_worker_answers_aside_without_writing_into_the_run(rundir):
    found = importance(TRIED, PLAN, rundir, "aside")
    assert found is not None
    assert found.ranked == ("learning_rate",)
    assert found.shares["learning_rate"].share > 0.9
    assert not rundir.root.exists()
