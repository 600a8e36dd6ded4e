"""The doctor names what spoils training data, with rows, and is silent about healthy data."""

from __future__ import annotations

import pyarrow as pa

from automl.data.doctor import findings
from automl.tasks import Role

ROLES = (Role("text", "text", True, ()), Role("label", "class", True, ()))
Rows = list[tuple[str, str]]


def _found(**splits: Rows) -> tuple[str, ...]:
    tables = {
        split: pa.table(
            {
                "text": [text for text, _ in rows],
                "label": [label for _, label in rows],
                "__source__": [f"{split}.csv:{line}" for line in range(2, len(rows) + 2)],
            }
        )
        for split, rows in splits.items()
    }
    return findings(tables, ROLES)


def test_healthy_data_gives_no_finding() -> None:
    assert _found(train=[("x", "a"), ("y", "b")], test=[("z", "a")]) == ()


def test_one_text_in_several_classes_is_named_with_rows() -> None:
    found = _found(train=[("Refund me", "a"), ("z", "a")], test=[("refund  me", "b")])
    assert found[0] == (
        "1 texts have different classes in different rows: train.csv:2 'a', test.csv:2 'b'"
    )


def test_texts_on_two_sides_are_counted_with_rows() -> None:
    found = _found(train=[("x", "a"), ("y", "b")], test=[("X", "a"), ("x ", "a"), ("q", "b")])
    assert found == ("2 of 3 test rows have a text that train has too: test.csv:2 = train.csv:2",)


def test_repeated_and_nearly_repeated_texts_are_told_apart() -> None:
    found = _found(train=[("x", "a"), ("x", "a"), ("y", "b"), ("Y ", "b")])
    assert found == (
        "1 texts are in train more than once: train.csv:2 = train.csv:3",
        "1 texts are in train again with other case or spacing: train.csv:4 = train.csv:5",
    )


def test_imbalance_is_said_with_counts() -> None:
    found = _found(train=[(f"t{n}", "many") for n in range(40)] + [("x", "few"), ("y", "few")])
    assert len(found) == 1
    assert "40 rows of 'many', 2 of 'few'" in found[0]


def test_very_long_texts_are_named() -> None:
    found = _found(train=[("x" * 6000, "a"), ("y", "b")])
    assert "1 texts are longer than 5000 characters (up to 6000)" in found[0]
    assert "train.csv:2" in found[0]
