"""Conditional spaces: what applies, what is drawn, what can be listed."""

from __future__ import annotations

from dataclasses import replace

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.samplers import RandomSampler

from automl.plan import Candidate, Configuration, Parameter
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


def two_rates() -> Candidate:
    """A candidate whose learning rate has a range for each method."""
    full = replace(factories.LEARNING_RATE, when=FULL)
    beside = replace(
        full, default=1e-3, low=1e-4, high=1e-2, prior=1e-3, when={"method": ("lora",)}
    )
    return factories.candidate("small", space=(METHOD, full, beside, RANK))


@given(seed=st.integers(0, 10_000))
def test_a_name_that_stands_once_for_each_method_is_drawn_in_the_methods_own_range(seed: int):
    plan = factories.plan(two_rates())
    study = optuna.create_study(sampler=RandomSampler(seed=seed))
    drawn = space.suggest(study.ask(), plan, LIVE)
    values = drawn.hyperparameters
    low, high = (1e-5, 1e-3) if values["method"] == "full" else (1e-4, 1e-2)
    assert low <= float(values["learning_rate"]) <= high
    encoded = space.encode(plan, LIVE, drawn)
    assert encoded is not None
    assert list(encoded.parameters).count("learning_rate_factor") == 1
    fixed = optuna.trial.FixedTrial(dict(encoded.parameters))
    again = space.suggest(fixed, plan, LIVE)  # type: ignore[arg-type]
    assert again.hyperparameters["learning_rate"] == pytest.approx(values["learning_rate"])


def test_what_two_methods_call_the_same_is_one_dimension_of_the_search():
    plan = factories.plan(two_rates())
    coded = {
        method: space.encode(
            plan, LIVE, Configuration("small", {"method": method, "learning_rate": rate, "rank": 8})
        )
        for method, rate in (("full", 2e-4), ("lora", 2e-3))
    }
    factors = [each.parameters["learning_rate_factor"] for each in coded.values() if each]
    assert factors == pytest.approx([factors[0]] * 2)
    ranges = [each.distributions["learning_rate_factor"] for each in coded.values() if each]
    assert ranges[0] == ranges[1]


def test_a_grid_goes_through_each_methods_own_values():
    rates = [
        Parameter("learning_rate", "choice", 1e-4, choices=(1e-4, 2e-4), when=FULL),
        Parameter("learning_rate", "choice", 1e-3, choices=(1e-3,), when={"method": ("lora",)}),
    ]
    found = space.grid(factories.candidate("small", space=(METHOD, *rates, RANK)))
    assert found == [
        {"method": "full", "learning_rate": 1e-4},
        {"method": "full", "learning_rate": 2e-4},
        {"method": "lora", "learning_rate": 1e-3, "rank": 8},
        {"method": "lora", "learning_rate": 1e-3, "rank": 16},
    ]
