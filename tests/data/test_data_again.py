"""Rows that a finished model is tried on, read as its training rows were."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl import tasks
from automl.data import again
from automl.errors import DataError

TASK = tasks.get("text-classification")
TRAINED = {"text": "body", "label": "queue"}


def read(folder: Path, **more):
    return again.read("new.csv", folder, TASK, TRAINED, ("a", "b"), **more)


def test_rows_have_the_columns_of_training_and_slices_beside_them(tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("body,queue,lang\none,a,de\n,a,de\ntwo,B,\nthree,x,en\n")
    found = read(tmp_path, names={"B": "b", "x": None}, slices=("lang",))
    assert found.table.select(["text", "label"]).to_pydict() == {
        "text": ["one", "two"],
        "label": ["a", "b"],
    }
    assert found.slices is not None
    assert found.slices.to_pydict() == {"lang": ["de", ""]}
    assert found.notes == ("2 rows without text, or without a class, were left out",)


def test_columns_may_be_called_by_their_roles(tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("text,label\none,a\n")
    assert read(tmp_path).table["text"].to_pylist() == ["one"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("body,queue\none,c\n", "the model does not know 1 of the classes: c"),
        ("body,kind\none,a\n", "new.csv has no column 'label'"),
        ("body,queue\n,a\n", "new.csv has no row with text"),
    ],
)
def test_rows_the_model_cannot_be_tried_on_are_refused(
    tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "new.csv").write_text(content)
    with pytest.raises(DataError, match=said):
        read(tmp_path)
