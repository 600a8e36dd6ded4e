from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.compiler.hyperparameters import HYPERPARAMETERS
from automl.compiler.priors import PRIORS, prior
from automl.compiler.space import (
    ON_REQUEST,
    OPTIONAL,
    Entry,
    batch_sizes,
    faults,
    largest_batch,
    space,
    without_batches_above,
)
from automl.plan import Parameter
from automl.recipe.schema import Range
from automl.tasks import MASKING, SIMILARITY

BERT: dict[str, object] = {
    "model_type": "bert",
    "num_hidden_layers": 6,
    "hidden_dropout_prob": 0.1,
}
LLAMA: dict[str, object] = {"model_type": "llama", "num_hidden_layers": 5}
STRANGER: dict[str, object] = {"model_type": "unheard-of"}
SMALL = prior("bert", 22_000_000, 10_000)


def made(
    wishes: dict[str, Entry], config: dict[str, object] = BERT, *, smaller: bool = False
) -> dict[str, Parameter]:
    return {each.name: each for each in space(SMALL, config, wishes, smaller=smaller)}


def holds(parameter: Parameter, value: object) -> bool:
    if parameter.kind == "choice":
        return any(type(each) is type(value) and each == value for each in parameter.choices)
    assert parameter.low is not None
    assert parameter.high is not None
    return parameter.low <= value <= parameter.high  # type: ignore[operator]


def test_the_space_names_every_hyperparameter() -> None:
    asked = {name: (HYPERPARAMETERS[name].choices or (0,))[0] for name in ON_REQUEST}
    found = space(SMALL, BERT, asked, smaller=True, knobs=OPTIONAL)
    assert [each.name for each in found] == list(HYPERPARAMETERS)


def test_what_belongs_to_other_tasks_is_no_part_of_a_classifier() -> None:
    assert not (SIMILARITY | MASKING) & set(made({"temperature": 0.1, "whole_words": True}))


def test_how_embeddings_are_made_is_searched_only_where_the_recipe_asks_for_it() -> None:
    def names(wishes: dict[str, Entry]) -> set[str]:
        return {each.name for each in space(SMALL, BERT, wishes, knobs=SIMILARITY)} & SIMILARITY

    assert names({}) == {"temperature"}
    assert names({"matryoshka": [0, 64], "score_loss": "cosine"}) == {
        "temperature", "matryoshka", "score_loss",
    }  # fmt: skip


def test_a_task_may_bear_less_than_the_familys_learning_rate() -> None:
    bears = prior("bert", 22_000_000, 10_000, 5e-5)
    assert (SMALL.learning_rate, bears.learning_rate) == (3e-4, 5e-5)
    assert bears.source != SMALL.source
    assert prior("bert", 100_000_000, 10_000, 5e-5) == prior("bert", 100_000_000, 10_000)


def test_everything_but_the_method_is_searched_under_full_training_alone() -> None:
    conditions = {name: dict(each.when) for name, each in made({}, smaller=True).items()}
    assert conditions.pop("method") == {}
    assert set(map(str, conditions.values())) == {str({"method": ("full",)})}


def test_layers_are_left_away_only_where_speed_or_size_is_asked_for() -> None:
    assert "keep_layers" not in made({})
    kept = made({}, smaller=True)["keep_layers"]
    assert (kept.default, kept.choices) == (6, (6, 4, 3))
    assert made({"keep_layers": [3, 6]})["keep_layers"].choices == (3, 6)


def test_a_wish_for_more_layers_than_there_are_means_all_of_them() -> None:
    assert made({"keep_layers": [12, 4]})["keep_layers"].choices == (4,)
    assert made({"keep_layers": 12})["keep_layers"].choices == (6,)
    ranged = made({"keep_layers": Range(low=2, high=12)})["keep_layers"]
    assert (ranged.kind, ranged.low, ranged.high, ranged.default) == ("int", 2, 6, 6)
    assert made({"keep_layers": Range(low=8, high=12)})["keep_layers"].choices == (6,)


def test_encoders_pool_the_mean_unless_told_otherwise() -> None:
    pooling = made({})["pooling"]
    assert (pooling.default, pooling.choices) == ("mean", ("mean", "stock"))
    assert made({"pooling": "stock"})["pooling"].choices == ("stock",)


def test_a_decoder_has_no_pooling_to_choose() -> None:
    assert "pooling" not in made({"pooling": ["mean", "stock"]}, LLAMA)
    assert "layer_decay" in made({}, LLAMA)


def test_a_family_whose_layers_cannot_be_told_has_neither_decay_nor_fewer() -> None:
    found = made({"layer_decay": 0.9, "keep_layers": 2}, STRANGER, smaller=True)
    assert not {"layer_decay", "keep_layers", "pooling"} & set(found)


def test_true_and_false_stay_what_they_are() -> None:
    assert made({})["freeze_embeddings"].choices == (False, True)
    frozen = made({"freeze_embeddings": True})["freeze_embeddings"]
    assert (frozen.choices, frozen.default) == ((True,), True)


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
    "float": st.floats(0.1, 0.4),
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
@given(st.sampled_from(PRIORS), wishes(), st.booleans())
def test_the_default_lies_inside_every_space(
    row: Any, wished: dict[str, Any], smaller: bool
) -> None:
    assert not [fault for name in wished for fault in faults(HYPERPARAMETERS[name], wished[name])]
    for parameter in space(row, BERT, wished, smaller=smaller):
        assert holds(parameter, parameter.default), parameter
        wish = wished.get(parameter.name)
        if parameter.name == "keep_layers":
            assert (parameter.high or max(map(int, parameter.choices))) <= 6
        elif isinstance(wish, Range):
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
        ("method", ["full", "lora"], (1,), "full or probe"),
        ("pooling", "max", (), "one of mean, stock"),
        ("freeze_embeddings", "yes", (), "true or false"),
        ("freeze_embeddings", 1, (), "true or false"),
        ("layer_decay", 1.5, (), "from 0.1 to 1"),
        ("keep_layers", 2.5, (), "whole number"),
        ("head_init", Range(low=0, high=1), (), "list some of random, probe"),
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


def test_three_batch_sizes_tell_of_the_others() -> None:
    assert batch_sizes(space(SMALL, BERT, {})) == (32, (8, 32, 64))
    assert batch_sizes(space(SMALL, BERT, {"batch_size": 16})) == (16, (16,))
    wished = space(SMALL, BERT, {"batch_size": Range(low=4, high=50)})
    assert batch_sizes(wished) == (32, (4, 32, 50))
