"""A trial, its best model, what that scores and a step costs, for tasks beyond classes of rows."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from automl import tasks
from automl.data.tables import write_table
from automl.events import Reported
from automl.jobs import DataRef, FloorSpec, InspectSpec, MeasureSpec, ModelRef, ScoreSpec
from automl.tasks import _spans
from tests.tasks.samples import sample

from .conftest import TINY_BERT

pytestmark = pytest.mark.slow
NAMES = ("multiple-choice", "question-answering", "token-classification")


@pytest.mark.parametrize("name", NAMES)
def test_a_trial_keeps_what_it_reported(bench, tmp_path: Path, name: str):
    from automl.worker.floor import floor
    from automl.worker.inspection import inspect
    from automl.worker.measuring import measure
    from automl.worker.scoring import score

    task, rows = tasks.get(name), sample(tasks.get(name))
    table = pa.table(dict(rows.columns))
    write_table(table, tmp_path / "rows.arrow")
    tables = dict.fromkeys(("train", "validation", "test"), str(tmp_path / "rows.arrow"))
    data = DataRef(tables, rows.labels, name, 64)
    trial = bench.trial(
        name,
        task=name,
        data=data,
        metric=task.objective,
        direction="maximize",
        evaluation_samples=48,
        hyperparameters={"epochs": 4, "layer_decay": 0.9},
    )
    assert bench.run(trial) == 0
    best = [e for e in bench.events(trial, Reported) if e.best][-1]
    splits = ("validation",)
    model = ModelRef("best", str(trial.best))
    scored = score(ScoreSpec(name, model, data, splits, 8, 1, (), 0)).splits["validation"]
    assert scored.metrics == pytest.approx(dict(best.metrics), abs=1e-6)
    if name == "question-answering":
        config = json.loads((trial.best / "config.json").read_text())
        assert isinstance(config[_spans.THRESHOLD], float)
    assert floor(FloorSpec(name, data, splits, 1, 0)).splits["validation"].rows == table.num_rows
    tiny = ModelRef("tiny", str(TINY_BERT))
    (found,) = inspect(
        InspectSpec(name, (tiny,), rows.labels, tuple(table.to_pylist()), None)
    ).inspections
    assert found.refused is None
    cost = measure(
        MeasureSpec(name, tiny, data, 4, (1,), ("fp32",), (), 1, str(tmp_path / "tokens"))
    )
    assert cost.seconds_per_evaluated_row > 0
