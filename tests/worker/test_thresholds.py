"""Thresholds help where they can, and not where only luck says so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl import tasks
from automl.worker.thresholds import GRID, LEAST_POSITIVES, choose, shifted

ONE, SEVERAL = tasks.get("text-classification"), tasks.get("multi-label-classification")
PAIR = ("ham", "spam")
MANY = ("a", "b", "c", "rare")


def binary(rows=800, share=0.1, shift=-2.0, seed=0):
    """Logits that tell spam well and say its probability too low by ``shift`` log-odds."""
    rng = np.random.default_rng(seed)
    targets = (rng.random(rows) < share).astype(np.int64)
    logits = np.zeros((rows, 2))
    logits[:, 1] = rng.normal(np.where(targets, 2.0, -2.0), 1.2) + shift
    return logits, targets


def several(rows=1000, seed=0, shifts=(-3.0, -1.0, 0.0, -2.0), share=(0.2, 0.3, 0.4, 0.01)):
    rng = np.random.default_rng(seed)
    targets = (rng.random((rows, 4)) < np.array(share)).astype(np.float32)
    logits = rng.normal(np.where(targets > 0, 1.5, -1.5), 1.0) + np.array(shifts)
    return logits, targets


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.sampled_from(GRID), min_size=4, max_size=4))
def test_shifted_logits_are_decided_as_the_thresholds_decide(seed, least):
    for task, labels, (logits, targets) in (
        (ONE, PAIR, binary(60, 0.4, 0.0, seed)),
        (SEVERAL, MANY, several(60, seed)),
    ):
        chosen = dict(zip(labels, least, strict=False)) if task is SEVERAL else {"spam": least[0]}
        by_them = tasks.deciding(task, chosen).score(logits, targets, labels)
        by_half = task.score(shifted(logits, labels, chosen), targets, labels)
        for name in set(by_them) - {"log_loss"}:
            assert by_them[name] == pytest.approx(by_half[name]), name


def test_the_rarer_of_two_classes_gets_a_threshold_that_lifts_the_metric():
    found = choose(ONE, *binary(), PAIR, "macro_f1", "maximize", 0)
    assert list(found.by_class) == ["spam"]
    assert found.by_class["spam"] < 0.4
    assert found.tuned - found.plain > found.noise
    again = binary(seed=1)
    with_them = tasks.deciding(ONE, found.by_class).score(*again, PAIR)
    assert with_them["macro_f1"] > ONE.score(*again, PAIR)["macro_f1"] + 0.05
    assert with_them["log_loss"] == ONE.score(*again, PAIR)["log_loss"]


def test_classes_get_thresholds_of_their_own_and_those_with_few_rows_the_common_one():
    found = choose(SEVERAL, *several(), MANY, "macro_f1", "maximize", 0)
    assert found.by_class["a"] < found.by_class["b"] < found.by_class["c"]
    assert found.alike == ("rare",)
    assert (several()[1][:, 3] > 0).sum() < LEAST_POSITIVES
    assert found.tuned > found.plain + 0.1


@pytest.mark.parametrize(
    ("metric", "direction"), [("micro_f1", "maximize"), ("hamming_loss", "minimize")]
)
def test_other_metrics_get_one_threshold_for_all(metric, direction):
    found = choose(SEVERAL, *several(shifts=(-3.0, -3.0, -3.0, -3.0)), MANY, metric, direction, 0)
    assert set(found.by_class) == set(MANY)
    assert len(set(found.by_class.values())) == 1
    assert (found.tuned > found.plain) == (direction == "maximize")
    assert not found.alike


def test_nothing_is_taken_where_a_half_is_right():
    found = choose(ONE, *binary(share=0.5, shift=0.0), PAIR, "macro_f1", "maximize", 0)
    assert not found.by_class
    assert "macro_f1 of held-out rows would change by" in found.why_not
    assert found.tuned == found.plain


def test_luck_on_a_small_validation_split_is_seldom_taken_for_a_gain():
    taken = 0
    for seed in range(10):
        found = choose(ONE, *binary(60, 0.4, 0.0, seed), PAIR, "accuracy", "maximize", seed)
        taken += bool(found.by_class)
    assert taken <= 3


def test_a_metric_of_probabilities_needs_none():
    found = choose(ONE, *binary(), PAIR, "log_loss", "minimize", 0)
    assert not found.by_class
    assert found.why_not == "log_loss does not depend on what is decided"


def test_more_than_two_classes_and_numbers_have_none():
    logits, targets = np.zeros((9, 3)), np.arange(9) % 3
    assert choose(ONE, logits, targets, ("a", "b", "c"), "accuracy", "maximize", 0) is None
    numbers = tasks.get("text-regression")
    assert choose(numbers, logits[:, :1], targets, (), "r2", "maximize", 0) is None
