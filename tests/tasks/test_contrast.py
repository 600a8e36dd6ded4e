"""Losses over embeddings give the numbers that sentence-transformers' give."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from automl.tasks import _contrast as contrast

ROWS, WIDTH = 7, 12


def vectors(rows: int, seed: int) -> torch.Tensor:
    made = torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(made, dim=1)


ONE, OTHER, NEGATIVE = vectors(ROWS, 0), vectors(ROWS, 1), vectors(ROWS, 2)
NONE = torch.zeros(ROWS, 2 * ROWS, dtype=torch.bool)
SCORES = torch.tensor([0.0, 1.0, 0.2, 0.2, 0.9, 0.5, 1.0])
ALIKE = torch.tensor([1, 0, 0, 1, 1, 0, 0])


@pytest.fixture(scope="module")
def losses():
    from sentence_transformers.sentence_transformer import losses

    return losses


@pytest.mark.slow
def test_ranking_is_their_multiple_negatives_ranking_loss(losses):
    theirs = losses.MultipleNegativesRankingLoss(None, scale=1 / 0.07)
    pairs = theirs.compute_loss_from_embeddings([ONE, OTHER], None)
    assert float(contrast.ranking(ONE, OTHER, NONE[:, :ROWS], 0.07)) == pytest.approx(float(pairs))
    triplets = theirs.compute_loss_from_embeddings([ONE, OTHER, NEGATIVE], None)
    documents = torch.cat([OTHER, NEGATIVE])
    assert float(contrast.ranking(ONE, documents, NONE, 0.07)) == pytest.approx(float(triplets))


@pytest.mark.slow
def test_order_is_their_cosent_loss(losses):
    theirs = losses.CoSENTLoss(None, scale=1 / 0.05).compute_loss_from_embeddings
    expected = float(theirs([ONE, OTHER], SCORES))
    assert float(contrast.order(ONE, OTHER, SCORES, 0.05)) == pytest.approx(expected, rel=1e-5)
    assert float(contrast.order(ONE, OTHER, 5 * SCORES, 0.05)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_distance_is_their_cosine_similarity_loss(losses):
    theirs = losses.CosineSimilarityLoss(None).compute_loss_from_embeddings
    expected = float(theirs([ONE, OTHER], SCORES))
    assert float(contrast.distance(ONE, OTHER, SCORES)) == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize("alike", [ALIKE, ALIKE * 0, ALIKE * 0 + 1])
def test_contrast_is_their_contrastive_loss_or_the_online_one_by_row(losses, alike):
    plain = losses.ContrastiveLoss(None).compute_loss_from_embeddings([ONE, OTHER], alike)
    assert float(contrast.contrast(ONE, OTHER, alike, False)) == pytest.approx(float(plain))
    hard = losses.OnlineContrastiveLoss(None).compute_loss_from_embeddings([ONE, OTHER], alike)
    found = float(contrast.contrast(ONE, OTHER, alike, True))
    assert found == pytest.approx(float(hard) / ROWS)


def test_a_text_that_stands_in_two_rows_is_no_negative():
    queries = torch.tensor([0, 1, 0, 2])
    documents = torch.tensor([5, 6, 7, 5])
    expected = [
        [True, False, True, True],  # own, and the other one of the same query, and its twin
        [False, True, False, False],
        [True, False, True, True],
        [True, False, False, True],
    ]
    assert contrast.relevant(queries, documents).tolist() == expected


def test_what_is_hidden_does_not_move_the_loss():
    relevant = NONE[:, :ROWS].clone()
    relevant[0, 3] = relevant[2, 2] = True
    twin = OTHER.clone()
    twin[3] = ONE[0]
    plain = contrast.ranking(ONE[:1], OTHER, relevant[:1], 0.05)
    assert float(contrast.ranking(ONE[:1], twin, relevant[:1], 0.05)) == pytest.approx(float(plain))
    harmed = contrast.ranking(ONE[:1], twin, NONE[:1, :ROWS], 0.05)
    assert float(harmed) > float(plain) + 0.1
