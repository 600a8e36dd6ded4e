"""The temperature that makes probabilities true, and when the model is left as it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.tasks._classes import log_softmax
from automl.worker.temperature import (
    COLDEST,
    HOTTEST,
    calibration,
    fit,
    losses,
    reliability,
)

KINDS = st.sampled_from(["softmax", "sigmoid"])


def drawn(kind, rows=1500, classes=4, seed=0, spread=2.0):
    """Logits, and targets that come true with exactly their probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, spread, (rows, classes))
    if kind == "sigmoid":
        return logits, (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    chances = np.exp(log_softmax(logits))
    return logits, (chances.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1)


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_the_factor_that_logits_are_too_large_by_is_found(kind, factor):
    logits, targets = drawn(kind)
    assert fit(logits * factor, targets, kind) == pytest.approx(factor, rel=0.12)


@settings(max_examples=25, deadline=None)
@given(KINDS, st.integers(0, 10**6), st.floats(0.1, 20), st.integers(2, 60))
def test_no_other_temperature_has_less_loss(kind, seed, spread, rows):
    logits, targets = drawn(kind, rows, 3, seed, spread)
    found = fit(logits, targets, kind)
    assert COLDEST <= found <= HOTTEST
    least = losses(logits / found, targets, kind).mean()
    for other in np.geomspace(COLDEST, HOTTEST, 20):
        assert least <= losses(logits / other, targets, kind).mean() + 1e-6


@settings(max_examples=25, deadline=None)
@given(KINDS, st.integers(0, 10**6), st.integers(1, 80))
def test_the_error_is_the_mean_distance_over_the_bins(kind, seed, rows):
    logits, targets = drawn(kind, rows, 3, seed)
    found = reliability(logits, targets, kind)
    counts = np.array([each.count for each in found.bins])
    gaps = np.array([abs(each.said - each.found) for each in found.bins])
    assert counts.sum() == (rows if kind == "softmax" else 3 * rows)
    assert found.error == pytest.approx((counts * gaps).sum() / counts.sum())
    assert 0 <= found.error <= 1
    assert [each.said for each in found.bins] == sorted(each.said for each in found.bins)


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_confident_logits_are_calmed_and_become_true(kind):
    logits, targets = drawn(kind, 3000)
    found = calibration(logits * 4, targets, kind, 0)
    assert found.taken
    assert found.temperature == pytest.approx(4, rel=0.1)
    assert found.loss[1] < found.loss[0]
    assert found.error[1] < 0.03 < 0.1 < found.error[0]


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_what_is_true_already_is_left_as_it_is_more_often_than_not(kind):
    taken = [calibration(*drawn(kind, 400, seed=seed), kind, seed).taken for seed in range(20)]
    assert sum(taken) <= 5


def test_too_few_mistakes_tell_nothing_of_confidence():
    logits = np.eye(3)[[0, 1, 2] * 30] * 2.0
    found = calibration(logits, np.array([0, 1, 2] * 30), "softmax", 0)
    assert not found.taken
    assert found.temperature == 1
    assert "0 wrong decisions" in found.why_not


def test_what_is_said_is_of_rows_that_were_not_fitted():
    # Three rows a fold can't tell a temperature: held-out rows show it, fitted ones would not.
    rng = np.random.default_rng(3)
    logits, targets = rng.normal(0, 1, (15, 3)), rng.integers(0, 3, 15)
    found = calibration(logits, targets, "softmax", 0)
    fitted = losses(logits / fit(logits, targets, "softmax"), targets, "softmax").mean()
    assert found.loss[1] > fitted
