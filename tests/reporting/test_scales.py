"""Scales name round values within them and put every value inside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from automl.reporting.scales import Scale, label, spanning

NUMBERS = some.floats(-1e9, 1e9, allow_nan=False)


@given(some.lists(NUMBERS, min_size=1, max_size=20))
def test_every_value_lies_on_the_scale(values):
    scale = spanning(values, 10, 110)
    for value in values:
        assert 10 <= scale(value) <= 110
    for tick in scale.ticks():
        assert 9.999 <= scale(tick) <= 110.001
    assert len(scale.ticks()) <= 12


@given(some.lists(some.floats(1e-9, 1e12), min_size=1, max_size=20))
def test_a_logarithmic_scale_holds_every_positive_value(values):
    scale = spanning(values, 0, 100, log=True)
    assert all(-0.001 <= scale(value) <= 100.001 for value in values)


def test_ticks_are_round():
    assert Scale(0, 1, 0, 100).ticks(5) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert Scale(1, 1000, 0, 1, log=True).ticks() == [1, 10, 100, 1000]


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (0.85, "0.85"), (3e-5, "3e-5"), (2.84e-5, "2.84e-5"), (4000, "4,000"),
     (12000, "12k"), (22_700_000, "22.7M"), (-0.5, "-0.5"), (1.5e9, "1.5G")],
)  # fmt: skip
def test_labels_are_short(value, said):
    assert label(value) == said
