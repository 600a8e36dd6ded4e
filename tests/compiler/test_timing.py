"""What is worth timing, and what the timing says of a trial."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl import machine
from automl.compiler import timing
from automl.compiler.timing import FIT_SECONDS, Setting, Share
from automl.jobs import BatchCost, DataRef, ModelRef
from automl.plan import Configuration
from automl.rundir import RunDir
from tests import factories

MEASURED = Setting(
    2,
    "fp32",
    (BatchCost(8, 0.2, 100, 20), BatchCost(16, 0.3, 200, 20), BatchCost(32, 0.5, 400, 20)),
    seconds_per_evaluated_row=0.01,
    start_seconds=5.0,
    frozen_share=0.5,
)
FULL = replace(MEASURED, batches=(*MEASURED.batches, BatchCost(64, None, 800, 0)))


def plan(threads: int | None = None, precision: str = "auto"):
    made = factories.plan()
    return replace(made, devices=replace(made.devices, threads=threads, precision=precision))


def configuration(**values):
    return Configuration("small", {"epochs": 2, "batch_size": 16, **values})


@pytest.mark.parametrize("native", [True, False])
def test_bf16_is_timed_on_a_cpu_only_where_it_is_native(monkeypatch, native: bool):
    monkeypatch.setattr(machine, "bf16_on_cpu", lambda: native)
    _, precisions = timing.choices(plan(), 4, gpu=False)
    assert ("bf16" in precisions) == native
    assert "bf16" in timing.choices(plan(), 4, gpu=True)[1]


def test_one_thread_is_compared_with_the_whole_share():
    assert timing.choices(plan(), 8, gpu=False)[0] == (1, 8)
    assert timing.choices(plan(threads=3), 8, gpu=False)[0] == (3,)


@pytest.mark.parametrize(
    ("batch", "seconds"), [(8, 0.2), (12, 0.25), (24, 0.4), (32, 0.5), (64, 1.0), (4, 0.15)]
)
def test_a_steps_seconds_lie_on_the_line_between_measured_ones(batch: int, seconds: float):
    assert MEASURED.step_seconds(batch) == pytest.approx(seconds)


def test_a_batch_that_does_not_fit_is_accumulated_from_one_that_does():
    assert FULL.micro_batch(32) is None
    assert FULL.micro_batch(64) == 32
    assert FULL.micro_batch(48) is None
    assert FULL.step_seconds(64) == pytest.approx(1.0)
    assert MEASURED.micro_batch(1024) is None


def test_memory_is_that_of_the_next_larger_batch_measured():
    assert [MEASURED.memory_bytes(size) for size in (8, 12, 32, 64)] == [100, 200, 400, 400]


def test_predicted_seconds_are_steps_and_evaluations():
    made = replace(factories.plan(), search=replace(factories.plan().search, evaluation_samples=50))
    steps = 200 / 16 * 0.3
    evaluations = 4 * 20 * 0.01
    found = timing.predicted_seconds(made, MEASURED, configuration(), 0, 200)
    assert found == pytest.approx(steps + evaluations)
    assert timing.whole_trial_seconds(made, MEASURED, configuration()) == pytest.approx(found + 5)


def test_a_task_that_bounds_its_evaluation_rows_is_predicted_with_no_more():
    made = plan()
    many = replace(
        made,
        task="translation",
        data=replace(made.data, rows={**made.data.rows, "validation": 10_000}),
    )
    few = replace(many, data=replace(many.data, rows={**many.data.rows, "validation": 300}))
    seconds = [timing.whole_trial_seconds(each, MEASURED, configuration()) for each in (many, few)]
    assert seconds[0] == seconds[1]


def test_nothing_is_predicted_beyond_the_horizon():
    made = factories.plan()
    assert timing.predicted_seconds(made, MEASURED, configuration(), 200, 300) == 0
    to_end = timing.predicted_seconds(made, MEASURED, configuration(), 0, 200)
    assert timing.predicted_seconds(made, MEASURED, configuration(), 0, 10**6) == to_end


def test_a_probe_costs_a_look_at_every_row():
    made = factories.plan()
    probe = Configuration("small", {"method": "probe"})
    assert timing.horizon_samples(made, probe) == 0
    assert timing.predicted_seconds(made, MEASURED, probe, 0, 0) == pytest.approx(
        120 * 0.01 + FIT_SECONDS
    )


def test_a_fitted_head_costs_a_look_at_the_rows_before_the_first_step():
    made = factories.plan()
    plain = configuration(head_init="random")
    fitted = configuration(head_init="probe")
    first, later = [
        timing.predicted_seconds(made, MEASURED, fitted, *part)
        - timing.predicted_seconds(made, MEASURED, plain, *part)
        for part in ((0, 100), (100, 200))
    ]
    assert (first, later) == (pytest.approx(100 * 0.01 + FIT_SECONDS), 0)


def test_frozen_embeddings_make_steps_cheaper():
    made = factories.plan()
    whole = timing.predicted_seconds(made, MEASURED, configuration(), 0, 64)
    frozen = timing.predicted_seconds(made, MEASURED, configuration(freeze_embeddings=True), 0, 64)
    assert frozen == pytest.approx(whole / 2)


@given(st.lists(st.integers(0, 200), min_size=2, max_size=6))
def test_a_trials_parts_cost_what_the_whole_costs(cuts: list[int]):
    made = factories.plan()
    levels = [0, *sorted(cuts), 200]
    parts = sum(
        timing.predicted_seconds(made, MEASURED, configuration(), a, b) for a, b in pairwise(levels)
    )
    assert parts == pytest.approx(timing.predicted_seconds(made, MEASURED, configuration(), 0, 200))


@pytest.mark.slow
def test_a_candidate_whose_step_fails_is_refused_and_asked_again(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = factories.plan(factories.candidate("small"))
    data = DataRef({"train": str(tmp_path / "none")}, ("a", "b"), "f", 8)
    found = timing.settings(
        made,
        {"small": ModelRef("small", str(tmp_path / "none"))},
        {"small": data},
        Share(1, (), 1),
        RunDir.at(tmp_path / "run"),
        lambda _: None,
    )
    refused = found["small"].refused
    assert refused is not None
    assert "a training step of it fails" in refused
    assert timing.known(made, made.candidates[0], 1) is None


@given(rows=st.integers(2, 200), again=st.integers(2, 200))
def test_what_did_not_fit_is_taken_in_halves_and_stays_so(rows: int, again: int):
    limited = FULL.limited(rows)
    assert limited.micro_batch(rows) is not None
    assert limited.micro_batch(rows) < rows
    assert limited.step_seconds(rows) > 0
    sizes = [each.batch_size for each in limited.batches]
    assert sizes == sorted(set(sizes))
    both = limited.limited(again)
    assert both.micro_batch(max(rows, again)) < min(rows, again)


def test_one_row_that_does_not_fit_is_nothing_to_learn_from():
    assert FULL.limited(1) == FULL


def test_half_of_what_did_not_fit_is_tried_next():
    assert MEASURED.limited(24).micro_batch(32) == 16
    assert MEASURED.limited(28).micro_batch(32) == 16
    assert MEASURED.limited(8).micro_batch(8) == 4
    assert MEASURED.limited(8).micro_batch(6) is None
