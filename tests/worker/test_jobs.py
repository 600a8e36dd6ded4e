"""The jobs that are no trials: inspect, floor, score, measure."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest

from automl import documents, processes
from automl.jobs import (
    RESULT,
    FloorSpec,
    InspectResult,
    InspectSpec,
    MeasureSpec,
    ModelRef,
    ScoreResult,
    ScoreSpec,
)
from automl.worker import models
from automl.worker.inspection import choose_length, inspect
from automl.worker.measuring import measure
from automl.worker.run import run
from automl.worker.scoring import score

from .conftest import LABELS, TINY_BERT, rows

TINY = ModelRef("tiny", str(TINY_BERT))


def copy(tmp_path, name, **config):
    """Return a reference to a copy of the tiny model with its config changed."""
    folder = shutil.copytree(TINY_BERT, tmp_path / name)
    found = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(found | config))
    return ModelRef(name, str(folder))


def sample():
    found = rows(60)
    return tuple(
        {"text": text, "label": label}
        for text, label in zip(found["text"], found["label"], strict=True)
    )


def inspected(*candidates, max_length=None):
    spec = InspectSpec("text-classification", candidates, LABELS, sample(), max_length)
    return inspect(spec).inspections


def test_a_fitting_candidate_is_described():
    from safetensors.torch import load_file

    backbone = sum(t.numel() for t in load_file(TINY_BERT / "model.safetensors").values())
    (found,) = inspected(TINY)
    assert found.refused is None
    assert found.parameters == backbone + 3 * 32 + 3
    assert found.max_length % 8 == 0
    assert found.lengths["p50"] <= found.lengths["p95"] <= found.lengths["max"]
    assert found.lengths["max"] <= found.max_length
    assert found.lengths["truncated_share"] == 0


def test_a_candidate_tells_how_many_weights_adapters_would_train():
    (found,) = inspected(TINY)
    layers = 2 * (4 * (32 + 32) + 2 * (32 + 64))
    assert found.adapters == {"all-linear": layers, "attention": 2 * 4 * (32 + 32)}
    assert found.head == 3 * 32 + 3 + 32 * 32 + 32


def test_four_bits_are_tried_where_they_are_asked_for(tmp_path):
    pytest.importorskip("bitsandbytes")
    from transformers import GPT2Config, GPT2LMHeadModel

    small = shutil.copytree(TINY_BERT, tmp_path / "gpt2")
    sizes = {"n_embd": 32, "n_layer": 1, "n_head": 2, "vocab_size": 384, "n_positions": 64}
    GPT2LMHeadModel(GPT2Config(**sizes)).save_pretrained(small)
    models = (TINY, ModelRef("gpt2", str(small)))
    asked = InspectSpec("text-classification", models, LABELS, sample(), None, quantize=True)
    fitting, other = inspect(asked).inspections
    assert fitting.refused is None
    assert fitting.parameters == inspected(TINY)[0].parameters
    assert other.refused is not None
    assert "can't be trained by qlora: none of its layers" in other.refused
    assert "leave qlora out of search.space.method" in other.refused
    (whole,) = inspected(models[1])
    assert whole.refused is None


def test_a_wish_is_granted_and_says_what_it_cuts():
    (found,) = inspected(TINY, max_length=12)
    assert found.max_length == 12
    assert found.lengths["max"] > 12
    assert 0 < found.lengths["truncated_share"] < 1


def test_no_wish_goes_beyond_the_models_positions():
    (found,) = inspected(TINY, max_length=4096)
    assert found.max_length == 64


def test_bad_candidates_are_refused_with_plain_reasons_and_stop_no_other(tmp_path):
    weights_of = copy(tmp_path, "wide", intermediate_size=80)
    small = copy(tmp_path, "small", vocab_size=300)
    no_tokenizer = copy(tmp_path, "mute")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "mute" / name).unlink()
    unknown = copy(tmp_path, "unknown", model_type="no-such-family")
    nowhere = ModelRef("nowhere", str(tmp_path / "nowhere"))
    *refused, fine = inspected(weights_of, small, no_tokenizer, unknown, nowhere, TINY)
    assert [each.id for each in refused] == ["wide", "small", "mute", "unknown", "nowhere"]
    reasons = [each.refused for each in refused]
    assert "missing or of another shape" in reasons[0]
    assert "missing or of another shape" in reasons[1]
    assert "its tokenizer has no vocabulary" in reasons[2]
    assert "can't be" in reasons[3]
    assert "there is no folder" in reasons[4]
    assert all("\n" not in reason and len(reason) < 320 for reason in reasons)
    assert fine.refused is None


def test_a_tokenizer_with_more_tokens_than_embeddings_is_refused(tmp_path):
    from automl.tasks._text import load_tokenizer

    bigger = copy(tmp_path, "bigger")
    tokenizer = load_tokenizer(bigger.path)
    tokenizer.add_tokens([f"word{i}" for i in range(10)])
    tokenizer.save_pretrained(bigger.path)
    (found,) = inspected(bigger)
    assert found.refused == "its tokenizer has 394 tokens, its embeddings only 384"


@pytest.mark.parametrize(
    ("lengths", "wish", "limit", "expected"),
    [
        ([10] * 99 + [500], None, 512, 16),
        (list(range(1, 101)), None, 512, 104),
        ([300] * 10, None, 128, 128),
        ([5], 20, 512, 20),
        ([5], 1000, 512, 512),
        ([1], None, 512, 8),
    ],
)
def test_the_length_covers_99_of_100_texts_rounded_up(lengths, wish, limit, expected):
    assert choose_length(np.array(lengths), wish, limit) == expected


def test_positions_that_padding_takes_away_do_not_count():
    from transformers import RobertaConfig, RobertaForSequenceClassification

    class Tokenizer:
        model_max_length = 10**30

    sizes = {"hidden_size": 8, "num_attention_heads": 1, "intermediate_size": 8}
    config = RobertaConfig(
        vocab_size=20, num_hidden_layers=1, max_position_embeddings=34, pad_token_id=1, **sizes
    )
    assert models.length_limit(RobertaForSequenceClassification(config), Tokenizer()) == 32


def test_the_floor_scores_each_split_and_needs_no_torch(tmp_path, data):
    documents.write(
        tmp_path / "spec.json", FloorSpec("text-classification", data, ("validation", "test"), 1, 0)
    )
    code = (
        "import sys; from pathlib import Path; from automl.worker.run import run;"
        "code = run(Path(sys.argv[1])); assert 'torch' not in sys.modules; sys.exit(code)"
    )
    import subprocess

    subprocess.run([sys.executable, "-c", code, str(tmp_path / "spec.json")], check=True)
    result = documents.read(ScoreResult, tmp_path / RESULT)
    assert {split: found.rows for split, found in result.splits.items()} == {
        "validation": 23,
        "test": 20,
    }
    assert result.splits["test"].metrics["accuracy"] > 0.9
    assert "TF-IDF" in result.description
    assert result.samples_per_second > 0


@pytest.mark.slow
def test_scoring_predicts_each_row_as_the_model_alone_would(bench, data):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    trial = bench.trial(hyperparameters={"epochs": 12}, evaluation_samples=10**6)
    assert bench.run(trial) == 0
    spec = ScoreSpec(
        "text-classification", ModelRef("best", str(trial.best)), data, ("test",), 7, 1, (), 0
    )
    found = score(spec)
    model = AutoModelForSequenceClassification.from_pretrained(trial.best).eval()
    tokenizer = AutoTokenizer.from_pretrained(trial.best)
    expected = np.zeros((3, 3), dtype=int)
    test = rows(20, 200)
    for text, label in zip(test["text"], test["label"], strict=True):
        inputs = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            expected[LABELS.index(label), int(model(**inputs).logits.argmax())] += 1
    assert found.splits["test"].confusion == tuple(map(tuple, expected.tolist()))
    assert "BertForSequenceClassification" in found.description
    assert found.max_length == 64, "texts are read as far as the model can"
    assert found.reference.rows == 20
    told = {feature.name: feature for feature in found.reference.features}
    counts = dict(zip(told["predicted class"].classes, told["predicted class"].counts, strict=True))
    said = dict(zip(LABELS, expected.sum(axis=0).tolist(), strict=True))
    assert {name: count for name, count in counts.items() if count} == {
        name: count for name, count in said.items() if count
    }
    assert told["text known words"].median > 0.5


@pytest.mark.slow
def test_a_model_without_its_trained_head_is_not_scored(data, capfd, tmp_path):
    spec = ScoreSpec("text-classification", TINY, data, ("test",), 8, 1, (), 0)
    documents.write(tmp_path / "spec.json", spec)
    assert run(tmp_path / "spec.json") == 1
    assert "weights are missing" in capfd.readouterr().err
    assert not (tmp_path / RESULT).exists()


@pytest.mark.slow
def test_measuring_times_each_setting_the_device_can_do(data, tmp_path):
    import torch

    from automl.worker import device

    cpu = torch.device("cpu")
    spec = MeasureSpec(
        "text-classification",
        TINY,
        data,
        8,
        (1, 2),
        ("fp32", "bf16", "fp16"),
        (),
        3,
        str(tmp_path),
        (4, 8, 16),
    )
    result = measure(spec)
    supported = [p for p in spec.precisions if device.supports(p, cpu)]
    assert [t.precision for t in result.timings] == ["fp32", *supported]
    assert {t.threads for t in result.timings if t.precision == "fp32"} == {1, 2}
    assert "fp16" not in supported
    assert all(0 < timing.seconds_per_step < 5 for timing in result.timings)
    assert result.peak_memory_bytes > 10**8


@pytest.mark.slow
def test_measuring_times_each_batch_size_and_evaluation(data, tmp_path):
    spec = MeasureSpec(
        "text-classification",
        TINY,
        data,
        8,
        (1,),
        ("fp32",),
        (),
        3,
        str(tmp_path),
        (16, 4),
        {"pooling": "mean"},
    )
    result = measure(spec)
    assert [each.batch_size for each in result.batches] == [4, 8, 16]
    assert all(each.seconds_per_step and 2 <= each.steps <= 3 for each in result.batches)
    assert 0 < result.seconds_per_evaluated_row < 1
    assert 0 < result.seconds_per_scored_row < 1
    assert 0 < result.frozen_share <= 1
    assert result.start_seconds > 0


@pytest.mark.slow
def test_a_batch_expected_to_fill_the_memory_is_not_tried(data, tmp_path):
    spec = MeasureSpec(
        "text-classification",
        TINY,
        data,
        8,
        (1,),
        ("fp32",),
        (),
        3,
        str(tmp_path),
        (4, 16, 32),
        memory_bytes=1,
    )
    fits = {each.batch_size: each.seconds_per_step is not None for each in measure(spec).batches}
    assert fits == {4: True, 8: True, 16: False, 32: False}


@pytest.mark.slow
def test_a_batch_larger_than_the_data_is_measured_as_all_of_it(data, tmp_path):
    spec = MeasureSpec(
        "text-classification", TINY, data, 4096, (1,), ("fp32",), (), 1, str(tmp_path)
    )
    result = measure(spec)
    assert result.timings
    assert result.batch_size < 4096


@pytest.mark.slow
def test_a_job_in_a_process_of_its_own_leaves_its_result_beside_its_spec(tmp_path):
    spec = InspectSpec("text-classification", (TINY,), LABELS, sample(), None)
    result = processes.call(spec, InspectResult, tmp_path / "job", threads=1)
    assert result == inspect(spec)
    assert (tmp_path / "job" / RESULT).exists()


def test_the_command_line_says_what_it_takes(capfd):
    from automl.worker.__main__ import main

    assert main([]) == 2
    assert "usage: python -m automl.worker SPEC" in capfd.readouterr().err
