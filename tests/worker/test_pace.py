"""How rows become steps."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.worker.pace import plan


def paced(rows=100, batch=16, epochs=3, warmup=0.0, every=100, processes=1, micro=None):
    return plan(rows, batch, epochs, warmup, every, processes, micro)


@given(st.integers(1, 64), st.integers(1, 4), st.one_of(st.none(), st.integers(0, 80)))
def test_every_step_sees_the_batch_whatever_fits_at_once(share, processes, micro):
    pace = paced(batch=share * processes, processes=processes, micro=micro)
    assert pace.micro_batch * pace.accumulation * processes == share * processes
    assert pace.micro_batch <= max(1, micro or share)


def test_the_largest_part_that_fits_is_taken():
    assert (paced(batch=12, micro=5).micro_batch, paced(batch=12, micro=5).accumulation) == (4, 3)


def test_a_batch_that_processes_cannot_share_is_refused():
    with pytest.raises(ValueError, match="16 can't be divided among 3 processes"):
        paced(processes=3)


@given(st.integers(1, 500), st.integers(1, 64), st.integers(1, 5), st.integers(1, 700))
def test_evaluations_come_each_time_enough_rows_were_seen_and_at_the_end(
    rows, batch, epochs, every
):
    pace = paced(rows, batch, epochs, every=every)
    due = [step for step in range(1, pace.total_steps + 1) if pace.due(step)]
    assert due[-1] == pace.total_steps
    assert pace.samples(pace.total_steps) == rows * epochs
    for count, step in enumerate(due[:-1], 1):
        assert pace.samples(step) >= count * every or len(due) > pace.samples(step) // every
        assert pace.samples(step) - pace.samples(step - 1) <= batch
    assert len(due) <= math.ceil(rows * epochs / every)


def test_one_evaluation_an_epoch_falls_on_the_epochs_ends():
    pace = paced(rows=100, batch=16, every=100)
    assert [step for step in range(1, 22) if pace.due(step)] == [7, 14, 21]


def test_warm_up_is_a_whole_number_of_steps():
    assert paced(rows=160, epochs=1, warmup=0.05).warmup_steps == 1
    assert paced(rows=160, epochs=1, warmup=0.0).warmup_steps == 0
    assert paced(rows=160, epochs=1, warmup=0.9).warmup_steps == 9


def test_a_rung_is_the_first_evaluation_at_or_past_its_level():
    pace = paced(rows=100, batch=10, epochs=3, every=50)
    due = [step for step in range(1, 31) if pace.due(step)]
    assert due == [5, 10, 15, 20, 25, 30]

    def rungs(*levels):
        return [step for step in range(1, 31) if pace.rung(step, levels)]

    assert rungs(50, 150) == [5, 15]
    assert rungs(1, 101) == [5, 15]
    assert rungs(51, 99, 100) == [10]
    assert rungs(251, 300, 10**9) == []
    assert rungs() == []


@given(
    st.integers(1, 300),
    st.integers(1, 64),
    st.integers(1, 5),
    st.integers(1, 400),
    st.lists(st.integers(1, 1500), max_size=4),
)
def test_each_rung_is_asked_about_once_at_most_and_never_at_the_end(
    rows, batch, epochs, every, levels
):
    pace = paced(rows, batch, epochs, every=every)
    asked = [step for step in range(1, pace.total_steps + 1) if pace.rung(step, levels)]
    assert all(pace.due(step) for step in asked)
    assert pace.total_steps not in asked
    assert len(asked) <= len(set(levels))
    before = max((step for step in range(1, pace.total_steps) if pace.due(step)), default=0)
    reached = [level for level in levels if level <= pace.samples(before)]
    assert bool(reached) == bool(asked)


@given(st.integers(1, 200), st.integers(1, 5), st.integers(1, 64), st.integers(1, 4))
def test_rows_in_pieces_are_seen_when_all_their_pieces_are(rows, pieces, batch, epochs):
    pace = replace(paced(rows, batch, epochs, every=rows), items=rows * pieces)
    assert pace.total_steps == epochs * math.ceil(rows * pieces / batch)
    assert pace.samples(pace.total_steps) == rows * epochs
    assert [s for s in range(1, pace.total_steps + 1) if pace.due(s)] == [
        pace.steps_per_epoch * epoch for epoch in range(1, epochs + 1)
    ]
