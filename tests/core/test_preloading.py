"""Worker processes forked from a preloaded one: as alone as fresh ones, and never a must."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from automl import documents, forkserver, processes
from automl.errors import JobFailed
from automl.executors import _processes
from automl.jobs import InspectResult, InspectSpec, ModelRef
from automl.processes import Order, environment, preloaded
from automl.rundir import TrialDir
from tests.worker.conftest import bench, data, tokens  # noqa: F401

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are preloaded on Linux only"),
]
TINY_BERT = Path(__file__).resolve().parent.parent / "fixtures" / "tiny-bert"
SAMPLE = tuple({"text": f"text {n}", "label": str(n % 2)} for n in range(12))
SPEC = InspectSpec(
    "text-classification", (ModelRef("tiny", str(TINY_BERT)),), ("0", "1"), SAMPLE, None
)


@pytest.fixture(scope="module")
def server() -> Iterator[forkserver.ForkServer]:
    made = forkserver.ForkServer(environment(1, ()))
    yield made
    made.close()


def order(folder: Path, spec: Any = SPEC, **variables: str) -> Order:
    folder.mkdir(exist_ok=True)
    documents.write(folder / "spec.json", spec)
    found = environment(1, ()) | variables
    return Order(folder / "spec.json", folder / "log.txt", found, folder / "process.json")


def forked(server: forkserver.ForkServer, made: Order) -> forkserver.Forked:
    return server.fork(made.spec, made.log, made.environment, made.note)


def until(condition: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


def test_a_forked_job_answers_as_a_fresh_one(tmp_path: Path):
    fresh = processes.call(SPEC, InspectResult, tmp_path / "fresh", threads=1)
    with preloaded():
        first = processes.call(SPEC, InspectResult, tmp_path / "first", threads=1)
        again = processes.call(SPEC, InspectResult, tmp_path / "first", threads=1)
    assert first == again == fresh


def test_what_a_forked_job_prints_and_how_it_ends_are_its_own(tmp_path: Path):
    broken = InspectSpec("no-such-task", SPEC.models, ("0", "1"), SAMPLE, None)
    with preloaded():
        with pytest.raises(JobFailed) as error:
            processes.call(broken, InspectResult, tmp_path / "broken", threads=1)
        assert "no-such-task" in error.value.log_tail
        assert processes.call(SPEC, InspectResult, tmp_path / "sound", threads=1)
    assert (tmp_path / "sound" / "log.txt").read_text() == ""


def test_the_server_has_one_thread_and_has_touched_no_gpu(tmp_path: Path, server: Any):
    assert forked(server, order(tmp_path / "job")).wait() == 0
    root = Path("/proc") / str(server.pid) / "task"
    names = sorted((each / "comm").read_text().strip() for each in root.iterdir())
    # Arrow's allocator has a thread of its own, with handlers that take it over a fork.
    main = (root.parent / "comm").read_text().strip()
    assert [name for name in names if name != "jemalloc_bg_thd"] == [main]


def test_a_forked_process_sees_the_environment_and_folder_of_its_order(
    tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    relative = Order(Path("job/spec.json"), Path("job/log.txt"), {}, None)
    made = order(tmp_path / "job", OMP_NUM_THREADS="2", AUTOML_FAULT="")
    process = server.fork(relative.spec, relative.log, made.environment, made.note)
    assert process.wait() == 0, made.log.read_text()
    assert json.loads((tmp_path / "job" / "result.json").read_text())


def test_each_forked_process_leads_a_session_and_notes_who_it_is(tmp_path: Path, server: Any):
    made = order(tmp_path / "job", AUTOML_FAULT="")
    process = forked(server, made)
    until(lambda: (tmp_path / "job" / "process.json").exists() or process.poll() is not None)
    note = documents.read(forkserver.Note, tmp_path / "job" / "process.json")
    assert note.pid != server.pid
    assert process.wait() == 0
    assert not _processes.belonging(tmp_path / "job")


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "later"])
def test_killing_a_forked_process_spares_the_server(
    tmp_path: Path,
    server: Any,
    bench: Any,  # noqa: F811
    at_once: bool,
):
    trial = bench.trial(hyperparameters={"epochs": 1000})
    process = server.fork(trial.spec, trial.log, environment(1, ()), trial.process)
    if not at_once:
        until(trial.process.exists)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not _processes.belonging(trial.root)
    assert forked(server, order(tmp_path / "next")).wait() == 0


def test_a_server_that_dies_costs_a_warning_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(forkserver, "MODULE", "automl.no_such_module")
    with preloaded():
        with pytest.warns(RuntimeWarning, match="No module named automl.no_such_module"):
            assert processes.call(SPEC, InspectResult, tmp_path / "job", threads=1)
        assert processes.call(SPEC, InspectResult, tmp_path / "next", threads=1)


def test_processes_outlive_a_server_that_is_killed(tmp_path: Path):
    made = forkserver.ForkServer(environment(1, ()))
    folder = TrialDir(tmp_path / "job")
    process = forked(made, order(folder.root))
    until(lambda: folder.process.exists())
    os.kill(made.pid, signal.SIGKILL)
    assert process.wait() in (0, forkserver.LOST)
    until(lambda: not _processes.belonging(folder.root))
    with pytest.raises(forkserver.ServerGone):
        forked(made, order(tmp_path / "next"))
    made.close()


def test_the_server_ends_with_its_parent(tmp_path: Path):
    code = (
        "import os, time; from automl.forkserver import ForkServer;"
        "print(ForkServer(os.environ).pid, flush=True); time.sleep(60)"
    )
    parent = psutil.Popen([sys.executable, "-c", code], stdout=-1)
    server = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)


def test_one_variable_turns_it_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(processes.WISH, "fresh")
    monkeypatch.setattr(forkserver, "MODULE", "automl.no_such_module")
    with preloaded():
        assert processes.call(SPEC, InspectResult, tmp_path / "job", threads=1)
