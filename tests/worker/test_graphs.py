"""Models as ONNX graphs: tried before training, and generating with a cache as they would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from automl import tasks
from automl.jobs import ModelRef
from automl.tasks import _loading, _weights
from automl.worker import graph_trial, graphs, parity, store
from tests.tasks.samples import CLASSES, TINY_BERT, sample

pytestmark = pytest.mark.slow
LENGTH = 32


def built(name: str, scratch: Path) -> tuple[Any, Any, Any, Any, Path]:
    """The task's sample model as training begins with it: task, model, tokenizer, rows, folder."""
    task, rows = tasks.get(name), sample(tasks.get(name))
    path = rows.model(scratch)
    tokenizer, _ = _loading.adapted(task, str(path), False, lambda: rows.columns)
    encoded = task.encode(rows.columns, tokenizer, LENGTH, rows.labels)
    torch.manual_seed(0)
    model = task.build(str(path), rows.labels, {}, False).eval()
    if task.begin is not None:
        task.begin(model, tokenizer, store.rows(encoded))
    return task, model, tokenizer, encoded, path


@pytest.mark.parametrize("name", ["text-generation", "translation"])
def test_a_model_that_writes_does_so_with_a_cache_and_says_the_same(name, tmp_path):
    task, model, tokenizer, encoded, _ = built(name, tmp_path / "model")
    rows = store.rows(encoded)
    collate = task.collator(tokenizer)
    folder = tmp_path / "out"
    graphs.write(graphs.exported(task, model, collate([rows[0], rows[1]])), folder / "onnx")
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    hollow = _weights.load(task, folder, "onnx", torch.device("cpu"))
    assert sum(each.numel() for each in hollow.parameters() if each.device.type == "cpu") == 0
    for batch in ([rows[2]], [rows[3], rows[4], rows[5]]):
        said, numbers = parity.asked(task, model, collate(batch))
        found, its = parity.asked(task, hollow, collate(batch))
        assert torch.allclose(numbers["logits"], its["logits"], atol=1e-4)
        assert all(torch.tensor(a).allclose(torch.tensor(b), atol=1e-3)
                   for a, b in zip(said, found, strict=True))  # fmt: skip
    prompt = collate([rows[2]])["input_ids"][:, :5]
    one, other = (each.generate(input_ids=prompt, max_new_tokens=9) for each in (model, hollow))
    assert one.tolist() == other.tolist()


def test_a_candidate_that_can_leave_as_graphs_is_not_objected_to(tmp_path):
    task, model, tokenizer, encoded, path = built("text-classification", tmp_path / "model")
    ref = ModelRef("tiny", str(path))
    assert graph_trial.why_not(task, ref, CLASSES, model, tokenizer, encoded) == ""


def test_a_model_with_code_of_its_own_is_not_tried():
    ref = ModelRef("own", str(TINY_BERT), trust_remote_code=True)
    why = graph_trial.why_not(tasks.get("text-classification"), ref, (), None, None, {"x": []})
    assert why == "it only loads by running code of its own, which graphs do without"


def test_a_family_that_comes_apart_says_so(tmp_path):
    task, model, tokenizer, encoded, path = built("image-text-to-text", tmp_path / "model")
    ref = ModelRef("llava", str(path))
    why = graph_trial.why_not(task, ref, (), model, tokenizer, encoded)
    assert why.startswith("it would come apart into decode, language_model")


def test_a_graph_that_says_something_else_is_refused():
    numbers = {"logits": torch.tensor([1.0, 2.0])}
    graph_trial._refuse_apart(numbers, {"logits": torch.tensor([1.0, 2.0 + 1e-5])})
    with pytest.raises(_loading.CandidateError, match=r"the logits of its graph are 0\.5 away"):
        graph_trial._refuse_apart(numbers, {"logits": torch.tensor([1.0, 2.5])})


@pytest.mark.parametrize(
    ("before", "after", "direction", "lost"),
    [
        (0.9, 0.88, "maximize", 0.02),
        (0.9, 0.95, "maximize", -0.05),
        (40.0, 38.0, "maximize", 0.05),
        (0.2, 0.21, "minimize", 0.05),
        (0.0, 0.1, "minimize", 1.0),
    ],
)
def test_a_loss_is_in_the_metrics_units_and_of_errors_a_share(before, after, direction, lost):
    assert parity.loss(before, after, direction) == pytest.approx(lost)
