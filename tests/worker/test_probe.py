"""Method probe: what a trial reports, keeps and answers; what its model is."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest

from automl.events import Failed, Finished, Paused, Progressed, Reported, Started, Stopped
from automl.jobs import ModelRef, ScoreSpec
from automl.worker import features, logistic, probe

from . import together
from .conftest import LABELS, TINY_BERT, rows

pytestmark = pytest.mark.slow
PROBE = {"method": "probe"}


@pytest.fixture
def probing(bench, tmp_path):
    """A bench whose trials hold nothing but the method, with a feature cache of their own."""
    spec = replace(bench.spec, hyperparameters=PROBE, tokens=str(tmp_path / "tokens"))
    return replace(bench, spec=spec)


def rescored(trial, data, metric):
    from automl.worker.scoring import score

    spec = ScoreSpec(
        "text-classification", ModelRef("best", str(trial.best)), data, ("validation",), 8, 1, (), 0
    )
    return score(spec).splits["validation"].metrics[metric]


def test_a_probe_reports_once_and_its_model_scores_what_it_reported(probing, data):
    data = replace(data, max_length=64)  # scoring cuts no text
    trial = probing.trial(data=data)
    assert probing.run(trial) == 0
    started, *said, reported, finished = [
        event for event in probing.events(trial) if not isinstance(event, Progressed)
    ]
    assert not said
    assert isinstance(started, Started)
    assert isinstance(reported, Reported)
    assert isinstance(finished, Finished)
    assert (reported.evaluation, reported.samples, reported.best) == (1, 43, True)
    assert reported.step == finished.step == started.total_steps == 3
    assert reported.metrics["log_loss"] < 0.6 * math.log(3)
    assert reported.costs == {}
    for metric in ("log_loss", "accuracy"):
        assert rescored(trial, data, metric) == pytest.approx(reported.metrics[metric], abs=1e-6)


def test_the_kept_model_is_a_stock_one_cut_after_its_best_layer(probing):
    from transformers import AutoModelForSequenceClassification, pipeline

    trial = probing.trial()
    assert probing.run(trial) == 0
    config = json.loads((trial.best / "config.json").read_text())
    assert config["model_type"] == "bert"
    assert config["num_hidden_layers"] in (2, 3), "the kept layers and the one that pools"
    assert "auto_map" not in config
    classify = pipeline("text-classification", model=str(trial.best))
    test = rows(20, 200)
    found = [answer["label"] for answer in classify(test["text"])]
    assert np.mean([a == b for a, b in zip(found, test["label"], strict=True)]) > 0.8
    model = AutoModelForSequenceClassification.from_pretrained(trial.best)
    assert model.config.id2label == dict(enumerate(LABELS))


def test_the_model_gives_the_logits_of_a_regression_on_pooled_states(probing):
    import torch
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

    trial = probing.trial(hyperparameters={"keep_layers": 1})
    assert probing.run(trial) == 0
    model = AutoModelForSequenceClassification.from_pretrained(trial.best).eval()
    encoder = AutoModel.from_pretrained(TINY_BERT).eval()
    tokenizer = AutoTokenizer.from_pretrained(trial.best)
    texts = rows(200)["text"]
    inputs = tokenizer(texts, return_tensors="pt", padding=True)
    with torch.no_grad():
        found = model(**inputs).logits.numpy()
        hidden = encoder(**inputs, output_hidden_states=True).hidden_states[1]
    pooled = features.pool(hidden, inputs["attention_mask"], "mean")
    pooled = torch.nn.functional.layer_norm(pooled, pooled.shape[-1:]).numpy()
    columns = np.concatenate([pooled, np.ones((len(texts), 1))], axis=1)
    solution, *_ = np.linalg.lstsq(columns, found, rcond=None)
    residual = np.abs(columns @ solution - found).max()
    assert residual < 0.05 * np.abs(found).max(), "the logits are linear in the mean state"


def test_two_runs_of_one_spec_keep_the_same_model(probing, tmp_path):
    first, second = probing.trial("first"), probing.trial("second", tokens=str(tmp_path / "other"))
    assert probing.run(first) == probing.run(second) == 0
    assert probing.scores(first) == probing.scores(second)
    weights = [(trial.best / "model.safetensors").read_bytes() for trial in (first, second)]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("wish", ["pause", "stop"])
def test_a_request_is_answered_before_the_next_batch(probing, wish, monkeypatch):
    monkeypatch.setattr(probe, "BATCH_ROWS", 8)
    trial = probing.trial()

    def asking(*given, **more):
        trial.request(wish)
        return kept(*given, **more)

    kept = features.by_layer
    monkeypatch.setattr(features, "by_layer", asking)
    assert probing.run(trial) == 0
    last = probing.events(trial)[-1]
    assert isinstance(last, Paused if wish == "pause" else Stopped)
    assert last.step == 0
    assert not probing.events(trial, Reported)
    assert not trial.best.exists()


def test_a_fit_is_left_too_and_the_next_attempt_comes_to_the_same(probing, monkeypatch):
    undisturbed, trial = probing.trial("undisturbed"), probing.trial("trial")
    assert probing.run(undisturbed) == 0
    kept = logistic.path

    def asking(*given, **more):
        trial.request("pause")
        return kept(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(logistic, "path", asking)
        assert probing.run(trial) == 0
    assert isinstance(probing.events(trial)[-1], Paused)
    assert probing.run(trial) == 0
    assert probing.scores(trial) == probing.scores(undisturbed)


def test_a_parent_that_is_gone_ends_the_attempt(probing):
    from automl.jobs import Parent

    trial = probing.trial(parent=Parent(2**22 - 3, 1.0))
    assert probing.run(trial) == 0
    last = probing.events(trial)[-1]
    assert isinstance(last, Paused)
    assert last.reason == "parent_gone"


def test_an_attempt_after_the_report_reports_nothing_again(probing):
    trial = probing.trial()
    assert probing.run(trial) == 0
    lines = trial.metrics.read_text().splitlines()
    trial.metrics.write_text("\n".join(lines[:-1]) + "\n")  # killed before it could finish
    assert probing.run(trial) == 0
    assert len(probing.events(trial, Reported)) == 1
    assert isinstance(probing.events(trial)[-1], Finished)
    shutil.rmtree(trial.best)
    assert probing.run(trial) == 0
    assert trial.best.exists()
    assert len(probing.events(trial, Reported)) == 1


def test_features_are_made_once_for_all_repeats(probing, monkeypatch):
    first = probing.trial("first")
    assert probing.run(first) == 0
    made = []
    kept = features.by_layer
    monkeypatch.setattr(
        features, "by_layer", lambda *given, **more: made.append(1) or kept(*given, **more)
    )
    assert probing.run(probing.trial("repeat", seed=8)) == 0
    assert not made


def test_costs_are_measured_where_asked_for(probing):
    trial = probing.trial(costs=True)
    assert probing.run(trial) == 0
    (reported,) = probing.events(trial, Reported)
    assert set(reported.costs) == {"latency_ms", "parameters", "disk"}
    assert reported.costs["disk"] == (trial.best / "model.safetensors").stat().st_size


def test_the_strength_is_chosen_by_the_goal(probing, monkeypatch):
    shapes = []
    kept = logistic.held_out

    def noting(found, targets, classes, score, *rest, **more):
        shapes.append(score(np.eye(3, dtype=np.float32)[targets] * 5, targets))
        return kept(found, targets, classes, score, *rest, **more)

    monkeypatch.setattr(logistic, "held_out", noting)
    assert probing.run(probing.trial(metric="log_loss", direction="minimize")) == 0
    assert shapes[0] == pytest.approx(-math.log(1 + 2 * math.exp(-5)), rel=1e-3)
    assert len(shapes) == 1


def test_states_that_the_layers_were_compared_by_are_not_computed_again(probing, monkeypatch):
    def passes(name):
        rows_of = []
        kept = probe.predict
        with monkeypatch.context() as patch:
            patch.setattr(
                probe,
                "predict",
                lambda model, rows, *rest, **more: (
                    rows_of.append(len(rows)) or kept(model, rows, *rest, **more)
                ),
            )
            trial = probing.trial(name, tokens=str(probing.spec.tokens) + name)
            assert probing.run(trial) == 0
        return rows_of, probing.scores(trial)

    short, reused = passes("short")
    monkeypatch.setattr(probe, "_as_read", lambda *_: None)
    whole, computed = passes("whole")
    assert len(short) == 1, "the evaluation's"
    assert len(whole) == 2
    assert reused[0][-1] == pytest.approx(computed[0][-1], abs=0.01)


def test_only_what_is_scaled_and_shifted_counts_as_the_same_states():
    import torch

    states = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    read = torch.from_numpy(3 * states[:8] - 2)
    assert np.allclose(probe._as_read(states, read), 3 * states - 2, atol=1e-5)
    noisy = read + 0.01 * torch.randn(read.shape, generator=torch.Generator().manual_seed(0))
    assert np.allclose(probe._as_read(states, noisy), 3 * states - 2, atol=0.02)
    assert probe._as_read(states, torch.tanh(read)) is None
    assert probe._as_read(states, -read) is None
    assert probe._as_read(states, read[:, :5]) is None


def llama(tmp_path):
    """Return a decoder with the tiny model's tokenizer: no bias, no pooling layer to be had."""
    import torch
    from transformers import LlamaConfig, LlamaModel

    folder = shutil.copytree(TINY_BERT, tmp_path / "llama")
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=384, num_hidden_layers=2, pad_token_id=0, **sizes)
    LlamaModel(config).save_pretrained(folder)
    return ModelRef("llama", str(folder))


def test_a_decoder_is_probed_through_the_head_it_has(probing, data, tmp_path):
    data = replace(data, max_length=64)
    trial = probing.trial(model=llama(tmp_path), data=data)
    assert probing.run(trial) == 0
    (reported,) = probing.events(trial, Reported)
    found = rescored(trial, data, "log_loss")
    assert found == pytest.approx(reported.metrics["log_loss"], abs=1e-5)


def test_a_candidate_that_cannot_be_probed_fails_with_a_reason(probing, tmp_path):
    trial = probing.trial(model=ModelRef("nowhere", str(tmp_path / "nowhere")))
    assert probing.run(trial) == 1
    (failed,) = probing.events(trial, Failed)
    assert failed.kind == "bad_candidate"
    assert "nowhere" in failed.message


def test_of_two_processes_one_works_and_speaks(probing):
    alone, both = probing.trial("alone"), probing.trial("both", processes=2)
    assert probing.run(alone) == 0
    assert together.run(both) == [0, 0], both.log.read_text()
    assert probing.scores(both) == probing.scores(alone)
    assert len(probing.events(both, Finished)) == 1
