"""Device time: what trials held, by what their workers were asked to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from automl import documents
from automl.exporters._energy import Spent
from automl.finish.spending import spent
from automl.jobs import DataRef, ModelRef, Parent, TrialSpec
from automl.rundir import RunDir
from tests.search.trials import trial

SPEC = TrialSpec(
    0, "text-classification", ModelRef("small", "m"), {}, DataRef({}, (), "f", 8), "macro_f1",
    "maximize", 100, 7, "fp32", 2, 1, (), "tokens", Parent(1, 0.0),
)  # fmt: skip


@pytest.fixture
def rundir(tmp_path):
    return RunDir.at(tmp_path / "run")


def asked(rundir: RunDir, number: int, **changes) -> None:
    documents.write(rundir.trial(number).spec, replace(SPEC, number=number, **changes))


def test_cores_are_threads_of_every_process(rundir):
    asked(rundir, 0, threads=3, processes=2)
    assert spent([trial(0, 0.5, pace=10)], rundir) == Spent("CPU core", 60)


def test_a_part_of_a_gpu_counts_as_that_part(rundir):
    asked(rundir, 0, devices=("0", "1"), device_share=0.5)
    assert spent([trial(0, 0.5, pace=10)], rundir) == Spent("GPU", 10)


def test_trials_of_other_machines_count_like_those_here(rundir):
    asked(rundir, 0, threads=2)
    both = [trial(0, 0.5, pace=10), trial(1, 0.5, pace=30)]
    assert spent(both, rundir) == Spent("CPU core", 80)


def test_nothing_is_known_without_a_trial(rundir):
    assert spent([], rundir) is None
    assert spent([trial(0, 0.5)], rundir) is None
