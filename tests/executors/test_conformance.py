"""What every executor promises, over the registry: a new one is tested on arrival."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from automl import executors, processes
from automl.errors import InputError
from automl.events import Failed, Finished, Paused, Reported, Started, Stopped
from automl.executors import Executor, Handle, Slot
from automl.executors._processes import belonging
from tests.executors.cluster import connect
from tests.worker.conftest import bench, data, fault, tokens  # noqa: F401

pytestmark = pytest.mark.slow
SLOT = Slot(0, (), 1, 1)


@pytest.fixture(params=[*executors.names(), "local, preloaded"], scope="module")
def executor(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Executor]:
    name, _, way = request.param.partition(", ")
    if name == "ray":
        connect(request.getfixturevalue("made"), tmp_path_factory.mktemp("run"))
    with processes.preloaded() if way else nullcontext():
        yield executors.get(name)


@pytest.fixture
def handles() -> Iterator[list[Handle]]:
    """Handles to end after the test, whatever happens."""
    started: list[Handle] = []
    yield started
    for handle in started:
        handle.kill()


def wait(handle: Handle, seconds: float = 120.0) -> int:
    deadline = time.monotonic() + seconds
    while (code := handle.poll()) is None:
        assert time.monotonic() < deadline, "it never ended"
        time.sleep(0.02)
    return code


def last(bench: Any, trial: Any) -> Any:  # noqa: F811
    return bench.events(trial)[-1]


def test_it_is_called_what_its_file_is_called(executor):
    assert executor.name in executors.names()


def test_start_returns_at_once_and_the_trial_finishes(executor, bench, handles):  # noqa: F811
    trial = bench.trial()
    began = time.monotonic()
    handles.append(executor.start(trial, SLOT))
    assert time.monotonic() - began < 2
    assert wait(handles[0]) == 0
    assert isinstance(last(bench, trial), Finished)
    assert (trial.best / "model.safetensors").exists()


def test_requested_pause_saves_and_a_second_start_continues(executor, bench, handles, fault):  # noqa: F811
    trial = bench.trial()
    fault("pause@step=8,once")
    handles.append(executor.start(trial, SLOT))
    assert wait(handles[0]) == 0
    paused = last(bench, trial)
    assert isinstance(paused, Paused)
    trial.clear_request()
    handles.append(executor.start(trial, SLOT))
    assert wait(handles[1]) == 0
    assert [e.step for e in bench.events(trial, Started)] == [0, paused.step]
    assert isinstance(last(bench, trial), Finished)
    numbers = [e.evaluation for e in bench.events(trial, Reported)]
    assert numbers == sorted(set(numbers))


def test_requested_stop_ends_for_good(executor, bench, handles, fault):  # noqa: F811
    trial = bench.trial()
    fault("stop@step=8")
    handles.append(executor.start(trial, SLOT))
    assert wait(handles[0]) == 0
    assert isinstance(last(bench, trial), Stopped)


def test_failure_is_an_exit_code_and_a_kind(executor, bench, handles, fault):  # noqa: F811
    trial = bench.trial()
    fault("nan@step=3")
    handles.append(executor.start(trial, SLOT))
    assert wait(handles[0]) == 1
    failed = last(bench, trial)
    assert isinstance(failed, Failed)
    assert failed.kind == "not_a_number"


def test_kill_leaves_nothing_running(executor, bench, handles):  # noqa: F811
    trial = bench.trial(hyperparameters={"epochs": 500})
    handles.append(executor.start(trial, SLOT))
    deadline = time.monotonic() + 60
    while not bench.events(trial, Reported):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    handles[0].kill()
    assert handles[0].poll() is not None
    assert not belonging(trial.root)
    seen = len(bench.events(trial))
    time.sleep(0.5)
    assert len(bench.events(trial)) == seen


def test_local_runs_two_processes_through_the_launcher(bench, handles):  # noqa: F811
    trial = bench.trial(processes=2)
    handles.append(executors.get("local").start(trial, Slot(0, (), 1, 2)))
    assert wait(handles[0]) == 0, trial.log.read_text()
    assert bench.events(trial, Started)[0].processes == 2
    assert isinstance(last(bench, trial), Finished)


def test_local_kill_ends_ranks_whose_launcher_is_gone(bench, handles):  # noqa: F811
    trial = bench.trial(processes=2, hyperparameters={"epochs": 500})
    handles.append(executors.get("local").start(trial, Slot(0, (), 1, 2)))
    deadline = time.monotonic() + 90
    while not bench.events(trial, Reported):
        assert time.monotonic() < deadline, trial.log.read_text()
        time.sleep(0.05)
    handles[0].process.kill()
    assert len(belonging(trial.root)) >= 2
    handles[0].kill()
    assert not belonging(trial.root)


def test_inline_refuses_several_processes(bench):  # noqa: F811
    with pytest.raises(InputError, match="one process per trial"):
        executors.get("inline").start(bench.trial(), Slot(0, (), 1, 2))
