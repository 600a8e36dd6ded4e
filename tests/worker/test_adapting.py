"""Trials that train adapters: what changes, what is kept, and that they continue bit for bit."""

from __future__ import annotations

import json
import math
import shutil

import pytest

from automl.events import Finished, Paused, Reported
from automl.jobs import ModelRef

from .conftest import TINY_BERT

pytestmark = pytest.mark.slow

LORA = {"method": "lora", "lora_rank": 8, "learning_rate": 5e-3, "lora_dropout": 0.1}
ADAPTER = "adapter"


def load(path):
    from safetensors.torch import load_file

    return load_file(path)


def predictions(model, texts=("the morning train", "wrong price, please help me")):
    import torch

    from automl.tasks._text import load_tokenizer

    inputs = load_tokenizer(str(TINY_BERT))(list(texts), padding=True, return_tensors="pt")
    with torch.no_grad():
        return model.eval()(**inputs).logits


def test_adapters_learn_while_what_they_stand_beside_stays(bench, capfd):
    trial = bench.trial(evaluation_samples=172, hyperparameters={**LORA, "epochs": 12})
    assert bench.run(trial) == 0
    reports = bench.events(trial, Reported)
    assert reports[-1].metrics["log_loss"] < 0.8 * math.log(3)
    assert reports[-1].loss < reports[0].loss
    assert "weights are trained beside" in capfd.readouterr().out
    before, after = load(TINY_BERT / "model.safetensors"), load(trial.best / "model.safetensors")
    changed = {
        name
        for name, tensor in before.items()
        if f"bert.{name}" in after and not tensor.equal(after[f"bert.{name}"])
    }
    assert changed
    assert all(name.endswith("weight") for name in changed if "pooler" not in name)
    assert not any("embeddings" in name or "LayerNorm" in name for name in changed)


def test_the_best_model_is_whole_and_its_adapter_beside_it_says_the_same(bench):
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForSequenceClassification

    trial = bench.trial(hyperparameters=LORA)
    assert bench.run(trial) == 0
    whole = AutoModelForSequenceClassification.from_pretrained(trial.best)
    assert not any("lora" in name for name, _ in whole.named_parameters())
    config = AutoConfig.from_pretrained(trial.best)
    base = AutoModelForSequenceClassification.from_pretrained(TINY_BERT, config=config)
    beside = PeftModel.from_pretrained(base, trial.best / ADAPTER)
    assert (predictions(whole) - predictions(beside)).abs().max() < 1e-5
    settings = json.loads((trial.best / ADAPTER / "adapter_config.json").read_text())
    assert (settings["r"], settings["task_type"]) == (8, "SEQ_CLS")
    assert sorted(settings["modules_to_save"]) == ["bert.pooler", "classifier"]


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_a_paused_trial_ends_with_the_weights_and_scores_of_an_unbroken_one(bench, fault, method):
    if method == "qlora":
        pytest.importorskip("bitsandbytes")
    chosen = {**LORA, "method": method, "pooling": "mean", "head_init": "probe", "epochs": 2}
    unbroken, paused = (
        bench.trial(name, hyperparameters=chosen) for name in ("unbroken", "paused")
    )
    assert bench.run(unbroken) == 0
    fault("pause@step=3;pause@step=8")
    while not bench.events(paused, Finished):
        assert bench.run(paused) == 0
    assert [event.step for event in bench.events(paused, Paused)] == [3, 8]
    assert bench.scores(paused) == bench.scores(unbroken)
    beside = [f"{ADAPTER}/adapter_model.safetensors"] if method == "lora" else []
    for name in ("model.safetensors", *beside):
        assert (paused.best / name).read_bytes() == (unbroken.best / name).read_bytes(), name


def test_a_checkpoint_holds_only_what_training_changes_and_a_damaged_one_is_not_used(
    bench, fault, capfd
):
    trial = bench.trial(hyperparameters={**LORA, "epochs": 2})
    fault("pause@step=4,once")
    assert bench.run(trial) == 0
    (weights,) = trial.checkpoints.glob("step-*/model.safetensors")
    held = load(weights)
    assert not any(name.endswith("base_layer.weight") for name in held)
    assert not any("embeddings.word" in name for name in held)
    assert any("classifier" in name for name in held)
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(bytes(damaged))
    assert bench.run(trial) == 0
    assert "model.safetensors has changed" in capfd.readouterr().err
    assert isinstance(bench.events(trial)[-1], Finished)


def test_costs_are_those_of_the_model_without_adapters(bench):
    measured = {}
    for method in ("full", "lora"):
        trial = bench.trial(
            method, costs=True, hyperparameters={**LORA, "method": method, "epochs": 1}
        )
        assert bench.run(trial) == 0
        measured[method] = bench.events(trial, Reported)[0].costs
    assert measured["lora"]["parameters"] == measured["full"]["parameters"]
    assert measured["lora"]["disk"] == pytest.approx(measured["full"]["disk"], rel=0.01)


def test_a_small_llama_trains_adapters_as_well(bench, tmp_path):
    import torch
    from transformers import AutoModelForSequenceClassification, LlamaConfig, LlamaForCausalLM

    folder = shutil.copytree(TINY_BERT, tmp_path / "llama")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    LlamaForCausalLM(LlamaConfig(vocab_size=384, **sizes, **heads)).save_pretrained(folder)
    trial = bench.trial(model=ModelRef("llama", str(folder)), hyperparameters={**LORA, "epochs": 6})
    assert bench.run(trial) == 0
    reports = bench.events(trial, Reported)
    assert reports[-1].metrics["log_loss"] < reports[0].metrics["log_loss"]
    settings = json.loads((trial.best / ADAPTER / "adapter_config.json").read_text())
    assert {name.rpartition(".")[2] for name in settings["target_modules"]} == {
        *(f"{part}_proj" for part in ("q", "k", "v", "o", "gate", "up", "down"))
    }
    assert settings["modules_to_save"] == ["score"]
    loaded, found = AutoModelForSequenceClassification.from_pretrained(
        trial.best, output_loading_info=True
    )
    assert not found["missing_keys"] | found["unexpected_keys"]
    before = load(folder / "model.safetensors")["model.embed_tokens.weight"]
    assert torch.equal(loaded.model.embed_tokens.weight, before)
