"""How many trials share a GPU, and how many GPUs one takes: by memory, cores, and what it gains."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.compiler import layout, memory
from automl.compiler.layout import Cost, Need
from automl.compiler.timing import Setting
from automl.jobs import BatchCost
from automl.machine import CUDA_CONTEXT_BYTES, Gpu
from automl.plan import DevicePlan, Fit, Parameter
from tests import factories

GB = 10**9
AUTO = DevicePlan("local", "auto", "auto", None, "auto")
LARGE, SMALL = Gpu("0", "A100", 80 * GB), Gpu("1", "T4", 16 * GB)
LITTLE = Cost(states=GB, row=GB // 32, batch=32, rows=32, spare=9.0)
"""2 GB, of a GPU that it leaves mostly idle."""


def wish(per_trial="auto", trials_per_device="auto", **changes):
    return replace(AUTO, per_trial=per_trial, trials_per_device=trials_per_device, **changes)


def test_small_trials_share_a_gpu_as_far_as_memory_cores_and_gain_allow():
    assert layout.need(LITTLE, [LARGE], 16, AUTO) == Need({"0": layout.MOST_AT_ONCE})
    assert layout.need(LITTLE, [LARGE], 3, AUTO) == Need({"0": 3})
    assert layout.need(replace(LITTLE, spare=2.7), [LARGE], 16, AUTO) == Need({"0": 2})
    thick = replace(LITTLE, row=GB)
    assert layout.need(thick, [LARGE], 16, AUTO) == Need({"0": 2})


def test_nothing_that_was_not_measured_shares_a_gpu():
    found = layout.cost(factories.candidate(), None)
    assert found.spare == 1.0
    assert layout.need(found, [LARGE], 16, AUTO) == Need({"0": 1})


def test_what_is_never_trained_whole_keeps_its_weights_once():
    lora = Parameter("method", "choice", "lora", choices=("lora",))
    space = factories.candidate().space
    whole = factories.candidate(parameters=10**9, fit=Fit(17 * GB, 0, 0))
    parts = replace(whole, space=(*space, lora))
    assert layout.cost(whole, None).states == 16 * GB
    assert layout.cost(parts, None).states == 4 * GB


def test_gpus_that_differ_hold_different_numbers_and_what_is_too_small_none():
    medium = Cost(states=6 * GB, row=GB // 32, batch=32, rows=32, spare=9.0)
    assert layout.need(medium, [LARGE, SMALL], 16, AUTO) == Need({"0": 4, "1": 1})
    thick = Cost(states=20 * GB, row=GB, batch=8, rows=8, spare=1.0)
    found = layout.need(thick, [LARGE, SMALL], 16, AUTO)
    assert found == Need({"0": 1})
    assert (
        layout.words(found, [LARGE, SMALL]) == "1 at once on each A100, not on 1 too small for it"
    )


def test_what_fits_no_gpu_is_divided_over_as_few_as_can_be():
    four = [replace(SMALL, id=str(index)) for index in range(4)]
    huge = Cost(states=24 * GB, row=GB, batch=32, rows=32)
    found = layout.need(huge, four, 16, AUTO)
    assert (found.devices, found.sharded) == (2, True)
    assert found.rows == 1
    assert "FSDP" in layout.words(found, four)
    assert layout.need(replace(huge, states=200 * GB), four, 16, AUTO) is None
    assert layout.need(huge, [LARGE, SMALL], 16, AUTO) == Need({"0": 1})


def test_parts_of_a_gpu_are_never_put_together():
    parts = [Gpu("MIG-a", "A100 1g", 10 * GB), Gpu("MIG-b", "A100 1g", 10 * GB)]
    assert layout.need(Cost(24 * GB, GB, 32, 32), parts, 16, AUTO) is None
    assert layout.need(Cost(GB, GB // 8, 320, 8), parts, 16, AUTO).devices == 1


def test_a_batch_that_one_gpu_takes_in_many_parts_is_divided_over_several():
    two = [LARGE, replace(LARGE, id="2")]
    assert layout.need(Cost(4 * GB, GB, 64, 8), two, 16, AUTO).devices == 1
    found = layout.need(Cost(4 * GB, GB, 64, 4), two, 16, AUTO)
    assert (found.devices, found.sharded, found.gpus) == (2, False, {"0": 1, "2": 1})
    assert "DDP" in layout.words(found, two)


def test_what_the_recipe_says_holds():
    two = [LARGE, replace(LARGE, id="2")]
    assert layout.need(LITTLE, two, 16, wish(per_trial=2)) == Need({"0": 1, "2": 1}, 2)
    assert layout.need(LITTLE, two, 16, wish(trials_per_device=6)).gpus == {"0": 6, "2": 6}
    huge = Cost(states=100 * GB, row=GB, batch=32, rows=32)
    assert layout.need(huge, two, 16, wish(per_trial=1)) is None
    assert layout.need(huge, two, 16, wish(per_trial=2)).sharded


def test_the_cost_is_what_was_measured_where_it_was():
    candidate = factories.candidate(parameters=10**7, fit=Fit(GB, 0, 0))
    setting = Setting(
        1, "bf16", (BatchCost(16, 0.1, 480_000_000, 5), BatchCost(32, 0.11, 800_000_000, 5))
    )
    found = layout.cost(candidate, setting)
    assert (found.states, found.row, found.rows) == (160_000_000, 20_000_000, 16)
    assert found.usual == 480_000_000
    assert found.spare == pytest.approx(32 / 0.11 / 160)


def test_rows_taken_at_once_are_those_that_fit_the_gpus_part():
    sizes = {8: GB, 16: 2 * GB, 32: 4 * GB}
    setting = Setting(1, "bf16", tuple(BatchCost(n, n / 100, b, 5) for n, b in sizes.items()))
    gpu = Gpu("0", "G", 6 * GB)
    assert layout.rows_in(setting, 32, gpu, 1.0) is None
    assert layout.rows_in(setting, 32, gpu, 0.5) == 16
    assert layout.rows_in(setting, 16, gpu, 0.5) is None
    assert layout.rows_in(setting, 32, gpu, 0.125) == 1


def test_a_cluster_and_several_trials_on_several_gpus_are_laid_out_as_the_recipe_says():
    assert memory.is_laid_out(AUTO)
    assert memory.is_laid_out(wish(2, "auto"))
    assert memory.is_laid_out(wish(1, 3))
    assert not memory.is_laid_out(wish(2, 2))
    assert not memory.is_laid_out(wish(executor="ray"))
    assert layout.of(factories.plan(devices=AUTO), {}, (), 8) == {}


@given(
    states=st.integers(0, 200),
    row=st.integers(0, 20),
    batch=st.integers(1, 64),
    spare=st.floats(0.5, 9),
    sizes=st.lists(st.integers(1, 96), min_size=1, max_size=5),
    cores=st.integers(1, 64),
    fixed=st.sampled_from(["auto", 1, 2, 3]),
)
def test_memory_is_never_promised_twice(states, row, batch, spare, sizes, cores, fixed):
    gpus = [Gpu(str(n), "G", size * GB) for n, size in enumerate(sizes)]
    found = Cost(states * GB // 4, row * GB // 8, batch, batch, spare)
    need = layout.need(found, gpus, cores, wish(per_trial=fixed))
    if need is None:
        return
    assert need.devices <= len(need.gpus) <= len(gpus)
    for gpu in gpus:
        count = need.gpus.get(gpu.id)
        if count is None:
            continue
        assert count >= 1
        one = found.states // (need.devices if need.sharded else 1) + found.row
        assert one + CUDA_CONTEXT_BYTES <= gpu.memory_bytes
        if count > 1:
            assert count * (found.usual + CUDA_CONTEXT_BYTES) <= gpu.memory_bytes
            assert count * len(gpus) <= max(cores, len(gpus))
