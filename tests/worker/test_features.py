"""Features of frozen models: pooling, layers, order of rows, and the cache."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from automl import tasks
from automl.errors import CandidateError
from automl.tasks._text import load_tokenizer
from automl.worker import features, store

from .conftest import LABELS, TINY_BERT, rows

TASK = tasks.get("text-classification")
TOKENIZER = load_tokenizer(str(TINY_BERT))
COLLATE = TASK.collator(TOKENIZER)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return TASK.build(str(TINY_BERT), LABELS, {}, False).eval()


def encoded(count=17):
    return store.rows(TASK.encode(rows(count), TOKENIZER, 32, LABELS))


def decoder():
    from transformers import LlamaConfig, LlamaForSequenceClassification

    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=400, num_hidden_layers=2, pad_token_id=0, **sizes)
    return LlamaForSequenceClassification(config).eval()


def test_padding_is_left_out_of_every_pooling():
    states = torch.tensor([[[1.0], [3.0], [100.0]], [[2.0], [4.0], [9.0]]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    pooled = {how: features.pool(states, mask, how).ravel().tolist() for how in ("mean", "last")}
    assert pooled == {"mean": [2.0, 5.0], "last": [3.0, 9.0]}
    assert features.pool(states, mask, "first").ravel().tolist() == [1.0, 2.0]


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_each_row_gets_what_the_model_alone_would_give_it(model, pooling):
    many = encoded()
    found = features.by_layer(model, many, COLLATE, 4, pooling)
    assert (found.shape, found.dtype) == ((17, 3, 32), np.float32)
    for row in (0, 6, 16):
        ids = torch.as_tensor(many[row]["input_ids"][None].astype(np.int64))
        with torch.no_grad():
            hidden = model(input_ids=ids, output_hidden_states=True).hidden_states
        for layer, states in enumerate(hidden):
            each = states[0].numpy()
            taken = {"mean": each.mean(axis=0), "first": each[0], "last": each[-1]}[pooling]
            taken = (taken - taken.mean()) / taken.std()
            np.testing.assert_allclose(found[row, layer], taken, atol=2e-3)


def test_encoders_are_read_by_their_mean_and_decoders_by_their_last_token(model):
    assert features.natural(model) == "mean"
    assert features.natural(decoder()) == "last"


def test_what_is_raised_between_batches_ends_the_pass(model):
    done = []

    def between(count):
        done.append(count)
        if count >= 8:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        features.by_layer(model, encoded(), COLLATE, 4, "mean", between=between)
    assert done == [0, 4, 8]


def test_a_model_whose_states_are_not_finite_is_refused(model):
    broken = TASK.build(str(TINY_BERT), LABELS, {}, False)
    with torch.no_grad():
        broken.bert.encoder.layer[1].output.dense.bias.fill_(float("nan"))
    with pytest.raises(CandidateError, match="not all finite"):
        features.by_layer(broken, encoded(), COLLATE, 4, "mean")


def test_features_are_made_once_and_large_ones_are_not_kept(tmp_path, monkeypatch):
    made = []

    def make():
        made.append(1)
        return np.arange(6, dtype=np.float32).reshape(2, 3)

    for _ in range(2):
        found = features.cached(tmp_path, "a", make)
        assert found.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert len(made) == 1
    monkeypatch.setattr(features, "MOST_CACHED_BYTES", 10)
    for _ in range(2):
        features.cached(tmp_path, "b", make)
    assert len(made) == 3
    assert sorted(path.name for path in tmp_path.glob("*.npy")) == ["a.npy"]


def test_a_pass_that_fails_leaves_nothing_behind(tmp_path):
    def make():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        features.cached(tmp_path, "a", make)
    assert not list(tmp_path.glob("*.npy"))


def test_content_changes_with_the_weights_and_not_with_the_place(tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(TINY_BERT, copy)
    assert features.content(copy) == features.content(TINY_BERT)
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert features.content(copy) != features.content(TINY_BERT)
