"""The end of a run with real worker jobs: average, score once, export, and do nothing twice."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from automl.finish import conclude, data_refs, read, untrained
from automl.jobs import ModelRef
from automl.search.study import Evaluation, Study
from tests.finish.conftest import BASE

pytestmark = pytest.mark.slow
RECIPE = "recipe: 1\nname: study\n"


def ended(study, rundir) -> tuple[object, list[str]]:
    heard = []
    finish = conclude(study, rundir, RECIPE, (), heard.append)
    return finish, [f"{event.stage}: {event.detail}" for event in heard]


def test_the_average_leaves_when_the_held_back_half_agrees(rundir, plan, finished, save):
    study = finished(0.80, 0.79)
    save(rundir, 0, +1)
    save(rundir, 1, -1)
    finish, heard = ended(study, rundir)
    soup = finish.choice.soup
    assert (soup.accepted, soup.members) == (True, (0, 1))
    assert soup.average > soup.single
    assert any(line.startswith("soup: accepted, 2 members") for line in heard)
    assert "score: 2 models, averaged, on the test split, once" in heard
    assert (rundir.bundle / "model.safetensors").read_bytes() == (
        rundir.finish / "soup" / "model.safetensors"
    ).read_bytes()
    card = (rundir.bundle / "README.md").read_text()
    assert "the average of the weights of trials 0, 1" in card
    assert "Average of 2 models" in card
    info = json.loads((rundir.bundle / "automl.json").read_bytes())
    assert info["costs"]["latency_ms"] > 0
    assert finish.score.costs["parameters"] > 0
    assert read(rundir) == finish
    _nothing_is_done_twice(study, rundir)
    _a_bundle_that_was_deleted_is_written_from_what_is_known(study, rundir)
    _without_soup_the_winner_leaves_alone(plan, rundir)
    _a_new_winner_is_scored(plan, rundir, save)


def _nothing_is_done_twice(study, rundir):
    assert ended(study, rundir)[1] == []


def _a_bundle_that_was_deleted_is_written_from_what_is_known(study, rundir):
    (rundir.bundle / "automl.json").unlink()
    for path in sorted(rundir.bundle.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    rundir.bundle.rmdir()
    assert ended(study, rundir)[1] == ["export: safetensors"]


def _without_soup_the_winner_leaves_alone(plan, rundir):
    alone = Study(rundir.study, replace(plan, search=replace(plan.search, soup=False)))
    finish, heard = ended(alone, rundir)
    assert finish.choice.soup is None
    assert heard == ["score: trial 0 on the test split, once", "export: safetensors"]
    assert (rundir.bundle / "model.safetensors").read_bytes() == (
        rundir.trial(0).best / "model.safetensors"
    ).read_bytes()


def _a_new_winner_is_scored(plan, rundir, save):
    alone = Study(rundir.study, replace(plan, search=replace(plan.search, soup=False)))
    trial = alone.ask()
    alone.attempt(trial.number)
    alone.report(trial.number, Evaluation(1, 100, 0.95), 5.0)
    alone.tell(trial.number, "complete")
    save(rundir, trial.number, 0)
    finish, heard = ended(alone, rundir)
    assert finish.trial == trial.number
    assert heard[0] == f"score: trial {trial.number} on the test split, once"


def test_a_candidate_is_scored_as_it_comes_once_and_shown_beside_the_winner(
    rundir, plan, finished, save
):
    alone = replace(plan, search=replace(plan.search, soup=False))
    study = finished(0.80, plan=alone)
    save(rundir, 0, 0)
    ref, data = ModelRef("small", str(BASE)), data_refs(alone, rundir)["small"]
    came = untrained(alone, ref, data, rundir, ())
    assert came.splits["test"].rows == alone.data.rows["test"]
    assert untrained(alone, replace(ref, path="gone"), data, rundir, ()) == came
    finish, _ = ended(study, rundir)
    assert finish.untrained == read(rundir).untrained == came
    info = json.loads((rundir.bundle / "automl.json").read_bytes())
    assert info["untrained"] == dict(came.splits["test"].metrics)
    assert "Before training" in (rundir.bundle / "README.md").read_text()


def test_an_average_that_does_not_help_is_not_taken_and_a_broken_one_is_said(
    rundir, finished, save
):
    study = finished(0.80, 0.79)
    save(rundir, 0, 0)
    save(rundir, 1, +1)
    finish, heard = ended(study, rundir)
    assert not finish.choice.soup.accepted
    assert any(line.startswith("soup: not accepted") for line in heard)
    assert not (rundir.finish / "soup").exists()
    (rundir.trial(1).best / "model.safetensors").write_bytes(b"cut short")
    (rundir.finish / "finish.json").unlink()
    finish, heard = ended(study, rundir)
    assert finish.choice.soup is None
    assert any(line.startswith("soup: failed, the winner leaves alone") for line in heard)
    assert rundir.bundle.exists()


def test_a_finish_is_made_anew_where_adapters_are_to_leave_otherwise(rundir, plan, finished, save):
    alone = replace(plan, search=replace(plan.search, soup=False))
    finished(0.80, plan=alone)
    save(rundir, 0, 0)
    ended(Study(rundir.study, alone), rundir)
    kept = replace(alone, export=replace(alone.export, adapter="keep"))
    _, heard = ended(Study(rundir.study, kept), rundir)
    assert heard[0] == "score: trial 0 on the test split, once"
