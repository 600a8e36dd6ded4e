"""Scores that need no training: against their definitions, written out, and against sense."""

from __future__ import annotations

import numpy as np
import pytest

from automl.worker import separation

SCORES = (separation.h_score, separation.logme, separation.neighbours)


def blobs(spread, count=240, width=12, classes=3, seed=0):
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, classes, count)
    centres = generator.normal(size=(classes, width))
    features = spread * centres[targets] + generator.normal(size=(count, width))
    return features.astype(np.float32), targets


@pytest.mark.parametrize("score", SCORES)
def test_classes_further_apart_score_higher(score):
    values = [score(*blobs(spread)) for spread in (0.0, 0.3, 1.0, 3.0)]
    assert values == sorted(values)
    assert values[-1] > values[0]


@pytest.mark.parametrize("score", SCORES)
def test_more_features_than_rows_give_a_finite_number_that_still_ranks(score):
    near, far = (score(*blobs(spread, count=60, width=150)) for spread in (0.05, 1.0))
    assert np.isfinite([near, far]).all()
    assert far > near


@pytest.mark.parametrize("score", SCORES)
def test_a_constant_feature_and_a_class_of_one_row_spoil_nothing(score):
    features, targets = blobs(1.0)
    features[:, 0] = 1.0
    targets[0] = 9
    assert np.isfinite(score(features, targets))


def test_the_h_score_is_the_trace_of_its_definition():
    features, targets = blobs(1.0, count=20000)
    covariance = np.cov(features.T, bias=True)
    means = np.array([features[targets == target].mean(axis=0) for target in range(3)])
    expected = np.trace(np.linalg.pinv(covariance) @ np.cov(means[targets].T, bias=True))
    assert separation.h_score(features, targets) == pytest.approx(expected, rel=0.01)


def test_the_shrinkage_is_that_of_ledoit_and_wolf():
    from sklearn.covariance import ledoit_wolf

    x = blobs(1.0, count=40)[0].astype(np.float64)
    x -= x.mean(axis=0)
    covariance, shrinkage = separation._shrunk(x)
    expected, their_shrinkage = ledoit_wolf(x, assume_centered=True)
    assert shrinkage == pytest.approx(their_shrinkage)
    np.testing.assert_allclose(covariance, expected, atol=1e-9)


@pytest.mark.parametrize(("count", "width"), [(80, 12), (30, 50)])
def test_logme_is_the_highest_evidence_of_a_linear_gaussian_model(count, width):
    features, targets = blobs(0.5, count=count, width=width)
    x, found = features.astype(np.float64), []
    for target in range(3):
        y = (targets == target).astype(float)
        # y ~ N(0, I / noise + x xᵀ / prior)
        values, vectors = np.linalg.eigh(x @ x.T)
        along = np.square(vectors.T @ y)
        prior, noise = np.meshgrid(np.geomspace(1e-2, 1e5, 150), np.geomspace(1e-1, 1e4, 150))
        variance = 1 / noise[..., None] + np.maximum(values, 0) / prior[..., None]
        evidence = -0.5 * (np.log(2 * np.pi * variance) + along / variance).sum(axis=-1)
        found.append(evidence.max() / count)
    assert separation.logme(features, targets) == pytest.approx(np.mean(found), abs=2e-3)


def test_neighbours_are_others_and_vote_by_similarity():
    angles = np.radians([0, 5, 10, 180, 185, 190])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert separation.neighbours(features, np.array([0, 0, 0, 1, 1, 1]), 2) == 1.0
    # Each row's own class is held by itself alone: no other row can vote for it.
    assert separation.neighbours(features, np.arange(6), 2) == 0.0


def test_neighbours_in_blocks_are_those_of_all_rows_at_once(monkeypatch):
    features, targets = blobs(0.5)
    whole = separation.neighbours(features, targets)
    monkeypatch.setattr(separation, "_BLOCK_ROWS", 7)
    assert separation.neighbours(features, targets) == whole
