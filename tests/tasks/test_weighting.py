"""Rare classes weigh more, and the parts of a batch still add up to the whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from automl.tasks import _weighting
from automl.worker.store import rows

COUNTS = st.lists(st.integers(1, 5000), min_size=2, max_size=20).map(np.array)


@dataclass
class Fixed:
    """A model that says the logits it is given."""

    config: Any = field(default_factory=lambda: SimpleNamespace(num_labels=3))

    def __call__(self, logits: torch.Tensor) -> Any:
        return SimpleNamespace(logits=logits)


def noted(**hyperparameters: Any) -> Any:
    model = Fixed()
    _weighting.note(model, hyperparameters)
    return model


@given(COUNTS, st.sampled_from(["balanced", "sqrt"]))
def test_the_mean_weight_over_the_rows_is_one_and_rarer_classes_never_weigh_less(counts, how):
    weights = _weighting.class_weights(counts, how)
    assert (weights * counts).sum() == pytest.approx(counts.sum())
    order = np.argsort(counts)
    assert (np.diff(weights[order]) <= 1e-9).all()
    assert weights.max() <= weights.min() * _weighting.MOST * (1 + 1e-9)


@given(COUNTS, st.sampled_from(["balanced", "sqrt"]))
def test_hits_are_raised_by_what_they_lack_and_no_further_than_the_cap(counts, how):
    weights = _weighting.hit_weights(counts, 5000, how)
    assert ((weights >= 1 / _weighting.MOST) & (weights <= _weighting.MOST)).all()
    assert ((weights >= 1) == (counts <= 2500)).all()


def test_balanced_classes_are_those_of_scikit_learn_below_the_cap():
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.repeat([0, 1, 2], [40, 10, 5])
    found = _weighting.class_weights(np.bincount(labels), "balanced")
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("how", ["none", "balanced", "sqrt"])
def test_micro_batches_weighed_by_their_rows_add_up_to_the_whole_batch(how, smoothing):
    logits, labels = torch.randn(32, 3), torch.tensor([0] * 25 + [1] * 6 + [2])
    model = noted(class_weights=how, label_smoothing=smoothing)
    _weighting.count_classes(model, None, rows({"labels": labels.tolist()}))
    whole = _weighting.cross_entropy(model, {"logits": logits, "labels": labels})
    parts = [
        _weighting.cross_entropy(model, {"logits": logits[part], "labels": labels[part]})
        * len(logits[part])
        for part in (slice(0, 20), slice(20, 31), slice(31, 32))
    ]
    torch.testing.assert_close(sum(parts) / 32, whole)


def test_without_weights_it_is_the_smoothed_loss_of_the_trainer():
    from transformers.trainer_pt_utils import LabelSmoother

    logits, labels = torch.randn(8, 3), torch.tensor([0, 1, 2, 0, 1, 2, 0, 0])
    expected = LabelSmoother(0.1)({"logits": logits}, labels)
    model = noted(label_smoothing=0.1)
    found = _weighting.cross_entropy(model, {"logits": logits, "labels": labels})
    torch.testing.assert_close(found, expected)


def test_the_hits_of_rare_classes_weigh_more_in_multi_label_losses():
    labels = torch.tensor([[1.0, 0.0, 0.0]] * 9 + [[1.0, 1.0, 0.0]])
    model = noted(class_weights="balanced")
    _weighting.count_decisions(model, None, rows({"labels": labels.tolist()}))
    assert model.automl_weights.tolist() == pytest.approx([1 / 20, 9, 10], rel=1e-6)
    logits = torch.zeros(10, 3)
    found = _weighting.binary_cross_entropy(model, {"logits": logits, "labels": labels})
    expected = np.log(2) * (10 / 20 + 9 + 9 + 10) / 30
    assert float(found) == pytest.approx(expected, rel=1e-5)
