"""The screen job: its four scores, its layers, its refusals; the same spec, the same scores."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automl import documents, jobs
from automl.jobs import ModelRef, ScreenResult, ScreenSpec
from automl.worker.run import run
from automl.worker.screening import best_layer, screen

from .conftest import LABELS, TINY_BERT, rows

pytestmark = pytest.mark.slow
TINY = ModelRef("tiny", str(TINY_BERT))


def spec(*models, by="probe", count=90, **changes):
    found = rows(count)
    sample = tuple(
        {"text": text, "label": label}
        for text, label in zip(found["text"], found["label"], strict=True)
    )
    lengths = {model.id: 32 for model in models}
    made = ScreenSpec("text-classification", models, LABELS, sample, lengths, by, 1, (), 0)
    return replace(made, **changes)


def scored(*models, **changes):
    return screen(spec(*models, **changes)).scores


@pytest.mark.parametrize("by", ["probe", "h_score", "logme", "knn"])
def test_every_score_is_finite_repeats_itself_and_names_its_layer(by):
    (found,) = scored(TINY, by=by)
    assert found.refused is None
    assert np.isfinite(found.score)
    assert found.layer in (0, 1, 2)
    assert found.seconds > 0
    (again,) = scored(TINY, by=by)
    assert (again.score, again.layer) == (found.score, found.layer)


@pytest.mark.parametrize("by", ["probe", "knn"])
def test_accuracies_are_those_of_rows_held_out(by):
    (found,) = scored(TINY, by=by)
    assert 0.6 < found.score <= 1.0
    shuffled = list(spec(TINY).sample)
    labels = np.random.default_rng(0).permutation([row["label"] for row in shuffled])
    mixed = tuple({**row, "label": str(label)} for row, label in zip(shuffled, labels, strict=True))
    (nothing,) = scored(TINY, by=by, sample=mixed)
    assert nothing.score < 0.6


@pytest.mark.parametrize("by", ["probe", "h_score", "logme", "knn"])
def test_the_layer_that_tells_classes_apart_is_found(by):
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 3, 150)
    by_layer = generator.normal(size=(150, 4, 8)).astype(np.float32)
    by_layer[np.arange(150), 2, targets] += 3
    score, layer = best_layer(by_layer, targets, spec(TINY, by=by))
    assert layer == 2
    flat, _ = best_layer(by_layer[:, :1], targets, spec(TINY, by=by))
    assert score > flat


def test_one_candidates_failure_is_its_own(tmp_path, capfd):
    wide = Path(shutil.copytree(TINY_BERT, tmp_path / "wide"))
    config = json.loads((wide / "config.json").read_text())
    (wide / "config.json").write_text(json.dumps(config | {"intermediate_size": 80}))
    nowhere = ModelRef("nowhere", str(tmp_path / "nowhere"))
    first, second, third = scored(ModelRef("wide", str(wide)), nowhere, TINY)
    assert "of another shape" in first.refused
    assert "there is no folder" in second.refused
    assert third.refused is None
    assert (first.id, second.id, third.id) == ("wide", "nowhere", "tiny")


def test_progress_and_what_came_of_it_are_said(capfd):
    scored(TINY, count=200)
    said = capfd.readouterr().out
    assert "tiny: 64 of 200 rows embedded" in said
    assert "tiny: probe 0." in said or "tiny: probe 1." in said
    assert "of 2; 200 rows embedded in " in said


def test_a_class_that_the_sample_lacks_or_has_once_stops_nothing():
    found = spec(TINY, count=40)
    sample = [row for row in found.sample if row["label"] != "travel"]
    (one,) = screen(replace(found, sample=tuple(sample))).scores
    (two,) = screen(replace(found, sample=(*sample, {"text": "a", "label": "travel"}))).scores
    assert one.refused is None
    assert two.refused is None


def test_the_job_leaves_its_result_beside_its_spec(tmp_path):
    documents.write(tmp_path / "spec.json", spec(TINY, by="knn"))
    assert run(tmp_path / "spec.json") == 0
    result = documents.read(ScreenResult, tmp_path / jobs.RESULT)
    assert [score.id for score in result.scores] == ["tiny"]
