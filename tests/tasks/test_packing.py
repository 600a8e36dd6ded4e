"""Rows side by side: the same loss and gradients as one below the other, or a plain refusal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.errors import CandidateError
from automl.tasks import _causal, _packing
from automl.tasks._text import IGNORED, Padder
from automl.tasks.text_generation import TASK
from tests.fixtures import tiny_decoder

ROWS = [
    {
        "input_ids": [3 + (7 * row + step) % 300 for step in range(5 + row)],
        "attention_mask": [1] * (5 + row),
        "labels": [IGNORED] * 2 + [3 + (7 * row + step) % 300 for step in range(2, 5 + row)],
    }
    for row in range(9)
]


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_loss_and_its_gradients_are_those_of_padded_rows(tmp_path, family):
    import torch

    path = str(tiny_decoder.make(tmp_path, family))
    model = TASK.build(path, (), {"packing": True}, False).eval()
    losses, gradients = [], []
    for collate in (Padder({"labels": IGNORED}), _packing.Packer(0)):
        model.zero_grad()
        loss = _causal.mean_loss(model, collate(ROWS))
        loss.backward()
        losses.append(loss.item())
        gradients.append(torch.cat([each.grad.flatten() for each in model.parameters()]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert torch.allclose(*gradients, atol=1e-5)


def test_a_batch_is_packed_into_fewer_rows():
    batch = _packing.Packer(0)(ROWS)
    count = sum(len(row["input_ids"]) for row in ROWS)
    assert batch["input_ids"].numel() < 1.1 * count
    assert (batch["labels"] != IGNORED).sum() == sum(len(row["input_ids"]) - 2 for row in ROWS)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40))
def test_every_row_is_in_one_bin_and_no_bin_is_too_full(lengths):
    width = 3 * max(lengths)
    bins = _packing.packed(lengths, width)
    assert sorted(row for held in bins for row in held) == list(range(len(lengths)))
    assert all(0 < sum(lengths[row] for row in held) <= width for held in bins)


def test_a_model_that_heeds_no_masks_is_refused():
    from transformers import MambaConfig, MambaForCausalLM

    model = MambaForCausalLM(
        MambaConfig(vocab_size=50, hidden_size=16, state_size=4, num_hidden_layers=1)
    )
    with pytest.raises(CandidateError, match="can't be packed"):
        _packing.check(model)
