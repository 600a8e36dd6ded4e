"""Similarity: what a study may learn from which."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.experience.record import DataShape
from automl.experience.similarity import similar, similarity
from automl.plan import Goal
from tests.experience import samples

SHAPES = st.builds(
    DataShape,
    rows=st.integers(1, 10**7),
    validation_rows=st.integers(1, 100),
    classes=st.integers(0, 1000),
    evenness=st.floats(0, 1),
    largest_share=st.floats(0, 1),
    characters=st.dictionaries(st.just("p50"), st.integers(0, 10**6)),
)
SHAPE = DataShape(1000, 200, 10, 0.9, 0.2, {"p50": 80})


def changed(**changes: object) -> float:
    return similarity(SHAPE, replace(SHAPE, **changes))


@given(SHAPES)
def test_a_shape_is_as_similar_to_itself_as_can_be(shape: DataShape):
    assert similarity(shape, shape) == 1.0


@given(SHAPES, SHAPES)
def test_similarity_is_between_zero_and_one_and_symmetric(one: DataShape, other: DataShape):
    assert 0.0 <= similarity(one, other) <= 1.0
    assert similarity(one, other) == pytest.approx(similarity(other, one))


def test_what_is_further_away_is_less_similar():
    assert 1.0 > changed(rows=2000) > changed(rows=4000) > changed(rows=8000) > 0
    assert changed(rows=2000) > changed(rows=2000, classes=20)


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": 11_000},
        {"rows": 90},
        {"classes": 110},
        {"characters": {"p50": 700}},
        {"evenness": 0.3},
        {"rows": 5000, "classes": 60},
    ],
    ids=str,
)
def test_strangers_teach_nothing(changes: dict[str, object]):
    assert changed(**changes) == 0.0


def test_the_most_similar_record_comes_first_and_strangers_do_not():
    near, nearer = samples.record(of=samples.plan(rows=3000)), samples.record()
    far = samples.record(of=samples.plan(rows=50_000))
    found = similar(samples.plan(), [near, far, nearer])
    assert [each.record for each in found] == [nearer, near]
    assert found[0].similarity == 1.0


def test_another_task_or_another_direction_teaches_nothing():
    plan = samples.plan()
    other = [
        replace(samples.record(), task="token-classification"),
        replace(samples.record(), direction="minimize"),
    ]
    assert similar(plan, other) == ()


def test_another_metric_of_the_same_direction_teaches():
    plan = replace(samples.plan(), goal=Goal("accuracy", "maximize"))
    assert len(similar(plan, [samples.record()])) == 1
