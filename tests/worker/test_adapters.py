"""Adapters in models of many families: what they change, what is kept, what loads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl.errors import CandidateError

CLASSES = "AutoModelForSequenceClassification"
WORDS = "AutoModelForCausalLM"
TRANSLATION = "AutoModelForSeq2SeqLM"
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
GROUPED = {**SIZES, "num_key_value_heads": 2}
T5 = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 2}
BART = {
    "d_model": 32,
    **{f"{part}_layers": 2 for part in ("encoder", "decoder")},
    **{f"{part}_attention_heads": 2 for part in ("encoder", "decoder")},
    **{f"{part}_ffn_dim": 64 for part in ("encoder", "decoder")},
}
FAMILIES: tuple[tuple[str, str, dict[str, Any], tuple[str, ...]], ...] = (
    (CLASSES, "bert", SIZES, ("classifier", "bert.pooler")),
    (CLASSES, "electra", {**SIZES, "embedding_size": 16}, ("classifier",)),
    (CLASSES, "modernbert", SIZES, ("head", "classifier")),
    (CLASSES, "deberta-v2", SIZES, ("pooler", "classifier")),
    (
        CLASSES,
        "distilbert",
        {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
        ("pre_classifier", "classifier"),
    ),
    (CLASSES, "gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 2}, ("score",)),
    (CLASSES, "llama", GROUPED, ("score",)),
    (CLASSES, "t5", T5, ("classification_head",)),
    ("AutoModelForTokenClassification", "bert", SIZES, ("classifier",)),
    (WORDS, "llama", GROUPED, ()),
    (WORDS, "gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 2}, ()),
    (WORDS, "gpt_neox", SIZES, ()),
    (TRANSLATION, "t5", T5, ()),
    (TRANSLATION, "bart", BART, ()),
    ("AutoModelForMaskedLM", "bert", SIZES, ()),
)

every_family = pytest.mark.parametrize(
    ("auto", "family", "sizes", "head"), FAMILIES, ids=[f"{a[9:]}-{f}" for a, f, *_ in FAMILIES]
)


def made(auto: str, family: str, sizes: dict[str, Any]) -> Any:
    """Return a tiny model, the same each time, evaluating."""
    import torch
    import transformers

    more = {"eos_token_id": 2, "decoder_start_token_id": 0, "num_labels": 3}
    special = {"bos_token_id": 1, "cls_token_id": 1, "sep_token_id": 2, "pad_token_id": 0}
    if family != "xlnet":
        more["max_position_embeddings"] = 64
    config = transformers.AutoConfig.for_model(family, vocab_size=64, **special, **more, **sizes)
    torch.manual_seed(0)
    return getattr(transformers, auto).from_config(config).eval()


def said(model: Any) -> Any:
    """Return the model's logits for a few fixed rows."""
    import torch

    rows = torch.arange(5, 41).reshape(4, 9)
    rows[:, -1] = 2
    more = {"labels": rows} if "ForConditionalGeneration" in type(model).__name__ else {}
    return model(input_ids=rows, **more).logits


def trained(model: Any, **chosen: Any) -> Any:
    """Return the model with adapters that are no longer at zero."""
    import torch

    from automl.worker import adapters

    torch.manual_seed(1)
    adapters.attach(model, {"method": "lora", "lora_rank": 4, **chosen})
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def task(auto: str) -> Any:
    """Return a task whose models are of the auto class."""
    from automl import tasks

    return replace(tasks.get("text-classification"), auto_class=auto)


@every_family
def test_adapters_begin_at_zero_and_all_that_is_trained_has_a_gradient(auto, family, sizes, head):
    import torch

    from automl.worker import adapters

    model = made(auto, family, sizes)
    before = said(model).detach()
    plain = {name for name, _ in model.named_parameters()}
    adapters.attach(model, {"method": "lora", "lora_rank": 4})
    after = said(model)
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)
    after.square().sum().backward()
    names = {name for name, each in model.named_parameters() if each.requires_grad}
    assert all(model.get_parameter(name).grad is not None for name in names)
    whole = {name for name in names if ".lora_" not in name}
    assert whole == {name for name in plain if name.startswith(tuple(f"{h}." for h in head))}
    assert names > whole


@every_family
def test_what_is_saved_computes_as_what_was_trained_merged_or_not(
    auto, family, sizes, head, tmp_path
):
    import torch
    import transformers
    from peft import PeftModel

    from automl.worker import adapters

    untouched = said(made(auto, family, sizes)).detach()
    model = trained(made(auto, family, sizes))
    expected = said(model).detach()
    assert (expected - untouched).abs().max() > 1e-3
    adapters.save(model, tmp_path, task(auto))
    merged, found = getattr(transformers, auto).from_pretrained(tmp_path, output_loading_info=True)
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    torch.testing.assert_close(said(merged.eval()), expected, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        other = made(auto, family, sizes)
        for name in head:  # what a base model has there is drawn anew each time
            for parameter in other.get_submodule(name).parameters():
                parameter.normal_()
    beside = PeftModel.from_pretrained(other, tmp_path / adapters.ADAPTER)
    torch.testing.assert_close(said(beside.merge_and_unload()), expected, atol=1e-5, rtol=1e-5)


def test_adapters_of_attention_are_in_no_other_layer():
    from automl.worker import adapters

    model = made(WORDS, "llama", GROUPED)
    room = adapters.room(model)
    assert room.per_rank == {
        "all-linear": 2 * (4 * (32 + 32) + 3 * (32 + 64)),
        "attention": 2 * 4 * (32 + 32),
    }
    adapters.attach(model, {"method": "lora", "lora_targets": "attention", "lora_rank": 8})
    holding = {name.split(".lora_")[0] for name, _ in model.named_parameters() if ".lora_" in name}
    assert {name.rpartition(".")[2] for name in holding} == {
        "q_proj", "k_proj", "v_proj", "o_proj"
    }  # fmt: skip
    trained = sum(each.numel() for each in model.parameters() if each.requires_grad)
    assert trained == 8 * room.per_rank["attention"] + room.head
    assert room.head == 0


def test_peft_finds_adapters_and_base_model_by_themselves(tmp_path):
    import json

    import torch
    from peft import AutoPeftModelForCausalLM

    from automl.worker import adapters

    made(WORDS, "llama", GROUPED).save_pretrained(tmp_path / "base")
    model = trained(made(WORDS, "llama", GROUPED))
    adapters.save(model, tmp_path / "best", task(WORDS))
    settings = tmp_path / "best" / adapters.ADAPTER / "adapter_config.json"
    named = {**json.loads(settings.read_text()), "base_model_name_or_path": str(tmp_path / "base")}
    settings.write_text(json.dumps(named))
    found = AutoPeftModelForCausalLM.from_pretrained(settings.parent).eval()
    torch.testing.assert_close(said(found.merge_and_unload()), said(model), atol=1e-5, rtol=1e-5)


def test_a_family_without_attention_layers_has_room_in_others_alone():
    from automl.worker import adapters

    sizes = {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64}
    model = made(CLASSES, "xlnet", sizes)
    assert set(adapters.room(model).per_rank) == {"all-linear"}
    with pytest.raises(CandidateError, match="lora_targets: attention"):
        adapters.attach(model, {"method": "lora", "lora_targets": "attention"})


def test_a_head_that_is_not_told_from_its_body_is_refused():
    from automl.worker import adapters

    model = made(CLASSES, "bert", SIZES)
    model.base_model_prefix = "encoder"
    with pytest.raises(CandidateError, match="can't be told from its body"):
        adapters.room(model)


def test_what_makes_the_pooling_a_mean_stays_as_it_is(tmp_path):
    import torch
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForSequenceClassification

    from automl.tasks import _pooling
    from automl.worker import adapters

    model = made(CLASSES, "bert", SIZES)
    model.save_pretrained(tmp_path / "base")
    _pooling.pool(model, "mean")
    trained(model, pooling="mean")
    added = model.get_submodule("bert.encoder.layer.2")
    assert not any("lora" in name for name, _ in added.named_parameters())
    assert torch.count_nonzero(added.attention.self.query.weight) == 0
    assert added.attention.self.value.weight.requires_grad
    adapters.save(model, tmp_path / "best", task(CLASSES))
    config = AutoConfig.from_pretrained(tmp_path / "best")
    base = AutoModelForSequenceClassification.from_pretrained(tmp_path / "base", config=config)
    beside = PeftModel.from_pretrained(base.eval(), tmp_path / "best" / adapters.ADAPTER)
    torch.testing.assert_close(said(beside.merge_and_unload()), said(model), atol=1e-5, rtol=1e-5)


def test_a_checkpoint_of_other_adapters_is_refused():
    from automl.worker import adapters

    small = trained(made(WORDS, "llama", GROUPED), lora_targets="attention")
    large = trained(made(WORDS, "llama", GROUPED))
    with pytest.raises(RuntimeError, match="other adapters"):
        adapters.restore(large, adapters.trained_state(small))


@pytest.fixture
def quantised() -> Callable[..., Any]:
    pytest.importorskip("bitsandbytes")
    return lambda *parts: trained(made(*parts), method="qlora")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("auto", "family", "sizes"),
    [(CLASSES, "bert", SIZES), (WORDS, "llama", GROUPED), (TRANSLATION, "t5", T5)],
)
def test_layers_in_four_bits_are_saved_as_they_computed(
    quantised, auto, family, sizes, tmp_path: Path
):
    import torch
    import transformers

    from automl.worker import adapters

    model = quantised(auto, family, sizes)
    kinds = {type(each).__name__ for each in model.modules()}
    assert "Linear4bit" in kinds
    after = said(model)
    after.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert not parameter.requires_grad or parameter.grad is not None, name
    adapters.save(model, tmp_path, task(auto))
    merged = getattr(transformers, auto).from_pretrained(tmp_path).eval()
    assert not any("4bit" in type(each).__name__ for each in merged.modules())
    torch.testing.assert_close(said(merged), after.detach(), atol=1e-4, rtol=1e-4)
    state = adapters.trained_state(model)
    again = quantised(auto, family, sizes)
    adapters.restore(again, {name: tensor.clone() for name, tensor in state.items()})
    assert torch.equal(said(again), after)


@pytest.mark.slow
def test_a_family_whose_layers_take_no_four_bits_is_refused(quantised):
    with pytest.raises(CandidateError, match="none of its layers"):
        quantised(WORDS, "gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 2})
