"""Scores of classification against scikit-learn's, and the bootstrap around them."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from automl.tasks import _classes

LABELS = tuple("abcdefg")


def drawn(seed, rows, classes, strength=1.0):
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, classes, rows)
    logits = generator.normal(size=(rows, classes)).astype(np.float32)
    logits[np.arange(rows), targets] += strength
    return logits, targets


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(2, 7), st.floats(-2, 3))
@pytest.mark.filterwarnings("ignore")
def test_scores_are_those_of_scikit_learn(seed, rows, classes, strength):
    logits, targets = drawn(seed, rows, classes, strength)
    predicted, labels = logits.argmax(axis=1), LABELS[:classes]
    found = _classes.score(logits, targets, labels)
    probabilities = np.exp(_classes.log_softmax(logits))
    expected = {
        "accuracy": reference.accuracy_score(targets, predicted),
        "macro_f1": reference.f1_score(targets, predicted, average="macro", zero_division=0),
        "weighted_f1": reference.f1_score(targets, predicted, average="weighted", zero_division=0),
        "balanced_accuracy": reference.balanced_accuracy_score(targets, predicted),
        "matthews_correlation": reference.matthews_corrcoef(targets, predicted),
        "log_loss": reference.log_loss(targets, probabilities, labels=range(classes)),
    }
    assert found == pytest.approx(expected, abs=1e-9)


def test_the_table_and_the_confusion_are_those_of_scikit_learn():
    logits, targets = drawn(1, 200, 5)
    predicted, labels = logits.argmax(axis=1), LABELS[:5]
    report = _classes.report(logits, targets, {"text": [""] * 200}, labels, seed=0)
    expected = reference.classification_report(
        targets, predicted, target_names=labels, output_dict=True, zero_division=0
    )
    for label in labels:
        found = {**report.per_class[label], "f1-score": report.per_class[label]["f1"]}
        del found["f1"]
        assert found == pytest.approx(expected[label])
    assert report.confusion == tuple(map(tuple, reference.confusion_matrix(targets, predicted)))


def test_a_class_without_rows_scores_zero_and_does_not_spoil_the_mean():
    logits, targets = drawn(2, 50, 3, strength=9)
    wide = np.concatenate([logits, np.full((50, 1), -99, dtype=np.float32)], axis=1)
    report = _classes.report(wide, targets, {"text": [""] * 50}, LABELS[:4], seed=0)
    assert report.per_class["d"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    assert report.metrics["macro_f1"] == pytest.approx(1.0)


def test_intervals_cover_the_true_accuracy_about_as_often_as_they_say():
    covered = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        targets = generator.integers(0, 2, 80)
        right = generator.random(80) < 0.75
        logits = np.eye(2, dtype=np.float32)[np.where(right, targets, 1 - targets)]
        interval = _classes.report(logits, targets, {}, LABELS[:2], seed).intervals["accuracy"]
        covered += interval.low <= 0.75 <= interval.high
    assert 88 <= covered <= 100


def test_mistakes_are_the_most_confident_first_and_name_text_and_classes():
    logits = np.array([[5, 0], [0, 1], [3, 0], [0, 9]], dtype=np.float32)
    targets = np.array([1, 0, 0, 1])
    columns = {"text": ["w", "x", "y", "z"], "label": ["b", "a", "a", "b"]}
    report = _classes.report(logits, targets, columns, ("a", "b"), seed=0)
    assert [(e["text"], e["label"], e["predicted"]) for e in report.examples] == [
        ("w", "b", "a"),
        ("x", "a", "b"),
    ]
    assert report.examples[0]["score"] == pytest.approx(1 / (1 + np.exp(-5)))


def test_the_bootstrap_of_3000_rows_and_77_classes_takes_under_two_cpu_seconds():
    logits, targets = drawn(3, 3000, 77)
    began = time.process_time()
    _classes.report(logits, targets, {}, [str(i) for i in range(77)], seed=0)
    assert time.process_time() - began < 2.0


def test_one_confident_mistake_leaves_log_loss_finite():
    logits = np.array([[0, 1e4]], dtype=np.float32)
    assert np.isfinite(_classes.score(logits, np.array([0]), ("a", "b"))["log_loss"])
