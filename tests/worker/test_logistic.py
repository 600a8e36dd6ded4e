"""Logistic regression: against scikit-learn's, its folds, and being stopped."""

from __future__ import annotations

import numpy as np
import pytest

from automl.worker import logistic


def blobs(count=300, width=10, classes=4, seed=0, spread=2.0):
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, classes, count)
    centres = generator.normal(size=(classes, width))
    noise = generator.normal(size=(count, width))
    scale = np.geomspace(1e-3, 1e2, width)  # what isn't standardised would not converge
    features = (spread * centres[targets] + 3 * noise + 5) * scale
    return features.astype(np.float32), targets


@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_it_is_the_regression_that_scikit_learn_fits_on_standardised_features(strength):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features, targets = blobs()
    (found,) = logistic.path(features, targets, 4, (strength,))
    model = LogisticRegression(C=strength, tol=1e-8, max_iter=5000)
    theirs = make_pipeline(StandardScaler(), model).fit(features.astype(np.float64), targets)
    logits = found.logits(features).astype(np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, theirs.predict_proba(features), atol=5e-3)


def test_without_bias_it_has_none_and_still_learns():
    features, targets = blobs()
    *_, found = logistic.path(features, targets, 4, bias=False)
    assert found.bias is None
    assert logistic.accuracy(found.logits(features), targets) > 0.5


def test_a_feature_that_never_changes_gets_no_weight():
    features, targets = blobs()
    features[:, 3] = 7.5
    *_, found = logistic.path(features, targets, 4)
    assert np.isfinite(found.weight).all()
    assert (found.weight[:, 3] == 0).all()


def test_a_class_without_rows_is_never_predicted_and_spoils_nothing():
    features, targets = blobs()
    *_, found = logistic.path(features, targets, 5)
    logits = found.logits(features)
    assert np.isfinite(logits).all()
    assert (logits.argmax(axis=1) != 4).all()


def test_folds_spread_every_class_evenly_and_follow_the_seed():
    targets = np.repeat([0, 1, 2], [31, 7, 2])
    fold = logistic.folds(targets, 3)
    for target in range(3):
        counts = np.bincount(fold[targets == target], minlength=3)
        assert counts.max() - counts.min() <= 1
    assert (fold == logistic.folds(targets, 3)).all()
    assert (fold != logistic.folds(targets, 4)).any()


def test_what_is_held_out_is_not_trained_on():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(120, 200)).astype(np.float32)
    targets = generator.integers(0, 2, 120)
    fold = logistic.folds(targets, 0)
    scores = logistic.held_out(features, targets, 2, logistic.accuracy, fold, (0, 1, 2))
    *_, fitted = logistic.path(features, targets, 2)
    assert logistic.accuracy(fitted.logits(features), targets) == 1.0
    assert (scores < 0.7).all(), "noise can be learnt by heart, not foretold"


def test_a_fit_ends_when_it_is_told_to():
    features, targets = blobs()
    calls = []

    def between():
        calls.append(1)
        if len(calls) == 5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(logistic.path(features, targets, 4, between=between))
    assert len(calls) == 5
