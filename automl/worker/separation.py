"""How well features tell classes apart without training: H-score, LogME, nearest neighbours.

Pure numpy, written from the papers. Higher is better; knows no model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Targets = npt.NDArray[np.int64]

NEIGHBOURS = 5
_BLOCK_ROWS = 1024
_ITERATIONS = 100
_CLOSE = 1e-3
_LEAST = 1e-12


def h_score(features: Array, targets: Targets) -> float:
    """Return the H-score, tr(cov(f)⁻¹ cov(E[f | y])): Bao et al. 2019, ICIP.

    The covariance is shrunk towards a multiple of the identity (Ledoit & Wolf 2004), without which
    the score says nothing once there are about as many features as rows (Ibrahim et al. 2021).
    """
    x = _centred(features)
    covariance, shrinkage = _shrunk(x)
    between = np.zeros_like(covariance)
    for target in np.unique(targets):
        rows = x[targets == target]
        mean = rows.mean(axis=0)
        between += len(rows) / len(x) * np.outer(mean, mean)
    return float((1 - shrinkage) * np.trace(np.linalg.solve(covariance, between)))


def _shrunk(x: Array) -> tuple[Array, float]:
    """Return the Ledoit-Wolf covariance of centred rows, and how far it is shrunk, 0 to 1."""
    rows, width = x.shape
    sample = x.T @ x / rows
    mean = np.trace(sample) / width
    distance = max(float(np.square(sample).sum() / width - mean**2), _LEAST)
    fourth = np.square(np.square(x).sum(axis=1)).sum() / width
    noise = float((fourth / rows - np.square(sample).sum() / width) / rows)
    shrinkage = min(max(noise, 0.0) / distance, 1.0)
    least = _LEAST * max(mean, 1.0)
    return (1 - shrinkage) * sample + (shrinkage * mean + least) * np.eye(width), shrinkage


def logme(features: Array, targets: Targets) -> float:
    """Return LogME, the mean log evidence per row of a Bayesian linear model for each class.

    You et al. 2021, ICML; the fixed point for the precisions is that of its section 3.
    """
    x = np.asarray(features, dtype=np.float64)
    left, singular, _ = np.linalg.svd(x, full_matrices=False)
    spectrum = np.square(singular)
    evidence = [
        _evidence(left, spectrum, (targets == target).astype(np.float64), x.shape[1])
        for target in np.unique(targets)
    ]
    return float(np.mean(evidence))


def _evidence(left: Array, spectrum: Array, y: Array, width: int) -> float:
    """Return the log evidence per row of ``y`` at its best prior and noise precisions."""
    rows = len(y)
    along = np.square(left.T @ y)
    outside = max(float(y @ y - along.sum()), 0.0)
    prior, noise = 1.0, 1.0
    for _ in range(_ITERATIONS):
        ratio = prior / noise
        effective = float((spectrum / (spectrum + ratio)).sum())
        length = float((spectrum * along / np.square(spectrum + ratio)).sum())
        residual = outside + float((along * np.square(ratio / (spectrum + ratio))).sum())
        prior = effective / max(length, _LEAST)
        noise = (rows - effective) / max(residual, _LEAST)
        if abs(prior / noise - ratio) <= _CLOSE * ratio:
            break
    ratio = prior / noise
    length = float((spectrum * along / np.square(spectrum + ratio)).sum())
    residual = outside + float((along * np.square(ratio / (spectrum + ratio))).sum())
    determinant = float(np.log(prior + noise * spectrum).sum())
    determinant += (width - len(spectrum)) * np.log(prior)
    total = (
        width * np.log(prior)
        + rows * np.log(noise)
        - determinant
        - noise * residual
        - prior * length
        - rows * np.log(2 * np.pi)
    )
    return float(total / (2 * rows))


def neighbours(features: Array, targets: Targets, count: int = NEIGHBOURS) -> float:
    """Return the accuracy of each row's class voted by the ``count`` most similar other rows.

    Similarity is the cosine of centred features; a vote weighs 1 + similarity, and a tie goes to
    the class that comes first.
    """
    x = _centred(features).astype(np.float32)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), _LEAST)
    count = min(count, len(x) - 1)
    classes, codes = np.unique(targets, return_inverse=True)
    hits = 0
    for start in range(0, len(x), _BLOCK_ROWS):
        block = np.arange(start, min(start + _BLOCK_ROWS, len(x)))
        similar = x[block] @ x.T
        similar[np.arange(len(block)), block] = -np.inf
        nearest = np.argpartition(-similar, count - 1, axis=1)[:, :count]
        votes = np.zeros((len(block), len(classes)))
        weights = 1 + np.take_along_axis(similar, nearest, axis=1)
        np.add.at(votes, (np.arange(len(block))[:, None], codes[nearest]), weights)
        hits += int((votes.argmax(axis=1) == codes[block]).sum())
    return hits / len(x)


def _centred(features: Array) -> Array:
    x: Array = np.array(features, dtype=np.float64)
    x -= x.mean(axis=0)
    return x
