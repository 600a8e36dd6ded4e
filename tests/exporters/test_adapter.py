"""A winner's adapters leave merged or alone; alone they predict with their base model at hand."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl.catalog.hashes import sha256
from automl.errors import InputError
from automl.exporters import Delivery
from automl.exporters._assemble import write_bundle
from automl.plan import FileHash
from automl.serving.predict import Predictor
from tests.deliveries import TOPICS, candidate, make_delivery

TINY_BERT = Path(__file__).resolve().parent.parent / "fixtures" / "tiny-bert"
TEXTS = ["where is my parcel", "I was charged twice", "a long text " * 40]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def best(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A best model as a trial of LoRA with a mean-pooling layer leaves it."""
    import torch

    from automl.tasks._text import load_tokenizer
    from automl.tasks.text_classification import TASK
    from automl.worker import adapters

    torch.manual_seed(0)
    chosen = {"method": "lora", "lora_rank": 4, "pooling": "mean"}
    model = TASK.build(str(TINY_BERT), TOPICS, chosen, False)
    adapters.attach(model, chosen)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter))
    folder = tmp_path_factory.mktemp("trial") / "best"
    folder.mkdir()
    adapters.save(model, folder, TASK)
    load_tokenizer(str(TINY_BERT)).save_pretrained(folder)
    return folder


def delivered(best: Path, adapter: str, **source: Any) -> Delivery:
    """Return the delivery of a winner by LoRA, bare of what takes long to draw."""
    weights = TINY_BERT / "model.safetensors"
    files = (FileHash(weights.name, sha256(weights), weights.stat().st_size),)
    given = {"reference": "../models/tiny-bert", "files": files, **source}
    made = make_delivery(best, candidates=(candidate("minilm", **given),))
    configuration = replace(
        made.winner.configuration,
        hyperparameters={**made.winner.configuration.hyperparameters, "method": "lora"},
    )
    bare = {
        split: replace(score, confusion=(), per_class={})
        for split, score in made.score.splits.items()
    }
    return replace(
        made,
        plan=replace(made.plan, export=replace(made.plan.export, adapter=adapter)),
        winner=replace(made.winner, configuration=configuration),
        trials=(),
        score=replace(made.score, splits=bare),
    )


@pytest.fixture(scope="module")
def kept(best: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(delivered(best, "keep"), tmp_path_factory.mktemp("kept") / "bundle")


@pytest.fixture(scope="module")
def merged(best: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(delivered(best, "merge"), tmp_path_factory.mktemp("merged") / "bundle")


def answers(bundle: Path, **settings: Any) -> list[dict[str, Any]]:
    return list(Predictor(bundle, "cpu", **settings).predict(TEXTS, top=len(TOPICS)))


def test_merged_adapters_leave_as_one_plain_model(merged):
    assert (merged / "model.safetensors").exists()
    assert not list(merged.rglob("adapter*"))
    assert "fine-tuned by LoRA, the adapters merged into it, from" in readme(merged)
    assert "library_name: transformers" in readme(merged)


def test_adapters_that_are_kept_leave_alone_and_small(kept, merged):
    names = {file.relative_to(kept).as_posix() for file in kept.rglob("*") if file.is_file()}
    assert names >= {"adapter_config.json", "adapter_model.safetensors", "base/config.json"}
    assert names >= {"tokenizer.json", "automl.json"}
    assert "model.safetensors" not in names
    assert "config.json" not in names  # transformers would take the folder for a whole model
    settings = json.loads((kept / "adapter_config.json").read_bytes())
    assert settings["base_model_name_or_path"] == "tiny-bert"
    assert settings["target_modules"] == sorted(settings["target_modules"])
    assert "as LoRA adapters, to be put beside tiny-bert" in readme(kept)
    assert "library_name: peft" in readme(kept)


def test_adapters_of_a_hub_model_name_its_commit(best, tmp_path):
    delivery = delivered(best, "keep", source="hub", reference="acme/encoder@v2", revision=COMMIT)
    bundle = write_bundle(delivery, tmp_path / "bundle")
    settings = json.loads((bundle / "adapter_config.json").read_bytes())
    assert (settings["base_model_name_or_path"], settings["revision"]) == ("acme/encoder", COMMIT)
    assert f"'acme/encoder', revision='{COMMIT}'" in readme(bundle)
    assert "base_model: acme/encoder" in readme(bundle)


def test_kept_and_merged_adapters_answer_alike(kept, merged):
    whole, beside = answers(merged), answers(kept, base_model=TINY_BERT)
    assert [each["label"] for each in beside] == [each["label"] for each in whole]
    assert len({each["label"] for each in whole}) > 1
    for one, other in zip(beside, whole, strict=True):
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-5)


def test_the_cards_code_merges_kept_adapters(kept, merged, tmp_path, monkeypatch):
    (code, *_) = re.findall(r"```python\n(.*?)```", readme(kept), re.DOTALL)
    assert "path/to/tiny-bert" in code
    code = code.replace("path/to/this/folder", str(kept)).replace(
        "path/to/tiny-bert", str(TINY_BERT)
    )
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    exec(compile(code, "card", "exec"), scope)
    from transformers import pipeline

    expected = pipeline("text-classification", model=str(merged))(TEXTS[:2])
    found = scope["classify"](TEXTS[:2])
    assert [each["label"] for each in found] == [each["label"] for each in expected]
    assert [each["score"] for each in found] == pytest.approx(
        [each["score"] for each in expected], abs=1e-5
    )


def test_adapters_whose_base_model_is_not_here_say_so(kept):
    with pytest.raises(InputError, match="holds adapters for tiny-bert") as raised:
        Predictor(kept, "cpu")
    assert "--base-model FOLDER" in str(raised.value.problems[0].hint)


def test_the_base_model_of_a_hub_bundle_is_looked_for_in_the_cache_alone(
    best, tmp_path, monkeypatch
):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "empty"))
    delivery = delivered(best, "keep", source="hub", reference="acme/encoder", revision=COMMIT)
    bundle = write_bundle(delivery, tmp_path / "bundle")
    with pytest.raises(InputError, match="not in the hub's cache") as raised:
        Predictor(bundle, "cpu")
    assert f"hf download acme/encoder --revision {COMMIT}" in str(raised.value.problems[0].hint)


def test_a_base_model_of_other_weights_is_refused(kept, tmp_path):
    other = shutil.copytree(TINY_BERT, tmp_path / "other")
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(bytes(weights))
    with pytest.raises(InputError, match="has other content"):
        Predictor(kept, "cpu", base_model=other)
    with pytest.raises(InputError, match=r"no config\.json"):
        Predictor(kept, "cpu", base_model=tmp_path)


def test_a_whole_model_needs_no_base(merged):
    with pytest.raises(InputError, match="needs no other"):
        Predictor(merged, "cpu", base_model=TINY_BERT)


def readme(bundle: Path) -> str:
    return (bundle / "README.md").read_text()
