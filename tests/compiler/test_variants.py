from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from automl import catalog
from automl.catalog import ResolvedModel
from automl.compiler import limits
from automl.compiler.priors import prior
from automl.compiler.space import space
from automl.compiler.variants import Sizes, sizes, within
from automl.plan import Parameter
from tests.compiler.test_space import BERT

SMALL = prior("bert", 22_000_000, 10_000)
MILLIONS = Sizes(22_000_000, a_layer=2_000_000, layers=6, pooling_layers=1)


def narrowed(*texts: str, smaller: bool = True, found: Sizes = MILLIONS) -> dict[str, Parameter]:
    parsed = [limits.parse(text) for text in texts]
    left = within(space(SMALL, BERT, {}, smaller=smaller), found, parsed)
    assert not isinstance(left, limits.Limit)
    return {each.name: each for each in left}


def test_without_limits_every_variant_stays() -> None:
    found = narrowed()
    assert found["keep_layers"].choices == (6, 4, 3)
    assert found["pooling"].choices == ("mean", "stock")


def test_a_limit_between_variants_leaves_those_below_it() -> None:
    found = narrowed("parameters <= 21M")
    assert found["keep_layers"].choices == (4, 3)
    assert found["keep_layers"].default == 4
    assert found["pooling"].choices == ("mean", "stock")


def test_a_pooling_that_no_number_of_layers_can_bear_is_left_out() -> None:
    found = narrowed("parameters <= 17M")
    assert (found["keep_layers"].choices, found["pooling"].choices) == ((3,), ("stock",))


def test_a_limit_on_disk_counts_four_bytes_a_weight() -> None:
    assert narrowed("disk <= 84MB")["keep_layers"].choices == (4, 3)


def test_latency_is_left_to_be_measured() -> None:
    assert narrowed("latency_ms <= 0.001")["keep_layers"].choices == (6, 4, 3)


def test_where_not_even_the_smallest_variant_fits_the_limit_is_named() -> None:
    texts = ("latency_ms <= 1", "parameters <= 15M")
    found = within(
        space(SMALL, BERT, {}, smaller=True), MILLIONS, [limits.parse(text) for text in texts]
    )
    assert isinstance(found, limits.Limit)
    assert found.text == "parameters <= 15M"


def test_without_fewer_layers_in_the_space_the_whole_model_has_to_fit() -> None:
    with pytest.raises(AssertionError):
        narrowed("parameters <= 21M", smaller=False)
    assert narrowed("parameters <= 23M", smaller=False)["pooling"].choices == ("stock",)


def test_a_range_of_layers_is_cut_to_what_fits() -> None:
    wished = replace(space(SMALL, BERT, {}, smaller=True)[0], name="keep_layers", kind="int")
    wished = replace(wished, low=1, high=6, default=6, choices=())
    (found,) = within((wished,), MILLIONS, [limits.parse("parameters <= 18M")])  # type: ignore[misc]
    assert (found.low, found.high, found.default) == (1, 4, 4)


def test_sizes_come_from_the_files_of_the_model(recipe, folder: Path) -> None:
    loaded = recipe()
    model: ResolvedModel = catalog.fetch(loaded, 0, catalog.find(loaded, 0))
    found = sizes(model, 32_000)
    layers = model.config["num_hidden_layers"]
    width, inner = model.config["hidden_size"], model.config["intermediate_size"]
    norms, attention = 4 * width, 4 * (width + 1) * width
    assert found.layers == layers
    assert found.a_layer == attention + norms + (width + 1) * inner + (inner + 1) * width
    assert found.of(layers - 1, "stock") == 32_000 - found.a_layer
    assert found.of(layers, "mean") == 32_000 + found.a_layer
    assert sizes(replace(model, config={"model_type": "albert"}), 32_000).a_layer == 0
