"""What is worth timing, and what the timing says of a trial."""

from __future__ import annotations

from dataclasses import replace

import pytest

from automl import machine
from automl.compiler import timing
from automl.compiler.timing import Setting
from tests import factories


def plan(threads: int | None = None, precision: str = "auto"):
    made = factories.plan()
    return replace(made, devices=replace(made.devices, threads=threads, precision=precision))


@pytest.mark.parametrize("native", [True, False])
def test_bf16_is_timed_on_a_cpu_only_where_it_is_native(monkeypatch, native: bool):
    monkeypatch.setattr(machine, "bf16_on_cpu", lambda: native)
    _, precisions = timing.choices(plan(), 4, gpu=False)
    assert ("bf16" in precisions) == native
    assert "bf16" in timing.choices(plan(), 4, gpu=True)[1]


def test_one_thread_is_compared_with_the_whole_share():
    assert timing.choices(plan(), 8, gpu=False)[0] == (1, 8)
    assert timing.choices(plan(threads=3), 8, gpu=False)[0] == (3,)


def test_nothing_is_timed_where_there_is_no_choice():
    fixed = plan(threads=2, precision="fp32")
    assert timing.without_choice(fixed, 8, gpu=False) == Setting(2, "fp32")
    assert timing.without_choice(plan(precision="fp32"), 8, gpu=False) is None


def test_predicted_seconds_follow_rows_and_epochs():
    made = plan()
    setting = Setting(1, "fp32", seconds_per_sample=0.01)
    assert timing.predicted_seconds(made, made.candidates[0], setting) == pytest.approx(3.0)
