"""Ridge regression over layers: what it predicts, what it ranks, and ties."""

from __future__ import annotations

import numpy as np

from automl.worker import logistic, ridge


def made(rows: int, width: int, classes: int, apart: float, seed: int = 0):
    dice = np.random.default_rng(seed)
    targets = np.arange(rows) % classes
    centres = dice.normal(size=(classes, width))
    return (apart * centres[targets] + dice.normal(size=(rows, width))).astype(np.float32), targets


def test_it_predicts_what_least_squares_on_class_indicators_does():
    from sklearn.linear_model import Ridge

    features, targets = made(90, 5, 3, 1.0)
    seen, new = features[:60], features[60:]
    x = (seen - seen.mean(axis=0)) / seen.std(axis=0)
    found = ridge._predicted(seen, targets[:60], new)
    for penalty, classes in zip(ridge.PENALTIES, found, strict=True):
        model = Ridge(alpha=penalty * len(x)).fit(x, np.eye(3)[targets[:60]])
        wanted = model.predict((new - seen.mean(axis=0)) / seen.std(axis=0)).argmax(axis=1)
        assert np.array_equal(classes, wanted)


def test_the_layer_that_tells_classes_apart_is_found_and_of_equals_the_first():
    clear, targets = made(120, 8, 4, 2.0)
    noise, _ = made(120, 8, 4, 0.0, seed=1)
    fold = logistic.folds(targets, 0)
    assert ridge.best_layer(np.stack([noise, clear, noise], axis=1), targets, fold) == 1
    assert ridge.best_layer(np.stack([clear, clear], axis=1), targets, fold) == 0


def test_it_ranks_as_logistic_regression_does():
    fold = logistic.folds(np.arange(150) % 5, 0)
    scores = []
    for apart in (0.1, 0.4, 0.8):
        features, targets = made(150, 10, 5, apart)
        fitted = logistic.held_out(features, targets, 5, logistic.accuracy, fold, (0, 1, 2)).max()
        scores.append((ridge.accuracy(features, targets, fold), fitted))
    assert scores == sorted(scores)
    assert all(abs(mine - fitted) < 0.1 for mine, fitted in scores)


def test_features_that_never_change_and_a_single_class_are_no_error():
    features, targets = made(30, 4, 2, 3.0)
    fold = logistic.folds(targets, 0)
    still = np.insert(features, 2, 7.0, axis=1)
    assert ridge.accuracy(still, targets, fold) == ridge.accuracy(features, targets, fold) > 0.8
    one = np.zeros(30, dtype=np.int64)
    assert ridge.accuracy(features, one, logistic.folds(one, 0)) == 1.0
