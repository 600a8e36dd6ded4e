"""Trials as processes: several at once, parents that die, jobs that are orphaned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import psutil
import pytest

from automl import documents
from automl.events import Failed, Finished, Paused, Progressed, Reported, Started
from automl.executors import _launch
from automl.jobs import MeasureSpec, ModelRef, Parent
from automl.processes import environment
from automl.worker import orphan
from tests.worker import together

from .conftest import TINY_BERT

pytestmark = pytest.mark.slow


def launch(trial):
    """Start the trial's two processes through the launcher."""
    variables = environment(1, ()) | _launch.launch_environment(())
    with trial.log.open("ab") as log:
        command = _launch.launch_command(trial.spec, 2)
        return subprocess.Popen(command, stdout=log, stderr=log, env=variables)


def until(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to be")


def ended(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_two_processes_pause_at_one_step_and_end_as_if_they_had_not(bench, fault):
    weighted = {"class_weights": "balanced", "label_smoothing": 0.1}
    unbroken = bench.trial("unbroken", processes=2, hyperparameters=weighted)
    assert together.run(unbroken) == [0, 0], unbroken.log.read_text()
    paused = bench.trial("paused", processes=2, hyperparameters=weighted)
    fault("pause@step=8,once,trial=0")
    assert together.run(paused) == [0, 0], paused.log.read_text()
    assert isinstance(bench.events(paused)[-1], Paused)
    checkpoint = next(paused.checkpoints.iterdir())
    assert checkpoint.name == "step-00000008"
    assert {"generators-0.json", "generators-1.json"} <= {f.name for f in checkpoint.iterdir()}
    paused.clear_request()
    assert together.run(paused) == [0, 0], paused.log.read_text()
    assert [(e.step, e.processes) for e in bench.events(paused, Started)] == [(0, 2), (8, 2)]
    assert isinstance(bench.events(paused)[-1], Finished)
    assert bench.scores(paused) == bench.scores(unbroken)
    weights = [(t.best / "model.safetensors").read_bytes() for t in (paused, unbroken)]
    assert weights[0] == weights[1]
    # One process sees the same rows in the same batches: what it reports differs by dropout alone.
    alone = bench.trial("alone", number=1, hyperparameters=weighted)
    assert bench.run(alone) == 0
    for one, two in zip(bench.scores(alone), bench.scores(unbroken), strict=True):
        assert one[:3] == two[:3]
        assert one[4]["log_loss"] == pytest.approx(two[4]["log_loss"], abs=0.1)


def test_a_failure_among_two_processes_is_told_once_with_its_cause(bench, fault):
    trial = bench.trial(processes=2)
    fault("oom@step=3")
    assert launch(trial).wait() != 0
    failed = bench.events(trial, Failed)
    assert failed
    assert failed[0].kind == "out_of_memory"


def test_a_worker_whose_parent_is_killed_saves_and_leaves_within_seconds(bench):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as parent:
        created = psutil.Process(parent.pid).create_time()
        trial = bench.trial(parent=Parent(parent.pid, created), hyperparameters={"epochs": 1000})
        worker = together.alone(trial)
        until(lambda: bench.events(trial, Progressed))
        parent.kill()
    began = time.monotonic()
    until(lambda: worker.poll() is not None, seconds=60)
    assert worker.wait() == 0
    assert time.monotonic() - began < 10
    (paused,) = bench.events(trial, Paused)
    assert paused.reason == "parent_gone"
    assert (trial.checkpoints / f"step-{paused.step:08d}" / "complete.json").exists()


def test_a_worker_killed_outright_continues_from_its_last_checkpoint(bench, unbroken, fault):
    killed = bench.trial("killed", checkpoint_seconds=0.0)
    fault("kill@step=15,once")
    assert together.alone(killed).wait() == -signal.SIGKILL
    assert together.alone(killed).wait() == 0
    assert [e.step for e in bench.events(killed, Started)] == [0, 12]
    assert bench.scores(killed) == bench.scores(unbroken)


def test_a_request_is_answered_at_the_next_step(bench):
    trial = bench.trial(hyperparameters={"epochs": 1000}, evaluation_samples=10**6)
    worker = together.alone(trial)
    until(lambda: bench.events(trial, Progressed))
    trial.request("pause")
    began = time.monotonic()
    until(lambda: worker.poll() is not None, seconds=60)
    assert worker.wait() == 0
    assert time.monotonic() - began < 10
    assert isinstance(bench.events(trial)[-1], Paused)
    assert not bench.events(trial, Reported)


def test_a_short_job_ends_with_the_process_that_asked_for_it(tmp_path, data):
    spec = MeasureSpec(
        "text-classification",
        ModelRef("tiny", str(TINY_BERT)),
        data,
        8,
        (1,),
        ("fp32",),
        (),
        10**7,
        str(tmp_path),
    )
    documents.write(tmp_path / "spec.json", spec)
    code = (
        "import subprocess, sys, time;"
        "from automl import processes; from pathlib import Path;"
        "job = subprocess.Popen(processes.command(Path(sys.argv[1])));"
        "print(job.pid, flush=True); time.sleep(600)"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "spec.json")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as parent:
        job = int(parent.stdout.readline())
        until(lambda: psutil.Process(job).num_threads() > 1)
        parent.kill()
    until(lambda: ended(job), seconds=20)


def test_a_recycled_pid_is_not_taken_for_the_parent():
    here = psutil.Process()
    assert orphan.alive(Parent(here.pid, here.create_time()))
    assert not orphan.alive(Parent(here.pid, here.create_time() - 100))
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        created = psutil.Process(child.pid).create_time()
        child.wait()
    assert not orphan.alive(Parent(child.pid, created))
    assert os.getpid() == here.pid


def test_trials_of_several_processes_that_start_at_once_meet_at_ports_of_their_own(tmp_path):
    started = []
    for number in (1, 10):
        command = _launch.launch_command(tmp_path / f"{number}.json", 2)
        command[command.index("automl.worker")] = "tests.worker.rendezvous"
        variables = {**environment(1, ()), **_launch.launch_environment(())}
        started.append(subprocess.Popen(command, env=variables))
    assert [process.wait(120) for process in started] == [0, 0]
    said = [(tmp_path / f"{number}.txt").read_text().split() for number in (1, 10)]
    assert [int(total) for total, _ in said] == [2, 20]
    assert len({port for _, port in said}) == 2


def test_the_launcher_takes_a_port_of_its_own_and_reads_no_users_settings():
    command = _launch.launch_command(documents_path := TINY_BERT / "spec.json", 4)
    assert command[-1] == str(documents_path)
    settings = dict(pairwise(command))
    assert settings["--num_processes"] == "4"
    assert settings["--main_process_port"] == "0"
    assert "--cpu" not in command
    assert _launch.launch_environment(()) == {"ACCELERATE_USE_CPU": "true"}
    assert _launch.launch_environment(("0",)) == {}
