"""Conditional spaces: what applies, what is drawn, what can be listed."""

from __future__ import annotations

from dataclasses import replace

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.samplers import RandomSampler

from automl.plan import Configuration, Parameter
from automl.search import space
from automl.search.proposals import near
from tests import factories
from tests.search.trials import EPOCHS

FULL = {"method": ("full",)}
METHOD = Parameter("method", "choice", "full", choices=("full", "lora", "probe"))
DECAY = Parameter("layer_decay", "float", 0.9, 0.65, 1.0, when=FULL)
RANK = Parameter("rank", "choice", 8, choices=(8, 16), when={"method": ("lora",)})
DEEP = Parameter("deep", "choice", 1, choices=(1, 2), when={"rank": (16,)})
# Conditions stand after what depends on them, as they may in a plan.
CANDIDATE = factories.candidate("small", space=(DECAY, DEEP, RANK, METHOD))
PLAN = factories.plan(CANDIDATE)
LIVE = ("small",)


def draw(seed: int) -> Configuration:
    study = optuna.create_study(sampler=RandomSampler(seed=seed))
    return space.suggest(study.ask(), PLAN, LIVE)


def test_defaults_hold_only_what_applies():
    assert space.default(CANDIDATE).hyperparameters == {"layer_decay": 0.9, "method": "full"}


@given(seed=st.integers(0, 10_000))
def test_draws_hold_exactly_what_applies_and_never_a_probe(seed: int):
    values = draw(seed).hyperparameters
    assert values["method"] in ("full", "lora")
    assert ("layer_decay" in values) == (values["method"] == "full")
    assert ("rank" in values) == (values["method"] == "lora")
    assert ("deep" in values) == (values.get("rank") == 16)


@given(seed=st.integers(0, 10_000))
def test_what_is_drawn_can_be_encoded_and_drawn_again(seed: int):
    drawn = draw(seed)
    encoded = space.encode(PLAN, LIVE, drawn)
    assert encoded is not None
    assert set(encoded.parameters) == set(encoded.distributions)
    fixed = optuna.trial.FixedTrial(dict(encoded.parameters))
    assert space.suggest(fixed, PLAN, LIVE) == drawn  # type: ignore[arg-type]


def test_probes_and_what_lies_outside_are_no_points_of_the_space():
    probe = Configuration("small", {"method": "probe"})
    far = Configuration("small", {"method": "full", "layer_decay": 0.1})
    assert space.encode(PLAN, LIVE, probe) is None
    assert space.encode(PLAN, LIVE, far) is None
    assert space.encode(PLAN, (), Configuration("small", {"method": "full"})) is None


def test_a_condition_on_something_the_candidate_does_not_have_holds():
    alone = factories.candidate("small", space=(DECAY,))
    assert space.default(alone).hyperparameters == {"layer_decay": 0.9}


def test_finite_spaces_can_be_listed_without_what_does_not_apply():
    finite = factories.candidate("small", space=(DEEP, RANK, METHOD))
    assert space.grid(finite) == [
        {"method": "full"},
        {"rank": 8, "method": "lora"},
        {"deep": 1, "rank": 16, "method": "lora"},
        {"deep": 2, "rank": 16, "method": "lora"},
    ]
    assert space.grid(CANDIDATE) is None
    assert len(space.grid(factories.candidate("small", space=(EPOCHS, RANK))) or ()) == 2


def test_a_space_too_large_to_be_listed_counts_as_endless():
    wide = tuple(Parameter(name, "int", 1, 1, 99) for name in "abc")
    assert space.grid(factories.candidate("small", space=wide)) is None


@given(seed=st.integers(0, 10_000))
def test_a_step_stays_inside_the_space_and_with_its_candidate(seed: int):
    import random

    origin = draw(seed)
    moved = near(PLAN, origin, random.Random(seed))
    assert moved.candidate == origin.candidate
    assert space.encode(PLAN, LIVE, moved) is not None


def test_steps_are_short_on_the_scale_that_is_searched():
    import random
    import statistics

    rate = factories.candidate("small", space=(factories.LEARNING_RATE,))
    plan = factories.plan(rate)
    origin = Configuration("small", {"learning_rate": 1e-4})
    steps = [
        float(near(plan, origin, random.Random(n)).hyperparameters["learning_rate"])
        for n in range(200)
    ]
    assert statistics.median(steps) == pytest.approx(1e-4, rel=0.3)
    inside = sum(0.3e-4 < step < 3.3e-4 for step in steps)
    assert 150 < inside < 200


def test_same_choices_are_one_parameter_and_others_one_each():
    other = replace(CANDIDATE, id="large", space=(replace(RANK, choices=(4, 8), when={}),))
    plan = factories.plan(replace(CANDIDATE, space=(replace(RANK, when={}), METHOD)), other)
    encoded = space.encode(plan, ("small", "large"), space.default(other))
    assert encoded is not None
    assert set(encoded.parameters) == {"candidate", "rank[large]"}
