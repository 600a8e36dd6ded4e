from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.compiler.portfolio import FEW_ROWS, MOST, STARTS, nearest, portfolio
from automl.compiler.priors import PRIORS, prior
from automl.compiler.space import space
from automl.plan import Parameter, Scalar
from automl.recipe.schema import Range
from tests.compiler.test_space import BERT, LLAMA, holds, wishes

SMALL = prior("bert", 22_000_000, 10_000)


def starts(wished: dict[str, Any], rows: int = 10_000, **more: Any) -> tuple[Any, ...]:
    return portfolio(space(SMALL, more.pop("config", BERT), wished, **more), rows)


def test_the_default_comes_first_and_everything_that_applies_is_said() -> None:
    parameters = space(SMALL, BERT, {})
    first, *others = portfolio(parameters, 10_000)
    assert first == {each.name: each.default for each in parameters}
    assert all(set(each) == set(first) for each in others if each["method"] == "full")


def test_starts_are_several_and_differ_from_each_other() -> None:
    found = starts({})
    assert len(found) == MOST
    assert all(a != b for index, a in enumerate(found) for b in found[:index])
    assert {each["pooling"] for each in found if "pooling" in each} == {"mean", "stock"}
    assert {each.get("freeze_embeddings") for each in found} >= {False, True}
    assert len({each.get("learning_rate") for each in found}) >= 3


def test_a_probe_holds_nothing_but_its_method_and_is_tried_last() -> None:
    assert starts({})[-1] == {"method": "probe"}
    assert {"method": "probe"} not in starts({"method": "full"})


def test_a_probe_is_tried_second_where_rows_are_few() -> None:
    assert starts({}, FEW_ROWS - 1)[1] == {"method": "probe"}


def test_a_candidate_that_may_only_be_probed_has_one_start() -> None:
    assert starts({"method": "probe"}) == ({"method": "probe"},)


def test_a_value_beyond_the_wish_is_moved_to_its_nearest() -> None:
    found = starts({"learning_rate": Range(low=1e-4, high=5e-4), "batch_size": [24, 48]})
    rates = {each["learning_rate"] for each in found if "learning_rate" in each}
    assert max(rates) == 5e-4
    assert {each["batch_size"] for each in found if "batch_size" in each} == {24}


def test_what_the_recipe_fixes_makes_no_start() -> None:
    names = ("learning_rate", "epochs", "batch_size", "head_init", "layer_decay")
    fixed: dict[str, Any] = dict(zip(names, (3e-4, 3, 32, "random", 0.9), strict=True))
    found = starts({**fixed, "pooling": "mean", "freeze_embeddings": False, "method": "full"})
    assert len(found) == 1


def test_a_start_whose_point_the_family_lacks_is_left_out() -> None:
    found = starts({}, config=LLAMA)
    assert not any("pooling" in each for each in found)
    assert len(found) == len({str(sorted(each.items())) for each in found})


def test_fewer_layers_are_tried_where_they_are_searched() -> None:
    kept = {each["keep_layers"] for each in starts({}, smaller=True) if "keep_layers" in each}
    assert kept == {6, 3}


def test_every_row_of_the_table_has_a_source_and_can_be_reached() -> None:
    assert all(each.source and (each.values or each.factors) for each in STARTS)
    adapters = [each for each in STARTS if "adapters" in each.name]
    whole = portfolio(space(SMALL, BERT, {}, smaller=True), 10_000, most=99)
    few = portfolio(space(prior("bert", 22_000_000, 100), BERT, {}, smaller=True), 100, most=99)
    elsewhere = 1  # one that only a task with preferences reaches
    alike = 1  # trained embeddings are the default of many rows, frozen ones of few
    for found in (whole, few):
        assert len(found) == 1 + len(STARTS) - len(adapters) - elsewhere - alike + 1
    assert (whole[0]["freeze_embeddings"], few[0]["freeze_embeddings"]) == (False, True)


def test_adapters_are_tried_second_at_their_own_rate_where_they_are_searched() -> None:
    found = starts({"method": ["full", "lora", "qlora", "probe"]}, targets=("all-linear",))
    assert [each["method"] for each in found[:3]] == ["full", "lora", "qlora"]
    assert [each["learning_rate"] for each in found[:3]] == [3e-4, 9e-4, 9e-4]
    assert not {"freeze_embeddings", "layer_decay"} & set(found[1])
    assert found[1]["lora_rank"] == 16
    assert not any(name.startswith("lora_") for name in found[0])


def test_where_adapters_are_the_default_starts_differ_in_what_adapters_have() -> None:
    found = starts({"method": "lora"}, targets=("all-linear", "attention"))
    assert {each["method"] for each in found} == {"lora"}
    assert {each["lora_rank"] for each in found} >= {16, 64}
    assert {each["lora_targets"] for each in found} == {"all-linear", "attention"}
    assert {each["learning_rate"] for each in found} >= {9e-4, 1.8e-3}
    assert not any("layer_decay" in each for each in found)


@settings(max_examples=60)
@given(
    st.sampled_from(PRIORS),
    wishes(),
    st.integers(10, 10**6),
    st.sampled_from([(), ("all-linear", "attention")]),
)
def test_every_start_is_a_point_of_the_space(
    row: Any, wished: Any, rows: int, targets: tuple[str, ...]
) -> None:
    parameters = space(row, BERT, wished, targets=targets)
    found = portfolio(parameters, rows)
    assert 1 <= len(found) <= MOST
    for start in found:
        names = {parameter.name for parameter in parameters if parameter.holds(start)}
        assert names == set(start)
        for parameter in parameters:
            applies = parameter.holds(start)
            assert not applies or holds(parameter, start[parameter.name]), parameter


@pytest.mark.parametrize(
    ("wanted", "choices", "found"),
    [
        (16, (8, 16, 32), 16),
        (20, (8, 16, 32), 16),
        (1e-4, (1e-6, 3e-5, 1e-3), 3e-5),
        (True, (False, True), True),
        (True, (1, 2), None),
        ("stock", ("mean",), None),
        (0, (6, 4, 3), 3),
    ],
)
def test_the_nearest_choice_is_of_the_same_kind(
    wanted: Scalar, choices: tuple[Scalar, ...], found: Scalar | None
) -> None:
    assert nearest(Parameter("p", "choice", choices[0], choices=choices), wanted) == found
