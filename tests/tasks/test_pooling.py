"""Mean pooling inside stock classes: what it computes, and that nothing of ours is needed later."""

from __future__ import annotations

import json

import pytest

from automl.errors import CandidateError
from automl.tasks._pooling import _FAMILIES, pooling_choices
from automl.tasks._text import load_tokenizer
from automl.tasks.text_classification import TASK

from .test_layers import LABELS, TINY_BERT, families, save

TEXTS = ["a text", "a text of rather more words than the other one has", "short"]
every_family = pytest.mark.parametrize("family", families(_FAMILIES))


def built(path, **chosen):
    return TASK.build(str(path), LABELS, {"pooling": "mean", **chosen}, False)


def batch(path, texts):
    tokenizer = load_tokenizer(str(path))
    rows = TASK.encode({"text": texts}, tokenizer, 40, LABELS)
    items = [{name: values[row] for name, values in rows.items()} for row in range(len(texts))]
    return TASK.collator(tokenizer)(items)


def pooled(model, inputs):
    """Return what the head's dense layer is given, in evaluation mode."""
    import torch

    seen = []
    head = model.get_submodule(_FAMILIES[model.config.model_type].head)
    hook = head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        model.eval()(**inputs)
    hook.remove()
    return seen[0]


def normalised(values):
    import torch

    return torch.nn.functional.layer_norm(values, values.shape[-1:])


@every_family
def test_the_head_sees_the_normalised_mean_over_all_tokens(family, tmp_path):
    import torch

    path = save(family, tmp_path / "model")
    inputs = batch(path, TEXTS)
    stock, model = TASK.build(path, LABELS, {}, False).eval(), built(path)
    with torch.no_grad():
        states = stock.base_model(**inputs)[0]
    mask = inputs["attention_mask"][..., None]
    expected = normalised((states * mask).sum(1) / mask.sum(1))
    found = pooled(model, inputs)
    assert found.shape == expected.shape
    first = normalised(states[:, 0])
    assert (found - expected).norm() < 0.1 * (first - expected).norm()
    torch.testing.assert_close(found, expected, atol=0.15, rtol=0.0)


@every_family
def test_padding_changes_nothing_of_it(family, tmp_path):
    import torch

    path = save(family, tmp_path / "model")
    model = built(path)
    together, alone = pooled(model, batch(path, TEXTS)), pooled(model, batch(path, TEXTS[:1]))
    torch.testing.assert_close(together[:1], alone, atol=1e-4, rtol=1e-4)


@every_family
def test_training_leaves_what_makes_it_a_mean(family, tmp_path):
    import torch

    path = save(family, tmp_path / "model")
    model = built(path)
    parts = _FAMILIES[family]
    layer = model.get_submodule(parts.layers)[-1]
    passing = (parts.values, parts.attended, *parts.norms)
    held = [name for name, each in layer.named_parameters() if not each.requires_grad]
    assert len(held) == len(list(layer.parameters())) - 2 * len(passing)
    model.train().requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(**batch(path, TEXTS), labels=torch.tensor([0, 1, 2])).loss.backward()
        grads = {name: each.grad for name, each in layer.named_parameters()}
        moved = {name for name, grad in grads.items() if grad is not None and grad.any()}
        # Even if asked for, there is none but for one bias, which all tokens are given.
        assert len(moved & set(held)) == 1
        assert {f"{name}.weight" for name in passing} <= moved
        optimizer.step()


@every_family
def test_the_saved_model_is_a_stock_one_that_a_pipeline_loads(family, tmp_path):
    import torch
    from transformers import pipeline

    path = save(family, tmp_path / "model")
    model = built(path, keep_layers=2).eval()
    model.save_pretrained(tmp_path / "saved", save_original_format=False)
    load_tokenizer(path).save_pretrained(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert "auto_map" not in config
    assert sorted(config[key] for key in ("num_hidden_layers", "n_layers") if key in config) == [3]
    classify = pipeline("text-classification", model=str(tmp_path / "saved"), top_k=None)
    assert type(classify.model) is type(model)
    with torch.no_grad():
        expected = model(**batch(path, TEXTS[1:2])).logits.softmax(-1)[0]
    scores = {each["label"]: each["score"] for each in classify(TEXTS[1:2])[0]}
    for label, probability in zip(LABELS, expected, strict=True):
        assert scores[label] == pytest.approx(float(probability), abs=1e-6)


def test_a_model_that_pools_already_is_loaded_as_it_is(tmp_path):
    model = built(TINY_BERT)
    model.save_pretrained(tmp_path)
    load_tokenizer(str(TINY_BERT)).save_pretrained(tmp_path)
    again = TASK.build(str(tmp_path), LABELS, {}, False)
    assert {name: p.tolist() for name, p in again.state_dict().items()} == {
        name: p.tolist() for name, p in model.state_dict().items()
    }


def test_modernbert_is_told_so_by_its_config(tmp_path):
    import torch

    path = save("modernbert", tmp_path / "model")
    model = built(path).eval()
    assert model.config.classifier_pooling == "mean"
    assert len(model.model.layers) == 3
    inputs = batch(path, TEXTS)
    with torch.no_grad():
        states = model.model(**inputs)[0]
        mask = inputs["attention_mask"][..., None]
        expected = model.classifier(model.head((states * mask).sum(1) / mask.sum(1)))
        torch.testing.assert_close(model(**inputs).logits, expected)


def test_the_classifier_is_drawn_as_without_it():
    import torch

    heads = []
    for pooling in ("stock", "mean"):
        torch.manual_seed(3)
        heads.append(TASK.build(str(TINY_BERT), LABELS, {"pooling": pooling}, False).classifier)
    assert torch.equal(heads[0].weight, heads[1].weight)


@pytest.mark.parametrize(
    ("config", "choices"),
    [
        ({"model_type": "bert"}, ("stock", "mean")),
        ({"model_type": "modernbert"}, ("stock", "mean")),
        ({"model_type": "bert", "is_decoder": True}, ("stock",)),
        ({"model_type": "deberta-v2"}, ("stock", "mean")),
        ({"model_type": "mpnet"}, ("stock",)),
        ({"model_type": "llama"}, ("stock",)),
        ({}, ("stock",)),
    ],
)
def test_the_choices_are_known_from_the_config_alone(config, choices):
    assert pooling_choices(config) == choices


def test_a_family_without_it_is_refused(tmp_path):
    path = save("mpnet", tmp_path / "model")
    with pytest.raises(CandidateError, match="a mpnet has no pooling 'mean'"):
        built(path)
