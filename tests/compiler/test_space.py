from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.compiler.hyperparameters import HYPERPARAMETERS
from automl.compiler.priors import PRIORS, prior
from automl.compiler.space import (
    Entry,
    faults,
    largest_batch,
    space,
    without_batches_above,
)
from automl.plan import Parameter
from automl.recipe.schema import Range

BERT = {"hidden_dropout_prob": 0.1}
SMALL = prior("bert", 22_000_000, 10_000)


def made(wishes: dict[str, Entry], config: dict[str, object] = BERT) -> dict[str, Parameter]:
    return {each.name: each for each in space(SMALL, config, wishes)}


def holds(parameter: Parameter, value: object) -> bool:
    if parameter.kind == "choice":
        return any(type(each) is type(value) and each == value for each in parameter.choices)
    assert parameter.low is not None
    assert parameter.high is not None
    return parameter.low <= value <= parameter.high  # type: ignore[operator]


def test_the_space_names_every_hyperparameter() -> None:
    assert list(made({})) == list(HYPERPARAMETERS)


def test_the_learning_rate_is_searched_around_its_prior() -> None:
    rate = made({})["learning_rate"]
    assert (rate.prior, rate.default, rate.log) == (3e-4, 3e-4, True)
    assert (rate.low, rate.high) == (pytest.approx(3e-5), pytest.approx(3e-3))


def test_a_range_replaces_the_default_and_keeps_the_prior() -> None:
    rate = made({"learning_rate": Range(low=1e-5, high=1e-4)})["learning_rate"]
    assert (rate.low, rate.high, rate.prior, rate.source) == (1e-5, 1e-4, 3e-4, "recipe")
    assert rate.default == 1e-4
    assert rate.log


def test_a_list_replaces_the_default() -> None:
    batches = made({"batch_size": [4, 8]})["batch_size"]
    assert (batches.kind, batches.choices, batches.default) == ("choice", (4, 8), 8)


def test_one_value_is_fixed() -> None:
    epochs = made({"epochs": 2})["epochs"]
    assert (epochs.kind, epochs.choices, epochs.default) == ("choice", (2,), 2)


def test_whole_numbers_take_the_type_of_their_hyperparameter() -> None:
    decay = made({"weight_decay": Range(low=0, high=1)})["weight_decay"]
    assert isinstance(decay.low, float)
    assert made({"weight_decay": 0})["weight_decay"].choices == (0.0,)
    assert isinstance(made({"weight_decay": 0})["weight_decay"].choices[0], float)


def test_choices_of_words_begin_with_the_familys_if_it_is_among_them() -> None:
    assert made({"schedule": ["constant", "linear"]})["schedule"].default == "linear"
    assert made({"schedule": ["constant", "cosine"]})["schedule"].default == "constant"


def test_a_family_without_classifier_dropout_has_no_such_dimension() -> None:
    assert "dropout" not in made({}, {"attention_dropout": 0.0})
    assert "dropout" not in made({"dropout": 0.2}, {"attention_dropout": 0.0})


VALUES = {
    "float": st.floats(0.001, 0.4),
    "int": st.integers(1, 500),
}


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(sorted(HYPERPARAMETERS)), unique=True))
    found: dict[str, Any] = {}
    for name in names:
        known = HYPERPARAMETERS[name]
        values = st.sampled_from(known.choices) if known.choices else VALUES[known.kind]
        shape = draw(st.sampled_from(["one", "list", "range"]))
        if shape == "one":
            found[name] = draw(values)
        elif shape == "list" or known.choices:
            found[name] = draw(st.lists(values, min_size=1, max_size=4, unique=True))
        else:
            low, high = draw(st.lists(values, min_size=2, max_size=2, unique=True).map(sorted))
            found[name] = Range(low=low, high=high, log=draw(st.booleans()))
    return found


@settings(max_examples=60)
@given(st.sampled_from(PRIORS), wishes())
def test_the_default_lies_inside_every_space(row: Any, wished: dict[str, Any]) -> None:
    assert not [fault for name in wished for fault in faults(HYPERPARAMETERS[name], wished[name])]
    for parameter in space(row, BERT, wished):
        assert holds(parameter, parameter.default), parameter
        wish = wished.get(parameter.name)
        if isinstance(wish, Range):
            assert (parameter.low, parameter.high) == (wish.low, wish.high)
        elif wish is not None:
            assert list(parameter.choices) == (wish if isinstance(wish, list) else [wish])


@pytest.mark.parametrize(
    ("name", "entry", "where", "rule"),
    [
        ("epochs", 0, (), "from 1 to 1000"),
        ("epochs", 1.5, (), "whole number"),
        ("epochs", True, (), "must be a number"),
        ("epochs", "3", (), "must be a number"),
        ("batch_size", [8, 0], (1,), "from 1 to"),
        ("batch_size", [8, 8], (1,), "lists 8 twice"),
        ("learning_rate", Range(low=0, high=0.1), ("low",), "from 1e-08 to 1"),
        ("label_smoothing", Range(low=0, high=1), ("high",), "from 0 to 0.9"),
        ("schedule", "stepwise", (), "one of linear, cosine, constant"),
        ("schedule", Range(low=0, high=1), (), "has no range"),
        ("method", ["full", "lora"], (1,), "only full"),
    ],
)
def test_a_wish_outside_the_hard_limits_is_a_fault(
    name: str, entry: Entry, where: tuple[object, ...], rule: str
) -> None:
    ((found, text),) = faults(HYPERPARAMETERS[name], entry)
    assert found == where
    assert rule in text


def test_batches_that_do_not_fit_are_left_out_of_the_defaults() -> None:
    whole = space(SMALL, BERT, {})
    assert largest_batch(whole) == 64
    smaller = {each.name: each for each in without_batches_above(whole, 20)}["batch_size"]
    assert (smaller.choices, smaller.default) == ((8, 16), 16)


def test_the_smallest_batch_stays_whatever_fits() -> None:
    assert largest_batch(without_batches_above(space(SMALL, BERT, {}), 0)) == 8


def test_the_recipes_own_batches_stay_whatever_fits() -> None:
    wished = space(SMALL, BERT, {"batch_size": Range(low=8, high=128)})
    assert largest_batch(without_batches_above(wished, 20)) == 128
