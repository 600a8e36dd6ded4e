from __future__ import annotations

import pytest

from automl.compiler.limits import parse


@pytest.mark.parametrize(
    ("text", "quantity", "threshold"),
    [
        ("parameters <= 100M", "parameters", 100e6),
        ("parameters < 1.5B", "parameters", 1.5e9),
        ("parameters <= 500k", "parameters", 500e3),
        ("parameters <= 250000", "parameters", 250000),
        ("disk <= 500MB", "disk", 500e6),
        ("disk <= 2 GB", "disk", 2e9),
        ("disk<=1024B", "disk", 1024),
    ],
)
def test_limits_are_parsed_with_their_units(text: str, quantity: str, threshold: float) -> None:
    limit = parse(text)
    assert (limit.quantity, limit.threshold) == (quantity, threshold)


def test_a_limit_holds_up_to_its_threshold() -> None:
    limit = parse("parameters <= 10M")
    assert limit.holds(10_000_000)
    assert not limit.holds(10_000_001)


@pytest.mark.parametrize("text", ["parameters", "parameters <= many", "parameters << 3", ""])
def test_what_is_no_limit_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="write it as parameters <= 100M"):
        parse(text)


@pytest.mark.parametrize("text", ["parameters <= 5MB", "disk <= 5M"])
def test_a_unit_of_something_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no unit of"):
        parse(text)


def test_an_unknown_quantity_is_told_apart() -> None:
    with pytest.raises(KeyError, match="latency"):
        parse("latency <= 5")
