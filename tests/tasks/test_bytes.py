"""The byte n-gram model: probabilities that add up, learnt from context."""

from __future__ import annotations

import math

import numpy as np
import pytest

from automl.tasks import _bytes
from automl.tasks._bytes import ByteModel, Passage


def test_probabilities_of_all_symbols_after_a_context_add_up_to_one():
    model = ByteModel([Passage(b"", b"abracadabra"), Passage(b"", b"abba")])
    every = [Passage(b"ab", bytes([byte])) for byte in range(256)]
    both = model.judge(every)[:, 0]
    ends = model.judge([Passage(b"ab" + p.said, b"") for p in every])[:, 0]
    end = model.judge([Passage(b"ab", b"")])[0, 0]
    assert np.exp(ends - both).sum() + math.exp(-end) == pytest.approx(1)


def test_only_what_is_said_and_its_end_are_counted():
    model = ByteModel([Passage(b"q:", b"yes")] * 3)
    nats, symbols, right = model.judge([Passage(b"q:", b"yes")])[0]
    assert symbols == 4
    assert right == 4
    assert nats < model.judge([Passage(b"x:", b"nos")])[0, 0]


def test_a_text_costs_the_same_whatever_is_judged_beside_it():
    model = ByteModel([Passage(b"", b"one two three")])
    alone = model.judge([Passage(b"", b"two")])
    beside = model.judge([Passage(b"", b"another"), Passage(b"", b"two")])
    np.testing.assert_allclose(alone[0], beside[1])


def test_text_beyond_the_limit_is_not_trained_on(monkeypatch):
    monkeypatch.setattr(_bytes, "MOST_BYTES", 4)
    few = ByteModel([Passage(b"", b"aaaa"), Passage(b"", b"zzzz")])
    again = ByteModel([Passage(b"", b"aaaa")])
    np.testing.assert_allclose(few.judge([Passage(b"", b"az")]), again.judge([Passage(b"", b"az")]))
