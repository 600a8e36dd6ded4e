"""Losses over embeddings of length 1, as sentence-transformers defines them, in torch.

Written out because theirs hold the model and its data collator; a test compares the numbers. Each
is a mean over the batch's rows, so that it does not grow with the batch. Knows no texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MARGIN = 0.5
"""Cosine distance beyond which unlike pairs are left alone (sentence-transformers' default)."""


def ranking(query: Tensor, documents: Tensor, relevant: Tensor, temperature: float) -> Tensor:
    """Return InfoNCE with the batch's other documents as negatives (van den Oord et al. 2018).

    ``documents`` (n + m, dimensions) are the n queries' own, in their order, then m that are
    nobody's. ``relevant`` (n, n + m) is true where a document answers the query though it stands
    in another row: it is no negative, and is left out.
    """
    import torch
    from torch.nn import functional

    cosines = query @ documents.T / temperature
    own = torch.arange(len(query), device=query.device)
    hidden = relevant.clone()
    hidden[own, own] = False
    return functional.cross_entropy(cosines.masked_fill(hidden, float("-inf")), own)


def relevant(queries: Tensor, documents: Tensor) -> Tensor:
    """Return which documents answer which queries, from numbers by which equal texts are known.

    Those are: documents of a row with the same query, and documents with the same text.
    """
    same_query = queries[:, None] == queries[None, :]
    same_document = documents[: len(queries), None] == documents[None, :]
    return (same_query.float() @ same_document.float()) > 0


def order(one: Tensor, other: Tensor, scores: Tensor, temperature: float) -> Tensor:
    """Return CoSENT: the more alike of two pairs is to have the higher cosine (Su 2022).

    The only loss here that is one number of the whole batch, whatever its size.
    """
    import torch

    cosines = (one * other).sum(dim=1) / temperature
    less = scores[:, None] < scores[None, :]
    apart = (cosines[:, None] - cosines[None, :])[less]
    return torch.logsumexp(torch.cat([cosines.new_zeros(1), apart]), dim=0)


def distance(one: Tensor, other: Tensor, scores: Tensor) -> Tensor:
    """Return the mean squared error of the cosine; ``scores`` are cosines."""
    from torch.nn import functional

    return functional.mse_loss((one * other).sum(dim=1), scores)


def contrast(one: Tensor, other: Tensor, alike: Tensor, hard: bool) -> Tensor:
    """Return the contrastive loss of cosine distances (Hadsell et al. 2006).

    ``hard`` counts only like pairs further apart than some unlike one, and the other way round.
    """
    import torch

    apart = 1 - (one * other).sum(dim=1)
    together = alike > 0
    near, far = apart[together], apart[~together]
    if not hard:
        losses = torch.cat([near.square(), (MARGIN - far).clamp(min=0).square()])
        return losses.sum() / 2 / len(apart)
    if len(near) and len(far):
        near, far = near[near > far.min()], far[far < near.max()]
    elif len(near):
        near = near[near > near.mean()]
    else:
        far = far[far < far.mean()]
    return (near.square().sum() + (MARGIN - far).clamp(min=0).square().sum()) / len(apart)
