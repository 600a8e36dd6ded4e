"""Importance finds what a known function depends on, and says when there is nothing to find."""

from __future__ import annotations

from random import Random

import pytest

from automl import documents
from automl.jobs import Column, ImportanceSpec
from automl.worker.importance import importance

COLUMNS = {
    "rate": Column(-1.0, 1.0),
    "epochs": Column(1.0, 5.0),
    "batch": Column(choices=("16", "32")),
}


def spec(matter: float, count: int = 30) -> ImportanceSpec:
    """Values that depend on the rate as much as ``matter`` says, and on nothing else but noise."""
    random = Random(3)
    rows, values = [], []
    for _ in range(count):
        row = {
            "rate": random.uniform(-1, 1),
            "epochs": random.uniform(1, 5),
            "batch": random.choice(("16", "32")),
        }
        rows.append(row)
        values.append(0.8 - matter * row["rate"] ** 2 + random.gauss(0, 0.01))
    return ImportanceSpec(COLUMNS, tuple(rows), tuple(values), 7)


@pytest.mark.slow
def test_what_matters_is_found_and_noise_is_told_from_it():
    found = importance(spec(0.3))
    assert found.ranked[0] == "rate"
    assert found.shares["rate"].share > 0.7
    assert found.shares["rate"].low <= found.shares["rate"].share <= found.shares["rate"].high
    assert found.explained > 0.5
    assert found.configurations == 30
    assert importance(spec(0.0)).explained < 0.1


def test_configurations_that_came_out_alike_have_nothing_to_explain():
    alike = spec(0.3, 12)
    alike = ImportanceSpec(alike.columns, alike.rows, (0.5,) * 12, 7)
    found = importance(alike)
    assert {one.share for one in found.shares.values()} == {0.0}
    assert found.explained == 0.0


def test_a_spec_comes_back_as_it_was_written():
    written = spec(0.3)
    assert documents.from_json(ImportanceSpec, documents.to_json(written)) == written
