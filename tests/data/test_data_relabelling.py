"""Classes get the names that the recipe gives them, and keep their places."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from automl.data.relabelling import relabelled, written
from automl.errors import DataError
from automl.tasks import Role

TAGS = Role("tags", "classes", True, ("tags",))


def table(values):
    column = pa.array(values, type=pa.list_(pa.string()))
    return pa.table({"tags": column, "at": [f"f:{row}" for row in range(len(values))]})


def test_classes_beside_parts_of_a_row_keep_their_number_and_order():
    found = relabelled(
        table([["O", "B-x", "O"], ["o"]]), TAGS, {"o": "O", "B-x": "B-X"}, "at", aligned=True
    )
    assert found.table["tags"].to_pylist() == [["O", "B-X", "O"], ["O"]]
    assert found.renamed == {"o": 1, "B-x": 1}


def test_classes_beside_parts_of_a_row_cannot_be_left_out():
    with pytest.raises(DataError) as caught:
        relabelled(table([["O"]]), TAGS, {"O": None}, "at", aligned=True)
    assert "'O' cannot be left out" in caught.value.problems[0].message


def test_rows_without_classes_at_all_are_left_out_by_the_empty_name():
    found = relabelled(table([["a"], None, []]), TAGS, {"": None}, "at")
    assert found.table["tags"].to_pylist() == [["a"], []]
    assert found.dropped == ("f:1",)


@given(st.dictionaries(st.text(max_size=8), st.none() | st.text(min_size=1, max_size=8)))
def test_the_fix_that_is_shown_is_yaml_that_says_the_same(names):
    printable = {old: new for old, new in names.items() if f"{old}{new or ''}".isprintable()}
    assert YAML(typ="safe").load(f"{{{written(printable)}}}")["labels"] == printable
