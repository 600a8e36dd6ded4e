"""What trials are given of a machine's GPUs, by a stand-in for its driver: nothing trains here."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from automl import machine, preparation, processes
from automl.cli import _plan_view
from automl.cli._plan_view import Measured
from automl.compiler import timing
from automl.compiler.layout import Need
from automl.compiler.timing import Setting
from automl.executors import Slot, get
from automl.jobs import BatchCost, ModelRef, Parent
from automl.machine import Gpu
from automl.plan import Configuration, DevicePlan, Fit
from automl.preparation import Ground
from automl.rundir import RunDir
from automl.search.study import StudyTrial
from tests import factories

GB = 10**9
AUTO = DevicePlan("local", "auto", "auto", None, "auto")
BOX = (Gpu("0", "T4", 16 * GB), Gpu("1", "A100", 80 * GB), Gpu("2", "A100", 80 * GB))
SMALL = factories.candidate("small", fit=Fit(2 * GB, 0, 0))
HUGE = factories.candidate(
    "huge", parameters=7 * GB, max_length=64, fit=Fit(112 * GB + 64 * GB, 0, 0)
)
"""28 GB of weights: 112 with gradients and moments."""
SETTING = Setting(
    1,
    "bf16",
    (BatchCost(16, 0.1, 2 * GB, 5), BatchCost(32, 0.1, 4 * GB, 5), BatchCost(64, 0.1, 8 * GB, 5)),
)
PLAN = factories.plan(SMALL, HUGE, devices=AUTO)


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """Three unlike GPUs and eight cores; the small candidate was measured before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(machine, "gpus", lambda: BOX)
    monkeypatch.setattr(machine, "physical_cores", lambda: 12)
    timing.remember(PLAN, SMALL, len(BOX), SETTING)
    models = {each.id: ModelRef(each.id, str(tmp_path)) for each in PLAN.candidates}
    return preparation.ground(PLAN, models, RunDir.at(tmp_path / "run"), lambda _: None)


def spec(ground: Ground, candidate: str, slot: Slot, **trial: object):
    me = Parent(os.getpid(), psutil.Process().create_time())
    configuration = Configuration(candidate, {"batch_size": 32, "epochs": 1})
    made = StudyTrial(0, configuration, **trial)  # type: ignore[arg-type]
    return preparation._trial_spec(ground, made, slot, "/tokens", me)


def test_each_gpu_is_a_slot_and_each_candidate_has_a_need(ground: Ground):
    assert [slot.devices for slot in ground.slots] == [("0",), ("1",), ("2",)]
    assert ground.needs["small"] == Need({"0": 4, "1": 4, "2": 4})
    huge = ground.needs["huge"]
    assert (huge.devices, huge.sharded, set(huge.gpus)) == (2, True, {"1", "2"})
    assert ground.settings["huge"].batches == ()


def test_measuring_is_done_on_the_gpu_with_the_most_memory(ground: Ground):
    assert preparation._alone(ground.slots, ground.gpus).devices == ("1",)


def test_a_part_of_a_small_gpu_takes_as_many_rows_as_fit_it(ground: Ground):
    part, whole = Slot(0, ("0",), 1, 1, 0.25), Slot(1, ("1",), 4, 1)
    shared = spec(ground, "small", part)
    assert (shared.micro_batch, shared.device_share, shared.sharded) == (16, 0.25, False)
    assert spec(ground, "small", whole).micro_batch is None


def test_a_model_that_fits_no_gpu_is_trained_in_parts_on_several(ground: Ground):
    found = spec(ground, "huge", Slot(0, ("1", "2"), 4, 2))
    assert (found.processes, found.sharded, found.devices) == (2, True, ("1", "2"))
    assert found.micro_batch is not None
    assert found.micro_batch < 16


def test_what_did_not_fit_in_a_part_of_a_gpu_may_fit_the_whole(ground: Ground):
    part, whole = Slot(0, ("0",), 1, 1, 0.25), Slot(1, ("1",), 4, 1)
    configuration = Configuration("small", {"batch_size": 32, "epochs": 1})
    variant = preparation._variant(ground, configuration, part)
    assert variant.device_bytes == 4 * GB
    ground.settings["small"] = ground.settings["small"].overflowing(16, variant)
    assert spec(ground, "small", part).micro_batch == 8
    assert spec(ground, "small", whole).micro_batch is None


def test_the_recipes_own_numbers_are_kept(ground: Ground, monkeypatch: pytest.MonkeyPatch):
    local = get("local")
    grouped = replace(AUTO, per_trial=2, trials_per_device=2)
    assert [s.devices for s in local.slots(grouped, Path(), ())] == [("0", "1")] * 2
    one = replace(AUTO, per_trial=1, trials_per_device=1)
    assert [s.devices for s in local.slots(one, Path(), ())] == [("0",), ("1",), ("2",)]


def test_the_plan_says_how_trials_are_laid_out(
    ground: Ground, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    _plan_view.show(PLAN, {"small": Measured(SETTING, 1.0)})
    said = " ".join(capsys.readouterr().out.split())
    assert "trials here: 4 at once on each A100, 4 at once on each T4" in said
    assert "trials here: 2 GPUs a trial, the model divided over them (FSDP)" in said
    monkeypatch.setattr(machine, "gpus", lambda: ())
    _plan_view.show(PLAN, {})
    assert "trials here" not in capsys.readouterr().out


def test_nvidias_service_is_known_by_its_live_daemon(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    assert machine.cuda_mps() is None
    (tmp_path / "control").touch()
    pid = tmp_path / "nvidia-cuda-mps-control.pid"
    pid.write_text(f"{os.getpid()}\n")
    assert machine.cuda_mps() == tmp_path
    pid.write_text("999999999\n")
    assert machine.cuda_mps() is None


def test_under_it_a_trial_with_a_part_of_a_gpu_has_twice_that_part_of_its_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv(processes.MPS_PERCENTAGE, raising=False)
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    assert processes.MPS_PERCENTAGE not in processes.environment(1, ("0",), 0.25)
    (tmp_path / "nvidia-cuda-mps-control.pid").write_text(str(os.getpid()))
    assert processes.environment(1, ("0",), 0.25)[processes.MPS_PERCENTAGE] == "50"
    assert processes.environment(1, ("0",), 0.25)["CUDA_MPS_PIPE_DIRECTORY"] == str(tmp_path)
    assert processes.MPS_PERCENTAGE not in processes.environment(1, ("0",))
    assert processes.MPS_PERCENTAGE not in processes.environment(1, (), 0.5)
    monkeypatch.setenv(processes.MPS_PERCENTAGE, "30")
    assert processes.environment(1, ("0",), 0.25)[processes.MPS_PERCENTAGE] == "30"
