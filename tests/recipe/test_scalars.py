"""Scalars of YAML 1.2's core schema, there and back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from automl.recipe import scalars
from automl.recipe.syntax import Leaf, parse
from automl.recipe.text import decode

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text("-:#[]{}, 0123456789.eE+_~ntfy\"'*&!|>%@`?"),
)


def read_back(document: str) -> object:
    node = parse(decode(document.encode(), "test")).entries["key"].node
    inner = node.nodes[0] if not isinstance(node, Leaf) else node  # type: ignore[union-attr]
    assert isinstance(inner, Leaf)
    return inner.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("1.5E3", 1500.0),
        (".5", 0.5),
        ("+3", 3),
        ("007", 7),
        ("0x1F", 31),
        ("0o17", 15),
        ("-.inf", -math.inf),
        ("True", True),
        ("~", None),
        ("", None),
    ],
)
def test_numbers_booleans_and_null_are_read_as_such(text: str, value: object):
    assert scalars.read(text) == value
    assert type(scalars.read(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    ["no", "yes", "on", "off", "y", "2024-05-01", "12:30:45", "1_000", "0b1", "1.2.3", "e5", "٣"],
)
def test_what_only_yaml_1_1_converts_stays_text(text: str):
    assert scalars.read(text) == text


def test_nan_is_read_as_a_number():
    assert math.isnan(scalars.read(".nan"))  # type: ignore[arg-type]


def test_a_number_of_absurd_length_is_refused():
    with pytest.raises(ValueError, match="5000 characters"):
        scalars.read("9" * 5000)


@settings(deadline=None)
@given(VALUES)
def test_a_written_scalar_reads_back_in_block_and_flow_context(value: scalars.Scalar):
    written = scalars.write(value)
    assert "\n" not in written
    for document in (f"key: {written}\n", f"key: [{written}, x]\n", f"key:\n  - {written}  # c\n"):
        again = read_back(document)
        assert again == value
        assert type(again) is type(value)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_another_yaml_reader_reads_written_text_alike(text: str):
    loaded = YAML(typ="safe", pure=True).load(f"key: {scalars.write(text)}\n")["key"]
    assert loaded == text or not isinstance(loaded, str)  # it may take text for a date
