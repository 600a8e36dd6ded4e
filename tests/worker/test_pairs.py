"""Pairs of texts from a table to a trial: real data, a tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl import tasks
from automl.data.load import load_data
from automl.data.tables import write_table
from automl.events import Finished, Reported
from automl.jobs import DataRef, FloorSpec, InspectSpec, ModelRef, ScoreSpec
from automl.worker.floor import floor
from automl.worker.inspection import inspect
from tests.data.samples import recipe_in

from .conftest import TINY_BERT

pytestmark = pytest.mark.slow
ROWS = 160


@pytest.fixture
def entailment(shared: Path, tmp_path: Path) -> DataRef:
    """Some rows of monotonicity entailment, as a run would find them."""
    folder = shared / "data" / "text-pair-classification" / "med_nli"
    given = {split: str(folder / f"{split}.csv") for split in ("train", "validation", "test")}
    found = load_data(recipe_in(tmp_path, **given), tasks.get("text-classification"))
    assert found.plan.columns == {"text": "premise", "text_pair": "hypothesis", "label": "label"}
    assert found.plan.labels == ("entailment", "neutral")
    tables = {}
    for split, table in found.tables.items():
        tables[split] = str(tmp_path / f"{split}.arrow")
        write_table(table.slice(0, ROWS), Path(tables[split]))
    return DataRef(tables, found.plan.labels, found.plan.fingerprint, 48)


def test_pairs_are_inspected_trained_on_and_scored(bench, entailment):
    from automl.data.tables import read_table
    from automl.worker.scoring import score

    task, model = "text-classification", ModelRef("tiny", str(TINY_BERT))
    rows = read_table(Path(entailment.tables["train"])).to_pylist()
    (seen,) = inspect(InspectSpec(task, (model,), entailment.labels, tuple(rows), None)).inspections
    single = tuple({"text": row["text"], "label": row["label"]} for row in rows)
    (alone,) = inspect(InspectSpec(task, (model,), entailment.labels, single, None)).inspections
    assert seen.refused is None
    assert seen.lengths["p50"] > 1.5 * alone.lengths["p50"]
    trial = bench.trial(data=entailment, evaluation_samples=ROWS, hyperparameters={"epochs": 1})
    assert bench.run(trial) == 0
    assert isinstance(bench.events(trial)[-1], Finished)
    best = ScoreSpec(
        task, ModelRef("best", str(trial.best)), entailment, ("validation", "test"), 8, 1, (), 0
    )
    found = score(best).splits
    reported = bench.events(trial, Reported)[0].metrics["log_loss"]
    # Scoring reads texts as far as the model can; few of these are longer than 48 tokens.
    assert found["validation"].metrics["log_loss"] == pytest.approx(reported, abs=0.05)
    assert {"text", "text_pair"} <= set(found["test"].examples[0])


def test_the_floor_scores_pairs(entailment):
    found = floor(FloorSpec("text-classification", entailment, ("validation",), 1, 0))
    assert found.splits["validation"].rows == ROWS
    assert 0.0 < found.splits["validation"].metrics["accuracy"] <= 1.0
