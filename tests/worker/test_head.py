"""The last linear layer of stock heads: found, opened, straightened, and given a regression."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertConfig,
)

from automl.errors import CandidateError
from automl.worker import head
from automl.worker.logistic import Linear

SMALL = {
    "vocab_size": 50,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_labels": 3,
    "pad_token_id": 0,
}
DISTILBERT = {"dim": 16, "hidden_dim": 32, "n_layers": 2, "n_heads": 2}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2, "eos_token_id": 1}
T5 |= {"decoder_start_token_id": 0}
XLNET = {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32, "d_head": 8}
FAMILIES = {
    "bert": ("classifier", True),
    "roberta": ("classifier.out_proj", True),
    "electra": ("classifier.out_proj", True),
    "deberta-v2": ("classifier", True),
    "distilbert": ("classifier", True),
    "albert": ("classifier", True),
    "xlnet": ("logits_proj", True),
    "t5": ("classification_head.out_proj", True),
    "modernbert": ("classifier", False),
    "llama": ("score", False),
    "gpt2": ("score", False),
}
"""Model type → its last linear layer, and whether what lies before it can be made straight."""


def made(kind):
    torch.manual_seed(0)
    settings = {**SMALL, **{"distilbert": DISTILBERT, "t5": T5, "xlnet": XLNET}.get(kind, {})}
    if kind == "albert":
        settings["embedding_size"] = 8
    if kind == "modernbert":
        settings |= {"cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2}
    config = AutoConfig.for_model(kind, **settings)
    return AutoModelForSequenceClassification.from_config(config).eval()


def inputs():
    ids = torch.tensor([[5, 6, 7, 8, 1], [9, 10, 1, 0, 0], [11, 1, 0, 0, 0], [4, 4, 4, 4, 1]])
    return {"input_ids": ids, "attention_mask": (ids != 0).long()}


def logits(model):
    with torch.no_grad():
        return model(**inputs()).logits


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_layer_that_gives_the_logits_is_found_and_what_it_reads_is_given(kind):
    model = made(kind)
    name = head.last_linear(model, inputs())
    assert name == FAMILIES[kind][0]
    layer, before = model.get_submodule(name), logits(model)
    with head.opened(model, name):
        read = logits(model)
    assert read.shape == (4, 16)
    with torch.no_grad():
        torch.testing.assert_close(layer(read), before)
    torch.testing.assert_close(logits(model), before)


@pytest.mark.parametrize("kind", FAMILIES)
def test_what_lies_before_it_becomes_straight_or_stays_as_it_was(kind):
    model = made(kind)
    name, straight = FAMILIES[kind]
    before = logits(model)
    assert head.straighten(model, name, inputs()) is straight
    if not straight:
        torch.testing.assert_close(logits(model), before)
        return
    # Straight: what is read is one multiple of a state the head pools, plus a constant.
    with head.opened(model, name):
        read = logits(model)
    with torch.no_grad():
        states = model(**inputs(), output_hidden_states=True)
    last = (getattr(states, "hidden_states", None) or states.decoder_hidden_states)[-1]
    rows = torch.stack([read.flatten(), torch.ones(read.numel())], dim=1)
    residuals = [
        float((rows @ torch.linalg.lstsq(rows, state.flatten()[:, None]).solution
               - state.flatten()[:, None]).norm() / state.norm())
        for state in (last[:, 0], last[torch.arange(4), [4, 2, 1, 4]], last[:, -1])
    ]  # fmt: skip
    assert min(residuals) < 2e-3


def test_an_activation_that_no_setting_makes_straight_leaves_the_head_alone():
    model = made("bert")
    model.bert.pooler.activation = nn.Threshold(1e9, 0.0)
    before = logits(model)
    assert not head.straighten(model, "classifier", inputs())
    torch.testing.assert_close(logits(model), before)


def test_as_many_classes_as_states_are_wide_confuse_nothing():
    torch.manual_seed(0)
    config = BertConfig(**{**SMALL, "num_labels": 16})
    model = AutoModelForSequenceClassification.from_config(config).eval()
    assert head.last_linear(model, inputs()) == "classifier"


def test_a_head_without_a_linear_layer_is_refused():
    model = made("bert")
    model.classifier = nn.Bilinear(16, 16, 3)
    model.classifier.forward = lambda x: x[:, :3]
    with pytest.raises(CandidateError, match="no linear layer"):
        head.last_linear(model, inputs())


def test_a_regression_put_in_gives_its_own_logits():
    model = made("bert")
    with head.opened(model, "classifier"):
        read = logits(model).numpy()
    fitted = Linear(torch.randn(3, 16).numpy(), torch.randn(3).numpy())
    head.install(model, "classifier", fitted)
    torch.testing.assert_close(logits(model), torch.from_numpy(fitted.logits(read)))
