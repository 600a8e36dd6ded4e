"""The soup job: who becomes a member, what is averaged, and when the average is taken."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from automl import documents, jobs
from automl.jobs import ModelRef, SoupResult, SoupSpec
from automl.worker import soup as souping
from automl.worker.run import run
from automl.worker.soup import halves, soup

from .conftest import LABELS

pytestmark = pytest.mark.slow
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data):
    """A fine-tuned tiny model."""
    from automl import tasks
    from automl.tasks._text import load_tokenizer

    from .conftest import TINY_BERT

    folder = tmp_path_factory.mktemp("trained") / "base"
    task, tokenizer = tasks.get("text-classification"), load_tokenizer(str(TINY_BERT))
    torch.manual_seed(0)
    model = task.build(str(TINY_BERT), LABELS, {}, False)
    from automl.worker.cache import read_columns

    columns = read_columns(Path(data.tables["train"]))
    encoded = task.encode(columns, tokenizer, 32, LABELS)
    batch = task.collator(tokenizer)(
        [{name: values[row] for name, values in encoded.items()} for row in range(43)]
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(25):
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def noisy(folder: Path, target: Path, sign: float, size: float = 0.15) -> ModelRef:
    """Copy the model with noise added; the same noise, so that opposite signs cancel out."""
    shutil.copytree(folder, target)
    generator = torch.Generator().manual_seed(1)
    weights = {
        name: tensor + sign * size * torch.randn(tensor.shape, generator=generator)
        for name, tensor in load_file(folder / WEIGHTS).items()
    }
    save_file(weights, target / WEIGHTS, metadata={"format": "pt"})
    return ModelRef(target.name, str(target))


def spec(data, target, *models, **changes) -> SoupSpec:
    made = SoupSpec(
        task="text-classification",
        models=models,
        data=data,
        metric="log_loss",
        direction="minimize",
        target=str(target),
        batch_size=8,
        threads=1,
        devices=(),
        seed=0,
    )
    return replace(made, **changes)


def test_models_whose_errors_cancel_out_make_a_better_one_and_it_is_kept(trained, data, tmp_path):
    from transformers import pipeline

    one, two = (noisy(trained, tmp_path / name, sign) for name, sign in (("a", 1), ("b", -1)))
    found = soup(spec(data, tmp_path / "soup", one, two))
    assert found.members == ("a", "b")
    assert found.accepted
    assert found.soup < found.single
    averaged, base = load_file(tmp_path / "soup" / WEIGHTS), load_file(trained / WEIGHTS)
    assert all(torch.allclose(averaged[name], base[name], atol=1e-6) for name in base)
    classify = pipeline("text-classification", model=str(tmp_path / "soup"))
    assert classify("the morning train")[0]["label"] in LABELS


def test_a_member_that_makes_it_worse_stays_out(trained, data, tmp_path):
    good = ModelRef("good", str(trained))
    broken = noisy(trained, tmp_path / "broken", 1.0, size=1.0)
    found = soup(spec(data, tmp_path / "soup", good, broken))
    assert found.members == ("good",)
    assert not found.accepted
    assert found.single == found.soup
    assert not (tmp_path / "soup").exists()


def test_a_later_member_is_weighed_like_the_earlier_ones(trained, data, tmp_path, monkeypatch):
    models = [noisy(trained, tmp_path / str(size), 1.0, size=size) for size in (0.0, 0.01, 0.02)]
    monkeypatch.setattr(souping._Judge, "is_better", lambda self, one, other: False)
    states = []
    kept = souping._Judge.taste
    monkeypatch.setattr(
        souping._Judge, "taste", lambda self, state: (states.append(state), kept(self, state))
    )
    found = soup(spec(data, tmp_path / "soup", *models))
    assert len(found.members) == 3
    weights = [load_file(Path(model.path) / WEIGHTS) for model in models]
    for name, tensor in states[-1].items():
        if name in weights[0]:
            expected = sum(each[name] for each in weights) / 3
            torch.testing.assert_close(tensor, expected)


def test_what_the_choosing_half_likes_is_not_taken_if_the_other_half_does_not(
    trained, data, tmp_path, monkeypatch
):
    one, two = (noisy(trained, tmp_path / name, sign) for name, sign in (("a", 1), ("b", -1)))
    verdicts = iter([0.1, 0.2])  # of the best alone, then of the average: worse
    monkeypatch.setattr(souping._Judge, "accepts", lambda self: next(verdicts))
    found = soup(spec(data, tmp_path / "soup", one, two))
    assert found.members == ("a", "b")
    assert (found.single, found.soup, found.accepted) == (0.1, 0.2, False)
    assert not (tmp_path / "soup").exists()


def test_a_goal_to_maximise_is_no_goal_to_minimise(trained, data, tmp_path):
    one, two = (noisy(trained, tmp_path / name, sign) for name, sign in (("a", 1), ("b", -1)))
    found = soup(spec(data, tmp_path / "soup", one, two, direction="maximize"))
    assert not found.accepted, "asked for the largest loss, the noise is better alone"


def test_models_of_another_shape_are_left_out_with_a_reason(trained, data, tmp_path):
    other = Path(shutil.copytree(trained, tmp_path / "shallow"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1}))
    weights = load_file(other / WEIGHTS)
    save_file(
        {name: tensor for name, tensor in weights.items() if "layer.1." not in name},
        other / WEIGHTS,
        metadata={"format": "pt"},
    )
    narrow = Path(shutil.copytree(trained, tmp_path / "narrow"))
    labels = {"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}}
    (narrow / "config.json").write_text(json.dumps(config | labels))
    weights |= {
        name: weights[name][:2].clone() for name in ("classifier.weight", "classifier.bias")
    }
    save_file(weights, narrow / WEIGHTS, metadata={"format": "pt"})
    models = [ModelRef(path.name, str(path)) for path in (trained, other, narrow)]
    found = soup(spec(data, tmp_path / "soup", *models))
    assert found.members == ("base",)
    assert "of another architecture" in found.refused["shallow"]
    assert found.refused["narrow"] in {
        "its classifier.bias is of another shape: (2,) against (3,)",
        "its classifier.weight is of another shape: (2, 32) against (3, 32)",
    }


def test_halves_hold_half_of_every_class_share_no_row_and_follow_the_seed():
    targets = np.array([0] * 11 + [1] * 6 + [2] * 2)
    first, second = halves(targets, 19, 5)
    assert sorted([*first, *second]) == list(range(19))
    counts = [np.bincount(targets[half], minlength=3) for half in (first, second)]
    assert (np.abs(counts[0] - counts[1]) <= 1).all()
    assert halves(targets, 19, 5)[0].tolist() == first.tolist()
    assert halves(targets, 19, 6)[0].tolist() != first.tolist()


def test_numbers_as_targets_are_halved_too():
    first, second = halves(np.full(7, math.pi), 7, 0)
    assert {len(first), len(second)} == {3, 4}


def test_the_job_leaves_its_result_beside_its_spec(trained, data, tmp_path):
    documents.write(
        tmp_path / "spec.json", spec(data, tmp_path / "soup", ModelRef("base", str(trained)))
    )
    assert run(tmp_path / "spec.json") == 0
    result = documents.read(SoupResult, tmp_path / jobs.RESULT)
    assert (result.members, result.accepted) == (("base",), False)
