"""From files of rows to a bundle with one small trial, in this process: what a run does, in little.

Worker jobs are called as functions; nothing is searched.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from automl import documents, tasks
from automl.data.load import LoadedData, load_data
from automl.data.tables import write_table
from automl.events import Reported, Tail
from automl.exporters import Delivery, TrialSummary
from automl.exporters._assemble import write_bundle
from automl.jobs import DataRef, FloorSpec, ModelRef, Parent, ScoreSpec, TrialSpec
from automl.plan import Configuration, Goal, Plan, Scalar
from automl.rundir import TrialDir
from tests.data.samples import recipe_in
from tests.factories import candidate, plan

PACE: Mapping[str, Scalar] = {"learning_rate": 1e-3, "epochs": 1, "batch_size": 8}
LENGTH = 32
SPLITS = ("validation", "test")


def load(folder: Path, task: str, **data: Any) -> LoadedData:
    """Return the data that a recipe in ``folder`` with this data section would have."""
    return load_data(recipe_in(folder, **data), tasks.get(task))


def rehearse(
    folder: Path, task: str, model: Path, hyperparameters: Mapping[str, Scalar], **data: Any
) -> Delivery:
    """Train one trial on what ``data`` names and write ``folder/bundle``; return what it holds."""
    loaded = load(folder, task, **data)
    made = plan(
        candidate("small", max_length=LENGTH),
        task=loaded.task.name,
        data=loaded.plan,
        goal=_goal(loaded),
    )
    ref = DataRef(_tables(loaded, folder), loaded.plan.labels, loaded.plan.fingerprint, LENGTH)
    trial = TrialDir(folder / "trial")
    trial.root.mkdir()
    documents.write(trial.spec, _spec(made, ref, model, hyperparameters, folder))
    _train(trial)
    delivery = _delivery(made, ref, trial, model, hyperparameters)
    write_bundle(replace(delivery, trials=()), folder / "bundle")  # pictures take the longest
    return delivery


def _goal(loaded: LoadedData) -> Goal:
    own = loaded.task.objective
    return Goal(own, next(each.direction for each in loaded.task.metrics if each.name == own))


def _tables(loaded: LoadedData, folder: Path) -> dict[str, str]:
    tables = {split: str(folder / f"{split}.arrow") for split in loaded.tables}
    for split, table in loaded.tables.items():
        write_table(table, Path(tables[split]))
    return tables


def _spec(
    made: Plan, ref: DataRef, model: Path, hyperparameters: Mapping[str, Scalar], folder: Path
) -> TrialSpec:
    return TrialSpec(
        number=0,
        task=made.task,
        model=ModelRef("small", str(model)),
        hyperparameters={**PACE, **hyperparameters},
        data=ref,
        metric=made.goal.metric,
        direction=made.goal.direction,
        evaluation_samples=10_000,
        seed=7,
        precision="fp32",
        threads=1,
        processes=1,
        devices=(),
        tokens=str(folder / "tokens"),
        parent=Parent(os.getpid(), psutil.Process().create_time()),
    )


def _train(trial: TrialDir) -> None:
    from automl.worker.run import run

    assert run(trial.spec) == 0, trial.log.read_text() if trial.log.exists() else "it failed"


def _delivery(
    made: Plan,
    ref: DataRef,
    trial: TrialDir,
    model: Path,
    hyperparameters: Mapping[str, Scalar],
) -> Delivery:
    from automl.worker.floor import floor
    from automl.worker.scoring import score

    task = tasks.get(made.task)
    reported = [event for event in Tail(trial.metrics).read() if isinstance(event, Reported)]
    curve = tuple((event.samples, event.metrics[made.goal.metric]) for event in reported)
    spec = ScoreSpec(
        made.task, ModelRef("small", str(trial.best)), ref, SPLITS, 8, 1, (), made.data.split.seed
    )
    came = replace(spec, model=ModelRef("small", str(model)), untrained=True)
    summary = TrialSummary(
        0, Configuration("small", {**PACE, **hyperparameters}), "complete", curve[-1][1], 1.0, curve
    )
    return Delivery(
        plan=made,
        model=trial.best,
        winner=summary,
        trials=(summary,),
        score=score(spec),
        floor=floor(FloorSpec(made.task, ref, SPLITS, 1, 0)),
        checks=(),
        recipe="recipe: 1\n",
        lock=b"{}\n",
        seconds=1.0,
        hardware="a machine",
        untrained=score(came) if task.untrained else None,
    )
