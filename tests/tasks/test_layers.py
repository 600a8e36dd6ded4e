"""Layers: which models' can be counted and left away, and what is frozen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from automl.errors import CandidateError
from automl.tasks._layers import READING, embeddings, layers
from automl.tasks.text_classification import TASK

TINY_BERT = Path(__file__).resolve().parent.parent / "fixtures" / "tiny-bert"
LABELS = ("no", "yes", "maybe")
SIZES = {
    "vocab_size": 384,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "head_dim": 16,
    "word_embed_proj_dim": 32,
    "embedding_size": 32,
}


QUICK = ("bert", "distilbert", "llama", "modernbert")


def families(known):
    """Return the families as parameters, all but a few of them slow: there are many."""
    return [pytest.param(each, marks=() if each in QUICK else pytest.mark.slow) for each in known]


def save(family, folder):
    """Write a tiny model of the family, with all its layers and no head, beside a tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModel

    shutil.copytree(TINY_BERT, folder)
    torch.manual_seed(0)
    known = AutoConfig.for_model(family)
    sizes = {k: v for k, v in SIZES.items() if hasattr(known, k) or k in known.attribute_map}
    AutoModel.from_config(AutoConfig.for_model(family, **sizes)).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("family", families(READING))
def test_the_kept_layers_are_the_first_and_compute_what_they_did(family, tmp_path):
    import torch

    path = save(family, tmp_path / "model")
    assert layers(json.loads((tmp_path / "model" / "config.json").read_text())) == 3
    whole = TASK.build(path, LABELS, {}, False).eval()
    short = TASK.build(path, LABELS, {"keep_layers": 2}, False).eval()
    assert layers(short.config.to_dict()) == 2
    words = {"input_ids": torch.tensor([[5, 6, 7, 8]]), "attention_mask": torch.ones(1, 4).long()}
    with torch.no_grad():
        before = whole.base_model(**words, output_hidden_states=True).hidden_states
        after = short.base_model(**words, output_hidden_states=True).hidden_states
    assert (len(before), len(after)) == (4, 3)
    torch.testing.assert_close(after[1], before[1])
    short.save_pretrained(tmp_path / "saved")
    assert len(TASK.build(str(tmp_path / "saved"), LABELS, {}, False).state_dict()) == len(
        short.state_dict()
    )


@pytest.mark.parametrize("family", families(READING))
def test_frozen_embeddings_alone_ask_for_no_gradient(family, tmp_path):
    model = TASK.build(save(family, tmp_path / "m"), LABELS, {"freeze_embeddings": True}, False)
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    assert any(model.get_input_embeddings().weight is p for p in embeddings(model).parameters())
    assert 0 < len(frozen) == len(list(embeddings(model).parameters()))
    assert not any("layer." in name or "layers." in name for name in frozen)


@pytest.mark.parametrize(
    ("config", "count"),
    [
        ({"model_type": "bert", "num_hidden_layers": 6}, 6),
        ({"model_type": "distilbert", "n_layers": 4}, 4),
        ({"model_type": "albert", "num_hidden_layers": 12}, None),
        ({"model_type": "t5", "num_layers": 4}, None),
        ({"model_type": "bert"}, None),
        ({}, None),
    ],
)
def test_layers_are_counted_where_they_are_alike_and_in_a_row(config, count):
    assert layers(config) == count


@pytest.mark.parametrize("count", [0, 3])
def test_more_layers_than_there_are_and_none_are_refused(count):
    with pytest.raises(CandidateError, match=f"{count} layers are to be kept of 2"):
        TASK.build(str(TINY_BERT), LABELS, {"keep_layers": count}, False)


def test_a_family_whose_layers_cannot_be_counted_is_refused(tmp_path):
    path = save("albert", tmp_path / "model")
    with pytest.raises(CandidateError, match="layers of a albert can't be left away"):
        TASK.build(path, LABELS, {"keep_layers": 1}, False)
