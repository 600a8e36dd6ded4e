from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.compiler.hyperparameters import HYPERPARAMETERS
from automl.compiler.portfolio import portfolio
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
from automl.tasks import CLASSIFIER, PREFERENCE, SIMILARITY, WEIGHTED
from automl.tasks._seq2seq import KNOBS

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


TARGETS = ("all-linear", "attention")
ADAPTERS = {name for name in HYPERPARAMETERS if name.startswith("lora_")}


def adapted(wishes: dict[str, Entry], **more: Any) -> tuple[Parameter, ...]:
    return space(SMALL, BERT, wishes, targets=more.pop("targets", TARGETS), **more)


def test_the_space_names_every_hyperparameter() -> None:
    asked = {name: (HYPERPARAMETERS[name].choices or (0,))[0] for name in ON_REQUEST}
    wishes: dict[str, Entry] = {"method": ["full", "lora"], **asked}
    rows = [
        (replace(SMALL, freeze_norms=(True, False)), BERT),
        (SMALL, {**BERT, "model_type": "wav2vec2", "conv_stride": [2, 2], "conv_kernel": [2, 2]}),
    ]
    every = {
        each.name
        for row, config in rows
        for each in space(row, config, wishes, smaller=True, knobs=OPTIONAL, targets=TARGETS)
    }
    assert [name for name in HYPERPARAMETERS if name not in every] == []


def test_a_classifiers_space_names_nothing_of_other_tasks_nor_of_other_methods() -> None:
    theirs = (OPTIONAL - CLASSIFIER - WEIGHTED) | ADAPTERS
    whole = made({"class_weights": "sqrt", "temperature": 0.1, "whole_words": True}, smaller=True)
    assert list(whole) == [name for name in HYPERPARAMETERS if name not in theirs]
    assert "class_weights" not in made({}, smaller=True)


def test_each_method_has_a_learning_rate_of_its_own() -> None:
    full, beside = (p for p in adapted({"method": ["full", "qlora"]}) if p.name == "learning_rate")
    assert (dict(full.when), dict(beside.when)) == ({"method": ("full",)}, {"method": ("qlora",)})
    assert (full.prior, beside.prior) == (3e-4, 9e-4)
    assert (full.low, full.high) == (full.default / 10, full.default * 10)
    assert (beside.low, beside.high) == (beside.default / 10, beside.default * 10)
    assert beside.source != full.source


def test_adapters_of_larger_models_learn_ten_times_as_fast() -> None:
    base = prior("bert", 110_000_000, 10_000)
    rates = [p.default for p in space(base, BERT, {"method": ["full", "lora"]}, targets=TARGETS)
             if p.name == "learning_rate"]  # fmt: skip
    assert rates == [2e-5, 2e-4]


def test_a_wish_for_the_learning_rate_holds_for_every_method() -> None:
    wish = Range(low=1e-4, high=1e-3, log=True)
    rates = [p for p in adapted({"method": ["full", "lora"], "learning_rate": wish})
             if p.name == "learning_rate"]  # fmt: skip
    assert [(p.low, p.high) for p in rates] == [(1e-4, 1e-3)] * 2
    assert [p.default for p in rates] == [3e-4, 9e-4]


def test_every_hyperparameter_is_searched_under_the_methods_that_have_it() -> None:
    conditions = {
        p.name: p.when["method"] for p in adapted({"method": ["full", "lora", "probe"]})
        if p.name not in ("method", "learning_rate")
    }  # fmt: skip
    assert {name for name, of in conditions.items() if of == ("lora",)} == ADAPTERS
    only_full = {name for name, of in conditions.items() if of == ("full",)}
    assert only_full == {"freeze_embeddings", "layer_decay"}
    assert conditions["epochs"] == conditions["pooling"] == ("full", "lora")


def test_where_only_adapters_are_trained_nothing_of_full_training_is_searched() -> None:
    found = {each.name: each for each in adapted({"method": "lora"})}
    assert not {"freeze_embeddings", "layer_decay"} & set(found)
    assert found["learning_rate"].default == 9e-4
    assert all(dict(p.when) == {"method": ("lora",)} for n, p in found.items() if n != "method")


def test_adapters_are_for_large_models_unless_the_recipe_asks() -> None:
    methods = {
        size: prior("llama", size * 1_000_000, 10_000).methods for size in (100, 300, 600, 8000)
    }
    assert methods == {
        100: ("full", "probe"),
        300: ("full", "probe"),
        600: ("full", "lora", "probe"),
        8000: ("lora", "probe"),
    }
    assert "lora" in {p.name: p for p in adapted({"method": ["lora"]})}["method"].choices


def test_a_model_without_room_takes_no_adapters() -> None:
    large = prior("llama", 8_000_000_000, 10_000)
    found = {each.name: each for each in space(large, LLAMA, {}, targets=())}
    assert found["method"].choices == ("full", "probe")
    assert not ADAPTERS & set(found)
    only_linear = {p.name: p for p in adapted({"method": "lora"}, targets=("all-linear",))}
    assert only_linear["lora_targets"].choices == ("all-linear",)


def test_a_task_that_cannot_be_probed_can_still_train_adapters() -> None:
    found = {p.name: p for p in adapted({"method": ["full", "lora", "probe"]}, knobs=frozenset())}
    assert found["method"].choices == ("full", "lora")


def test_how_embeddings_are_made_is_searched_only_where_the_recipe_asks_for_it() -> None:
    def names(wishes: dict[str, Entry]) -> set[str]:
        return {each.name for each in space(SMALL, BERT, wishes, knobs=SIMILARITY)} & SIMILARITY

    assert names({}) == {"temperature"}
    assert names({"matryoshka": [0, 64], "score_loss": "cosine"}) == {
        "temperature", "matryoshka", "score_loss",
    }  # fmt: skip


def test_a_task_may_bear_less_than_the_familys_learning_rate() -> None:
    bears = prior("bert", 22_000_000, 10_000, most_rate=5e-5)
    assert (SMALL.learning_rate, bears.learning_rate) == (3e-4, 5e-5)
    assert bears.source != SMALL.source
    assert prior("bert", 100_000_000, 10_000, most_rate=5e-5) == prior("bert", 100_000_000, 10_000)


def test_everything_but_the_method_is_searched_under_full_training_alone() -> None:
    conditions = {name: dict(each.when) for name, each in made({}, smaller=True).items()}
    assert conditions.pop("method") == {}
    assert set(map(str, conditions.values())) == {str({"method": ("full",)})}


def test_classes_are_weighted_only_where_the_recipe_asks_for_it() -> None:
    assert "class_weights" not in made({})
    wished = made({"class_weights": ["none", "balanced", "sqrt"]})["class_weights"]
    assert (wished.default, wished.choices) == ("none", ("none", "balanced", "sqrt"))
    assert made({"class_weights": "balanced"})["class_weights"].default == "balanced"


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
        if known.kind == "int":
            values = st.integers(max(1, int(known.low)), int(min(known.high, 500)))
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
@given(st.sampled_from(PRIORS), wishes(), st.booleans(), st.sampled_from([(), TARGETS]))
def test_the_default_lies_inside_every_space(
    row: Any, wished: dict[str, Any], smaller: bool, targets: tuple[str, ...]
) -> None:
    assert not [fault for name in wished for fault in faults(HYPERPARAMETERS[name], wished[name])]
    for parameter in space(row, BERT, wished, smaller=smaller, targets=targets):
        assert holds(parameter, parameter.default), parameter
        wish = wished.get(parameter.name)
        if parameter.name == "keep_layers":
            assert (parameter.high or max(map(int, parameter.choices))) <= 6
        elif isinstance(wish, Range):
            assert (parameter.low, parameter.high) == (wish.low, wish.high)
        elif wish is not None:
            values = wish if isinstance(wish, list) else [wish]
            possible = [each for each in values if targets or each not in ("lora", "qlora")]
            assert list(parameter.choices) == (possible or ["full"])


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
        ("method", ["full", "dora"], (1,), "one of full, lora, qlora, probe"),
        ("lora_rank", [8, 0], (1,), "from 1 to 1024"),
        ("lora_targets", "mlp", (), "one of all-linear, attention"),
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


T5: dict[str, object] = {"model_type": "t5", "dropout_rate": 0.1}
BART: dict[str, object] = {"model_type": "bart", "classifier_dropout": 0.0}


@pytest.mark.parametrize("config", [T5, BART])
def test_a_task_that_writes_has_no_head_nor_layers_to_choose(config: dict[str, object]) -> None:
    row = prior(str(config["model_type"]), 60_000_000, 10_000)
    found = {each.name: each for each in space(row, config, {}, knobs=KNOBS)}
    assert found["method"].choices == ("full",)
    assert {"label_smoothing", "dropout"} <= set(found)
    assert not {"pooling", "head_init", "freeze_embeddings", "layer_decay"} & set(found)
    assert found["dropout"].default == 0.1


def test_preference_knobs_depend_on_the_loss_they_belong_to() -> None:
    knobs = PREFERENCE
    found = {each.name: each for each in space(SMALL, LLAMA, {"beta": 0.3}, knobs=knobs)}
    assert found["beta"].choices == (0.3,)
    assert found["beta"].when == {"method": ("full",), "preference_loss": ("dpo",)}
    assert found["odds_weight"].when == {"method": ("full",), "preference_loss": ("orpo",)}
    assert not {"pooling", "freeze_embeddings", "layer_decay", "label_smoothing"} & set(found)
    starts = portfolio(tuple(found.values()), 10_000)
    losses = [start["preference_loss"] for start in starts]
    assert losses[0] == "dpo"
    assert "orpo" in losses
    for start in starts:
        assert ("beta" in start) == (start["preference_loss"] == "dpo")
        assert ("odds_weight" in start) == (start["preference_loss"] == "orpo")


def test_a_tasks_rate_moves_the_priors_learning_rate() -> None:
    usual, gentle = (prior("llama", 1_000_000_000, 10_000, rate) for rate in (1.0, 0.05))
    assert usual.learning_rate == 2e-5
    assert gentle.learning_rate == pytest.approx(1e-6)
    assert replace(gentle, learning_rate=2e-5) == usual
