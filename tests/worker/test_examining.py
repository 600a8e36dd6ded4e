"""The examine job and scores by slice, on a tiny model that was trained in this process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from automl.data.tables import write_table
from automl.jobs import ExamineSpec, ModelRef, ScoreSpec
from automl.worker.examining import examine
from automl.worker.scoring import score
from tests.tasks import bundles
from tests.worker.conftest import LABELS, WORDS, made


@pytest.fixture(scope="module")
def spec(tmp_path_factory, data, tokens) -> ExamineSpec:
    bench = made(tmp_path_factory.mktemp("learnt"), data, tokens)
    trial = bench.trial(hyperparameters={"epochs": 12}, metric="macro_f1", direction="maximize")
    assert bench.run(trial) == 0
    return ExamineSpec(
        task="text-classification",
        model=ModelRef("tiny", str(trial.best)),
        data=data,
        batch_size=16,
        threads=1,
        devices=(),
        seed=0,
        metric="macro_f1",
        direction="maximize",
    )


def test_answers_stay_where_words_do_and_change_where_they_do(spec) -> None:
    groups = {"w.txt": ((WORDS["home"], WORDS["money"]),)}
    asked = replace(spec, changes=("case", "synonyms=w.txt", "synonyms=none"), words=groups)
    found = examine(asked).changes
    assert (found["case"].rows, found["case"].share) == (20, 1.0)  # the tiny model has no case
    assert found["synonyms=w.txt"].rows < 20
    assert found["synonyms=w.txt"].share < 0.5
    example = found["synonyms=w.txt"].examples[0]
    assert example["text"] != example["changed"]
    assert example["before"] != example["after"]
    assert found["synonyms=none"].rows == 0


def test_a_trained_model_is_better_than_one_that_is_not_and_equal_to_itself(
    spec, tmp_path: Path
) -> None:
    columns = {"text": "text", "label": "label"}
    other = bundles.write("text-classification", tmp_path / "old", LABELS[::-1], columns)
    (versus,) = examine(replace(spec, earlier={"old": str(other)})).earlier.values()
    assert versus.new > versus.old
    assert versus.difference == pytest.approx(versus.new - versus.old)
    assert 0 < versus.interval.low <= versus.difference <= versus.interval.high
    worse = replace(spec, model=ModelRef("old", str(other)), metric="log_loss")
    worse = replace(worse, direction="minimize", data=replace(spec.data, labels=LABELS[::-1]))
    (same,) = examine(replace(worse, earlier={"old": str(other)})).earlier.values()
    assert (same.difference, same.interval.low, same.interval.high) == (0, 0, 0)
    assert same.rows == 20


def test_a_slice_is_scored_like_all_rows_if_it_holds_them_all(spec, tmp_path: Path) -> None:
    path = tmp_path / "slices.arrow"
    half = ["a"] * 10 + ["b"] * 9 + [None]
    many = [str(row) for row in range(20)]
    write_table(pa.table({"all": ["x"] * 20, "half": half, "id": [*many[:-1], "0"]}), path)
    asked = ScoreSpec(
        task=spec.task,
        model=spec.model,
        data=spec.data,
        splits=("validation", "test"),
        batch_size=16,
        threads=1,
        devices=(),
        seed=0,
        slices=str(path),
        named_slices={"id": ("18", "no such row")},
    )
    found = score(asked).splits
    assert found["validation"].slices == {}
    test = found["test"]
    assert test.slices["all=x"].metrics == test.metrics
    assert test.slices["all=x"].intervals == test.intervals
    assert [test.slices[f"half={name}"].rows for name in "ab"] == [10, 9]
    assert test.slices["id=18"].rows == 1
