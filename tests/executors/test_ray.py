"""What is Ray's alone: several nodes, nodes that are lost, and folders that a node does not see."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from automl import executors
from automl.errors import InputError
from automl.events import Failed, Finished, Paused, Reported, Started, Tail
from automl.executors import Slot
from automl.executors._cluster import Node, lay_out
from automl.executors._processes import belonging
from automl.forkserver import LOST
from automl.plan import DevicePlan
from automl.rundir import TrialDir
from tests.conftest import ROOT
from tests.executors.cluster import connect, wishes
from tests.executors.test_conformance import handles, wait  # noqa: F401
from tests.run.conftest import environment, project  # noqa: F401
from tests.worker.conftest import bench, data, fault, tokens  # noqa: F401

SLOT = Slot(0, (), 1, 1)
RAY = executors.get("ray")


def until(condition: Any, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def plan(per_trial: int = 1, per_device: int = 1, threads: int | None = None) -> DevicePlan:
    return DevicePlan("ray", per_trial, per_device, threads, "auto", "auto")


def machines(*lent: tuple[int, int]) -> list[Node]:
    return [Node(f"id{n}", f"10.0.0.{n}", cpus, gpus) for n, (cpus, gpus) in enumerate(lent)]


def test_each_gpu_of_the_cluster_is_a_slot_and_nodes_without_have_none():
    slots = lay_out(plan(), machines((8, 2), (16, 0), (8, 2)))
    assert [slot.devices for slot in slots] == [("0",), ("1",), ("2",), ("3",)]
    assert {slot.threads for slot in slots} == {4}


def test_a_trial_stays_on_one_node_where_one_has_room_for_it():
    assert len(lay_out(plan(per_trial=2), machines((8, 3), (8, 3)))) == 2
    assert len(lay_out(plan(per_trial=4), machines((8, 3), (8, 3)))) == 1


def test_trials_that_share_a_gpu_hold_a_part_of_it():
    slots = lay_out(plan(per_device=2), machines((8, 1), (8, 1)))
    assert [(slot.devices, slot.share) for slot in slots] == [
        (("0",), 0.5),
        (("0",), 0.5),
        (("1",), 0.5),
        (("1",), 0.5),
    ]


def test_without_gpus_each_node_is_a_device():
    slots = lay_out(plan(per_device=2), machines((8, 0), (4, 0), (0, 0)))
    assert [slot.threads for slot in slots] == [2, 2, 2, 2]
    assert [slot.processes for slot in lay_out(plan(per_trial=2), machines((1, 0), (1, 0)))] == [2]


@pytest.mark.parametrize("asked", [plan(per_trial=3), plan(threads=4)])
def test_more_cpus_than_the_cluster_has_are_refused(asked):
    with pytest.raises(InputError, match="more CPUs than the cluster has: 2 on 2 nodes"):
        lay_out(asked, machines((1, 0), (1, 0)))


def test_without_ray_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'automl\[ray\]'"):
        RAY.slots(wishes("auto"), tmp_path, ())


@pytest.mark.slow
def test_no_cluster_at_the_address_is_an_error_with_a_hint(tmp_path, monkeypatch):
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    ray.shutdown()
    # As on a machine without a cluster: other tests, of other processes too, have started some.
    monkeypatch.setattr(ray._private.services, "_find_address_from_flag", lambda _: set())
    monkeypatch.setattr(ray._private.services, "find_bootstrap_address", lambda _: None)
    with pytest.raises(InputError, match="ray start --head"):
        RAY.slots(wishes("auto"), tmp_path, ())


def parents(trial: TrialDir) -> set[str]:
    """The actors that the trial's processes belong to."""
    found = set()
    for process in belonging(trial.root):
        with contextlib.suppress(psutil.Error):
            found.add(process.environ()["AUTOML_PARENT"])
    return found


@pytest.mark.slow
def test_two_ranks_on_two_nodes_train_together(made, bench, handles, tmp_path):  # noqa: F811
    slots = connect(made, tmp_path, per_trial=2)
    assert [slot.processes for slot in slots] == [2]
    trial = bench.trial(processes=2)
    handles.append(RAY.start(trial, slots[0]))
    until(lambda: len(parents(trial)) == 2)  # an actor on each node
    assert wait(handles[0]) == 0, trial.log.read_text()
    assert bench.events(trial, Started)[0].processes == 2
    assert isinstance(bench.events(trial)[-1], Finished)


@pytest.mark.slow
def test_a_trial_that_has_no_room_yet_waits_and_can_be_ended(made, bench, handles, tmp_path):  # noqa: F811
    connect(made, tmp_path)
    trial = bench.trial(processes=3)
    handles.append(RAY.start(trial, Slot(0, (), 1, 3)))
    time.sleep(1)
    assert handles[0].waits()
    assert handles[0].poll() is None
    handles[0].kill()
    assert handles[0].poll() == LOST


@pytest.mark.slow
def test_a_node_that_does_not_see_the_folders_is_named(made, tmp_path, monkeypatch):
    connect(made, tmp_path)
    with pytest.raises(InputError, match=rf"the Ray node .* does not see {tmp_path}/model"):
        RAY.slots(wishes(made.address), tmp_path, [tmp_path / "model"])
    # A disk of this machine's own: what is written is not there for others.
    monkeypatch.setattr(Path, "touch", lambda *_, **__: None)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    with pytest.raises(InputError, match=rf"does not see the run folder {tmp_path}/run") as caught:
        RAY.slots(wishes(made.address), tmp_path / "run", ())
    assert len(caught.value.problems) == 2


DRIVER = """
import sys, time
from pathlib import Path
from automl import executors
from automl.executors import Slot
from automl.rundir import TrialDir
from tests.executors.cluster import wishes
ray = executors.get("ray")
ray.slots(wishes(sys.argv[1]), Path(sys.argv[2]), ())
handle = ray.start(TrialDir(Path(sys.argv[3])), Slot(0, (), 1, 1))
while True:
    time.sleep(1)
"""


@pytest.mark.slow
def test_a_worker_whose_run_was_killed_saves_and_leaves(made, bench, tmp_path):  # noqa: F811
    trial = bench.trial(hyperparameters={"epochs": 500})
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, made.address, str(tmp_path), str(trial.root)], cwd=ROOT
    )
    try:
        until(lambda: bench.events(trial, Reported))
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    connect(made, tmp_path)
    RAY.settle(trial)
    assert not belonging(trial.root)
    assert bench.events(trial)[-1].reason == "parent_gone"
    assert isinstance(bench.events(trial)[-1], Paused)


def lies_on(handle: Any, node: Any) -> bool:
    """Whether the trial's one process is on that node of the cluster."""
    from ray.util import placement_group_table

    return placement_group_table(handle.group)["bundles_to_node_id"][0] == node.node_id


@pytest.mark.slow
def test_a_node_that_dies_is_lost_and_the_trial_goes_on_elsewhere(mortal, bench, handles, tmp_path):  # noqa: F811
    connect(mortal, tmp_path)
    trials = [bench.trial(name, hyperparameters={"epochs": 500}) for name in ("one", "two")]
    handles += [RAY.start(trial, SLOT) for trial in trials]
    until(lambda: all(bench.events(trial, Reported) for trial in trials))
    (node,) = mortal.worker_nodes
    lost = next(number for number in (0, 1) if lies_on(handles[number], node))
    mortal.remove_node(node, allow_graceful=False)
    assert wait(handles[lost]) == LOST
    failed = bench.events(trials[lost])[-1]
    assert isinstance(failed, Failed)
    assert failed.kind == "lost"
    until(lambda: not belonging(trials[lost].root))
    handles.append(RAY.start(trials[lost], SLOT))
    assert handles[2].waits()  # the node that is left is taken
    handles[1 - lost].kill()
    until(lambda: len(bench.events(trials[lost], Started)) == 2)
    handles[2].kill()
    assert not belonging(trials[lost].root)


@pytest.mark.slow
def test_a_whole_run_goes_through_the_cluster_and_outlives_a_node(mortal, project, environment):  # noqa: F811
    recipe = project / "weather.yaml"
    text = recipe.read_text().replace("{threads: 1,", "{executor: ray, threads: 1,")
    recipe.write_text(text.replace("epochs: 2,", "method: full, epochs: 60,"))
    run = subprocess.Popen(
        [sys.executable, "-m", "automl", "run", "weather.yaml"],
        cwd=project,
        env={**environment, "RAY_ADDRESS": mortal.address},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    folders = [TrialDir(project / "runs" / "weather" / "trials" / f"000{n}") for n in (0, 1)]
    until(lambda: all(said(folder, Started) for folder in folders), 200)
    (node,) = mortal.worker_nodes
    mortal.remove_node(node, allow_graceful=False)
    printed, _ = run.communicate(timeout=300)
    assert run.returncode == 0, printed
    assert "winner: trial" in printed
    assert "trying again" in printed
    failed = [event for folder in folders for event in said(folder, Failed)]
    assert [event.kind for event in failed] == ["lost"]
    assert all(isinstance(said(folder)[-1], Finished) for folder in folders)


def said(trial: TrialDir, *kinds: type) -> list[Any]:
    return [each for each in Tail(trial.metrics).read() if not kinds or isinstance(each, kinds)]
