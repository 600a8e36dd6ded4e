"""What every registered task must keep to; a new task is tested on arrival."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl import documents, tasks
from automl.jobs import SplitScore
from automl.tasks import Task, _loading
from automl.worker import calibrating, models, temperature, thresholds
from automl.worker.prediction import outputs
from automl.worker.store import rows as stored
from tests.tasks.samples import Sample, sample

LENGTH = 32

every_task = pytest.mark.parametrize("name", tasks.names())


@dataclass(frozen=True, slots=True)
class Bench:
    """A task with its rows, a tokenizer, and a small model built for it."""

    task: Task
    sample: Sample
    path: Path
    tokenizer: Any
    model: Any
    encoded: Any

    def predicted(self, model: Any, columns: Any = None, *, targets: bool = True) -> Any:
        """What the model says of the sample's rows."""
        given = dict(columns or self.sample.columns)
        if not targets:
            roles = {role.name for role in self.task.inputs}
            given = {name: values for name, values in given.items() if name in roles}
        rows = stored(self.task.encode(given, self.tokenizer, LENGTH, self.sample.labels))
        collate = self.task.collator(self.tokenizer)
        said = outputs(model.eval(), rows, collate, 7, self.task.infer)
        return self.task.decode(said, rows, given, self.tokenizer, self.sample.labels)


def alike(one: Any, other: Any) -> bool:
    """Whether two predictions are the same, numbers in them up to rounding."""
    if isinstance(one, dict):
        return list(one) == list(other) and alike(list(one.values()), list(other.values()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-5)
    return bool(one == other)


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bench]:
    return {}


@pytest.fixture
def bench(name: str, benches: dict[str, Bench], tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The task's bench, made once; its model began as a trial's does."""
    import torch

    if name not in benches:
        rows = sample(tasks.get(name))
        task = tasks.narrowed(tasks.get(name), rows.columns)
        path = rows.model(tmp_path_factory.mktemp(name))
        tokenizer, _ = _loading.adapted(task, str(path), False, lambda: rows.columns)
        encoded = stored(task.encode(rows.columns, tokenizer, LENGTH, rows.labels))
        torch.manual_seed(0)
        model = task.build(str(path), rows.labels, {}, False).eval()
        if task.begin is not None:
            task.begin(model, tokenizer, encoded)
        benches[name] = Bench(task, rows, path, tokenizer, model, encoded)
    return benches[name]


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
    assert any(role.required for role in task.roles)
    assert task.asked([role.name for role in task.roles if role.required])
    assert all(role in [each.name for each in task.roles] for form in task.forms for role in form)
    assert all(role.name in role.conventional for role in task.roles)
    assert all(metric.description and metric.direction for metric in task.metrics)
    assert task.floor_description
    assert task.says
    assert not task.lists or tasks.get(task.lists).name == task.lists
    stood_in = {role.instead_of for role in task.roles} - {""}
    assert stood_in <= {role.name for role in task.roles if role.required}
    assert not any(role.required for role in task.roles if role.instead_of)
    assert not task.together or task.together in [role.name for role in task.inputs]


@every_task
def test_transformers_knows_its_class_and_its_mapping(name):
    import transformers
    from transformers.models.auto import modeling_auto

    task = tasks.get(name)
    assert hasattr(transformers, task.auto_class)
    assert getattr(modeling_auto, task.mapping)


@every_task
def test_encoding_is_unpadded_and_cut_to_the_length(name, bench):
    encoded = bench.task.encode(bench.sample.columns, bench.tokenizer, 12, bench.sample.labels)
    (count,) = {len(values) for values in encoded.values()}
    assert count >= len(next(iter(bench.sample.columns.values())))
    assert max(bench.task.lengths(encoded)) <= 12 or not bench.task.unit


@every_task
def test_a_batch_gives_a_finite_loss_that_training_lessens(name, bench):
    import torch

    task = bench.task
    learn = task.training_collator
    collate = task.collator(bench.tokenizer) if learn is None else learn(bench.tokenizer, 0, {})
    torch.manual_seed(0)
    model = task.build(str(bench.path), bench.sample.labels, {}, False).train()
    if task.begin is not None:
        task.begin(model, bench.tokenizer, bench.encoded)
    rows = bench.encoded
    if task.reference is not None:
        rows = task.reference(model, rows, task.collator(bench.tokenizer), 7)
    batch = collate([rows[row] for row in range(8)])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = models.loss(task, model, batch)
        assert torch.isfinite(loss)
        losses.append(float(loss.detach()))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < losses[0]


@every_task
def test_what_is_predicted_needs_no_targets_and_does_not_depend_on_the_batch(name, bench):
    together = bench.predicted(bench.model)
    judges = bench.task.respond is not None  # then it is the targets that are judged
    blind = together if judges else bench.predicted(bench.model, targets=False)
    few = {role: values[:3] for role, values in bench.sample.columns.items()}
    alone = bench.predicted(bench.model, few)
    assert len(together) == len(blind) == len(next(iter(bench.sample.columns.values())))
    if isinstance(together, np.ndarray):
        assert together.dtype == np.float32
        assert np.isfinite(together).all()
        np.testing.assert_allclose(together, blind, atol=1e-5, rtol=1e-4)
        np.testing.assert_allclose(together[:3], alone, atol=1e-5, rtol=1e-4)
    else:
        assert alike(together, blind)
        assert alike(together[:3], alone)


@every_task
def test_a_kept_model_predicts_as_the_one_in_training(name, bench, tmp_path):
    with bench.task.keeping(bench.model):
        bench.model.save_pretrained(tmp_path, save_original_format=False)
    bench.tokenizer.save_pretrained(tmp_path)
    kept = _loading.trained(bench.task, str(tmp_path))
    before, after = bench.predicted(bench.model), bench.predicted(kept)
    if isinstance(before, np.ndarray):
        np.testing.assert_allclose(before, after, atol=1e-4, rtol=1e-3)
    else:
        assert alike(before, after)


@every_task
def test_the_report_holds_every_metric_with_an_interval_around_it(name, bench):
    task, columns, labels = bench.task, bench.sample.columns, bench.sample.labels
    targets = task.targets(columns, labels)
    predicted = bench.predicted(bench.model)
    scores = task.score(predicted, targets, labels)
    assert {m.name for m in task.metrics if m.always} <= set(scores)
    assert set(scores) <= {metric.name for metric in task.metrics}
    assert all(math.isfinite(value) for value in scores.values())
    report = task.report(predicted, targets, columns, labels, 0)
    assert isinstance(report, SplitScore)
    assert report.rows == len(next(iter(columns.values())))
    assert dict(report.metrics) == pytest.approx(scores)
    for metric, value in scores.items():
        interval = report.intervals[metric]
        assert interval.low - 1e-9 <= value <= interval.high + 1e-9, metric
    assert report == task.report(predicted, targets, columns, labels, 0)
    assert len(report.examples) <= 10
    assert documents.to_line(report)


@every_task
def test_the_floor_beats_an_untrained_model_and_is_the_same_each_time(name, bench):
    task, columns, labels = bench.task, bench.sample.columns, bench.sample.labels
    found = task.floor(columns, {"again": columns}, labels, 0)["again"]
    again = task.floor(columns, {"again": columns}, labels, 0)["again"]
    assert len(found) == len(next(iter(columns.values())))
    same = (found == again).all() if isinstance(found, np.ndarray) else found == again
    assert same
    targets = task.targets(columns, labels)
    goal = next(metric for metric in task.metrics if metric.name == task.objective)
    floor = task.score(found, targets, labels)[goal.name]
    untrained = task.score(bench.predicted(bench.model), targets, labels)[goal.name]
    assert floor > untrained if goal.direction == "maximize" else floor < untrained


@every_task
def test_any_few_rows_can_be_scored_apart_from_the_others(name, bench):
    from automl.worker.examining import taken

    task, columns, labels = bench.task, bench.sample.columns, bench.sample.labels
    said = bench.predicted(bench.model)
    for rows in ([0], [3, 1]):
        few = {role: [values[row] for row in rows] for role, values in columns.items()}
        found = task.report(taken(said, rows), task.targets(few, labels), few, labels, 0)
        assert found.rows == len(rows)
        assert task.objective in found.metrics


@every_task
def test_its_answers_are_json_with_the_keys_it_promises(name, bench):
    task, columns = bench.task, bench.sample.asked or bench.sample.columns
    said = (
        bench.predicted(bench.model, columns)
        if task.respond is None
        else task.respond(bench.model, bench.tokenizer, columns, LENGTH)
    )
    answers = task.answers(said, bench.sample.labels, 1)
    assert len(answers) == len(next(iter(columns.values())))
    for answer in answers:
        promised, said = set(bench.task.says), set(answer)
        assert said
        assert promised <= said or said <= promised
    assert json.loads(json.dumps(answers)) == answers


tasks_with_probabilities = pytest.mark.parametrize(
    "name", [name for name in tasks.names() if tasks.get(name).probabilities]
)


@tasks_with_probabilities
def test_probabilities_come_from_one_logit_a_class(name, bench):
    logits, labels = bench.predicted(bench.model), bench.sample.labels
    assert logits.shape == (len(next(iter(bench.sample.columns.values()))), len(labels))
    targets = bench.task.targets(bench.sample.columns, labels)
    kind = bench.task.probabilities
    loss = temperature.losses(logits, targets, kind).mean()
    assert loss == pytest.approx(bench.task.score(logits, targets, labels)["log_loss"], rel=1e-5)


@tasks_with_probabilities
def test_a_temperature_goes_into_its_last_layer_exactly(name, bench):
    import copy

    model = copy.deepcopy(bench.model)
    collate = bench.task.collator(bench.tokenizer)
    inputs = collate([bench.encoded[row] for row in range(2)])
    inputs.pop("labels", None)
    assert calibrating.fold(model, inputs, 2.5) == ""
    before, after = bench.predicted(bench.model), bench.predicted(model)
    np.testing.assert_allclose(after * 2.5, before, rtol=1e-4, atol=1e-5)


@tasks_with_probabilities
@pytest.mark.parametrize("least", [0.05, 0.95])
def test_it_decides_by_thresholds_everywhere_alike(name, bench, least):
    task, columns = bench.task, bench.sample.columns
    labels = bench.sample.labels if task.probabilities == "sigmoid" else ("alpha", "beta")
    logits = bench.predicted(bench.model)[:, : len(labels)]
    targets = task.targets(columns, bench.sample.labels)
    targets = np.minimum(targets, 1) if targets.ndim == 1 else targets
    tuned = dict.fromkeys(labels if task.probabilities == "sigmoid" else labels[1:], least)
    deciding = tasks.deciding(task, tuned)
    shifted = thresholds.shifted(logits, labels, tuned)
    scores, by_half = (each(targets, labels) for each in (
        lambda *rest: deciding.score(logits, *rest),
        lambda *rest: task.score(shifted, *rest),
    ))  # fmt: skip
    assert scores["log_loss"] == task.score(logits, targets, labels)["log_loss"]
    assert {**scores, "log_loss": 0} == pytest.approx({**by_half, "log_loss": 0})
    report = deciding.report(logits, targets, columns, labels, 0)
    assert dict(report.metrics) == pytest.approx(scores)
    key = task.says[0]
    found = [answer[key] for answer in deciding.answers(logits, labels, 1)]
    expected = [answer[key] for answer in task.answers(shifted, labels, 1)]
    assert [sorted(each) for each in found] == [sorted(each) for each in expected]
    compile(deciding.usage("acme/model", 128), "usage", "exec")
    assert "automl_thresholds" in deciding.usage("acme/model", 128)


@pytest.mark.parametrize(
    "name", [name for name in tasks.names() if "class_weights" in tasks.get(name).knobs]
)
def test_weights_of_classes_change_the_loss_where_classes_are_uneven(name, bench):
    import torch

    task = bench.task
    rows = bench.encoded.take(np.array([0, 3, 6, 9, 12, 15, 1, 2]))
    batch = task.collator(bench.tokenizer)([rows[row] for row in range(len(rows))])
    losses = []
    for how in ("none", "sqrt", "balanced"):
        torch.manual_seed(0)
        chosen = {"class_weights": how}
        model = task.build(str(bench.path), bench.sample.labels, chosen, False).eval()
        task.begin(model, bench.tokenizer, rows)
        losses.append(round(float(models.loss(task, model, batch).detach()), 5))
    assert len(set(losses)) == 3


@every_task
def test_its_usage_is_python_that_names_the_repository(name):
    usage = tasks.get(name).usage("acme/model", 128)
    compile(usage, "usage", "exec")
    assert "acme/model" in usage


@pytest.mark.parametrize("name", [each for each in tasks.names() if tasks.get(each).draw])
def test_what_it_draws_is_a_picture_and_a_caption_for_each_row(name, bench):
    task = bench.task
    asked = {role.name for role in task.inputs}
    given = {role: values[:3] for role, values in bench.sample.columns.items()}
    said = bench.predicted(bench.model)[:3]
    blind = {role: values for role, values in given.items() if role in asked}
    for columns in (given, blind):
        drawn = task.draw(said, columns, bench.sample.labels)
        assert len(drawn) == 3
        assert all(image.mode == "RGB" and image.width > 20 for image, _ in drawn)
        assert all(isinstance(caption, str) for _, caption in drawn)
