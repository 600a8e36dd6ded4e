"""The order of training rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from automl.worker.sampling import LengthGrouped, order

LENGTHS = np.random.default_rng(0).integers(1, 100, 1000)


@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 5), st.integers(0, 5))
def test_every_row_comes_exactly_once(rows, batch, seed, epoch):
    lengths = np.arange(rows) % 17
    assert sorted(order(lengths, batch, seed, epoch)) == list(range(rows))


def test_a_batch_holds_rows_of_like_length():
    def padded(indices):
        batches = [LENGTHS[indices[i : i + 16]] for i in range(0, 1000, 16)]
        return sum(len(batch) * batch.max() for batch in batches)

    drawn = np.random.default_rng(1).permutation(1000)
    assert padded(order(LENGTHS, 16, 0, 0)) < 1.15 * LENGTHS.sum()
    assert padded(drawn) > 1.7 * LENGTHS.sum()


def test_batches_do_not_come_in_order_of_their_length():
    batches = np.array(order(LENGTHS, 16, 0, 1)[: 62 * 16]).reshape(62, 16)
    means = LENGTHS[batches].mean(axis=1)
    assert abs(np.corrcoef(means, np.arange(62))[0, 1]) < 0.3


def test_the_order_is_another_each_epoch_and_seed_and_the_same_each_time():
    first = order(LENGTHS, 16, 0, 0)
    assert first == order(LENGTHS, 16, 0, 0)
    assert first != order(LENGTHS, 16, 0, 1)
    assert first != order(LENGTHS, 16, 1, 0)


def test_the_longest_row_is_in_the_first_batch_of_all():
    assert LENGTHS[order(LENGTHS, 16, 3, 0)[:16]].max() == LENGTHS[:992].max() == LENGTHS.max()


def test_the_sampler_asks_nothing_of_torchs_generator():
    import torch

    sampler = LengthGrouped(LENGTHS, 16, 0)
    before = torch.get_rng_state()
    sampler.epoch = 2
    assert list(sampler) == order(LENGTHS, 16, 0, 2)
    assert len(sampler) == 1000
    assert torch.equal(before, torch.get_rng_state())
