from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.compiler.rungs import ETA, evaluations_per_epoch, rungs
from automl.plan import Candidate, Parameter
from tests import factories


def candidate(low: int, default: int, high: int, warmup: float = 0.1, batch: int = 32) -> Candidate:
    return replace(
        factories.candidate(),
        space=(
            Parameter("epochs", "int", default, low, high),
            Parameter("warmup_ratio", "choice", warmup, choices=(warmup,)),
            Parameter("batch_size", "choice", batch, choices=(batch,)),
        ),
    )


@pytest.mark.parametrize(
    ("train", "validation", "times"),
    [(8000, 1000, 2), (10_000, 500, 3), (800, 800, 1), (650, 150, 1), (10, 0, 3)],
)
def test_evaluation_takes_about_a_tenth_of_the_time(train: int, validation: int, times: int):
    assert evaluations_per_epoch({"train": train, "validation": validation}) == times


def test_the_first_rung_is_a_ninth_of_the_default_horizon_where_nothing_forbids_it():
    assert rungs([candidate(1, 9, 18, warmup=0.0)], 900, 100) == (900, 2700, 8100)


def test_no_rung_lies_inside_the_longest_warm_up():
    first, *_ = rungs([candidate(2, 5, 10)], 1000, 250)
    assert first == 1250
    assert rungs([candidate(1, 3, 20, warmup=0.2)], 1000, 500)[0] == 4500


def test_the_first_evaluation_is_never_a_rung():
    assert rungs([candidate(1, 3, 5, warmup=0.0)], 100, 100) == (200,)


def test_there_is_no_rung_where_the_horizon_is_too_short():
    assert rungs([candidate(1, 1, 1)], 100, 100) == ()


def test_the_candidate_with_the_longest_warm_up_decides_for_all():
    short, long = candidate(1, 3, 5), candidate(2, 8, 20)
    assert rungs([short, long], 1000, 500) == rungs([long], 1000, 500)


@given(
    st.integers(1, 5),
    st.integers(0, 10),
    st.integers(0, 10),
    st.floats(0, 0.5),
    st.integers(20, 5000),
    st.integers(1, 5),
)
def test_rungs_are_evaluations_beyond_warm_up_an_eta_apart(
    low: int, more: int, yet: int, warmup: float, rows: int, often: int
):
    every = -(-rows // often)
    high = low + more + yet
    found = rungs([candidate(low, low + more, high, warmup)], rows, every)
    for level in found:
        assert level % every == 0
        assert level >= 2 * every
        assert warmup * high * rows < level < high * rows
    assert all(b == ETA * a for a, b in pairwise(found))
