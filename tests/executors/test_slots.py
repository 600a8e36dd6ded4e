"""Trials laid over devices: a pure function."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.errors import InputError
from automl.executors._slots import lay_out
from automl.plan import DevicePlan


def wishes(per_trial: int = 1, per_device: int = 1, threads: int | None = None) -> DevicePlan:
    return DevicePlan("local", per_trial, per_device, threads, "auto")


def test_each_gpu_is_a_slot():
    slots = lay_out(wishes(), ("0", "1", "2"), 12)
    assert [slot.devices for slot in slots] == [("0",), ("1",), ("2",)]
    assert {slot.threads for slot in slots} == {4}


def test_trials_share_a_gpu_when_asked_to():
    slots = lay_out(wishes(per_device=2), ("0", "1"), 8)
    assert [slot.devices for slot in slots] == [("0",), ("0",), ("1",), ("1",)]


def test_several_gpus_make_one_slot_and_the_odd_one_stays_idle():
    slots = lay_out(wishes(per_trial=2), ("0", "1", "2"), 8)
    assert [(slot.devices, slot.processes) for slot in slots] == [(("0", "1"), 2)]


def test_more_gpus_a_trial_than_there_are_is_refused():
    with pytest.raises(InputError, match="per_trial is 4, but 2 GPUs"):
        lay_out(wishes(per_trial=4), ("0", "1"), 8)


def test_a_trial_takes_one_part_of_a_divided_gpu_at_most():
    parts = ("MIG-a", "MIG-b")
    assert [slot.devices for slot in lay_out(wishes(), parts, 8)] == [("MIG-a",), ("MIG-b",)]
    with pytest.raises(InputError, match="one instance"):
        lay_out(wishes(per_trial=2), parts, 8)


def test_recipe_threads_win():
    assert lay_out(wishes(threads=3), (), 8)[0].threads == 3


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 64))
def test_cpu_threads_are_shared_and_never_none(per_trial: int, per_device: int, cores: int):
    slots = lay_out(wishes(per_trial, per_device), (), cores)
    assert len(slots) == per_device
    assert all(slot.threads >= 1 for slot in slots)
    total = sum(slot.threads * slot.processes for slot in slots)
    assert total <= max(cores, per_device * per_trial)
