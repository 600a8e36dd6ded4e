"""What every registered task must keep to; a new task is tested on arrival."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from automl import documents, tasks
from automl.jobs import SplitScore
from automl.tasks._text import load_tokenizer

TINY_BERT = Path(__file__).resolve().parent.parent / "fixtures" / "tiny-bert"
LABELS = ("alpha", "beta", "gamma")
ROWS = 24

every_task = pytest.mark.parametrize("name", tasks.names())


def columns(task):
    """Return rows for any task, by the kinds of its roles: what they hold can be learnt."""
    made = {
        "text": [f"a text about {LABELS[row % 3]} and {row}" for row in range(ROWS)],
        "class": [LABELS[row % 3] for row in range(ROWS)],
        "number": [float(row % 3) for row in range(ROWS)],
    }
    return {role.name: made[role.kind] for role in task.roles}


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(str(TINY_BERT))


def test_there_is_at_least_one_task():
    assert "text-classification" in tasks.names()


@every_task
def test_importing_it_imports_nothing_heavy(name):
    heavy = ("torch", "transformers", "datasets", "sklearn", "numpy", "pandas", "pyarrow")
    code = (
        "import sys, json; from automl import tasks; tasks.get(sys.argv[1]);"
        f"print(json.dumps([m for m in {heavy!r} if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code, name], capture_output=True, check=True)
    assert json.loads(done.stdout) == []


@every_task
def test_its_names_agree_with_each_other(name):
    task = tasks.get(name)
    assert task.name == name
    assert task.objective in [metric.name for metric in task.metrics]
    for named in (task.roles, task.metrics):
        assert len({each.name for each in named}) == len(named) > 0
    assert any(role.required and role.kind == "text" for role in task.roles)
    assert all(role.name in role.conventional for role in task.roles)
    assert all(metric.description and metric.direction for metric in task.metrics)
    assert task.floor_description


@every_task
def test_transformers_knows_its_class_and_its_mapping(name):
    import transformers
    from transformers.models.auto import modeling_auto

    task = tasks.get(name)
    assert hasattr(transformers, task.auto_class)
    assert "bert" in getattr(modeling_auto, task.mapping)


@every_task
def test_encoding_gives_one_unpadded_row_each_cut_to_the_length(name, tokenizer):
    task = tasks.get(name)
    encoded = task.encode(columns(task), tokenizer, 12, LABELS)
    assert {len(values) for values in encoded.values()} == {ROWS}
    assert "labels" in encoded
    lengths = {len(ids) for ids in encoded["input_ids"]}
    assert max(lengths) <= 12
    assert tokenizer.pad_token_id not in [i for ids in encoded["input_ids"] for i in ids]


@every_task
def test_new_texts_are_encoded_without_targets(name, tokenizer):
    task = tasks.get(name)
    texts = {role.name: columns(task)[role.name] for role in task.roles if role.kind == "text"}
    assert "labels" not in task.encode(texts, tokenizer, 12, LABELS)


@every_task
def test_a_batch_goes_through_the_model_and_padding_changes_nothing(name, tokenizer):
    import torch

    task = tasks.get(name)
    torch.manual_seed(0)
    model = task.build(str(TINY_BERT), LABELS, {}, False).eval()
    rows = task.encode(columns(task), tokenizer, 32, LABELS)
    items = [{key: values[row] for key, values in rows.items()} for row in range(ROWS)]
    items[0] = {**items[0], "input_ids": items[0]["input_ids"][:4]}
    items[0]["attention_mask"] = items[0]["attention_mask"][:4]
    collate = task.collator(tokenizer)
    with torch.no_grad():
        together, alone = model(**collate(items)), model(**collate(items[:1]))
    assert torch.isfinite(together.loss)
    assert together.logits.dtype == torch.float32
    torch.testing.assert_close(together.logits[:1], alone.logits, atol=1e-5, rtol=1e-4)


@every_task
def test_scores_and_report_hold_every_metric_and_the_truth_scores_best(name, tokenizer):
    task = tasks.get(name)
    rows = columns(task)
    targets = np.asarray(task.encode(rows, tokenizer, 12, LABELS)["labels"])
    outputs = len(LABELS) if any(role.kind == "class" for role in task.roles) else 1
    true = np.eye(outputs, dtype=np.float32)[targets] * 9 if outputs > 1 else targets[:, None]
    noise = np.random.default_rng(0).normal(size=true.shape).astype(np.float32)
    best, worse = task.score(true, targets, LABELS), task.score(noise, targets, LABELS)
    assert set(best) == {metric.name for metric in task.metrics}
    for metric in task.metrics:
        sign = 1 if metric.direction == "maximize" else -1
        assert sign * best[metric.name] > sign * worse[metric.name], metric.name
    report = task.report(noise, targets, rows, LABELS, seed=0)
    assert report.rows == ROWS
    assert dict(report.metrics) == worse
    for metric in task.metrics:
        interval = report.intervals[metric.name]
        assert interval.low <= worse[metric.name] <= interval.high
    assert report == task.report(noise, targets, rows, LABELS, seed=0)
    assert len(report.examples) <= 10
    assert documents.to_line(report)
    assert isinstance(report, SplitScore)


@every_task
def test_the_floor_learns_something_and_is_the_same_each_time(name, tokenizer):
    task = tasks.get(name)
    rows = columns(task)
    logits = task.floor(rows, {"again": rows}, LABELS, seed=0)["again"]
    assert logits.dtype == np.float32
    assert len(logits) == ROWS
    assert np.isfinite(logits).all()
    targets = np.asarray(task.encode(rows, tokenizer, 12, LABELS)["labels"])
    goal = next(metric for metric in task.metrics if metric.name == task.objective)
    guess = task.score(np.zeros_like(logits), targets, LABELS)[goal.name]
    found = task.score(logits, targets, LABELS)[goal.name]
    assert found > guess if goal.direction == "maximize" else found < guess
    assert (logits == task.floor(rows, {"again": rows}, LABELS, seed=0)["again"]).all()


@every_task
def test_its_usage_is_python_that_names_the_repository(name):
    usage = tasks.get(name).usage("acme/model", 128)
    compile(usage, "usage", "exec")
    assert "acme/model" in usage
    assert "128" in usage
