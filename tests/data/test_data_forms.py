"""Tasks whose rows come in several forms: which one the columns are read as."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from automl import tasks
from automl.data.load import load_data
from automl.errors import DataError
from tests.data.samples import recipe_in

TASK = tasks.get("text-generation")
TALK = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]


def _numbered(value: Any, number: int) -> Any:
    if isinstance(value, str):
        return f"{value} {number}"
    return [{**turn, "content": f"{turn['content']} {number}"} for turn in value]


def loaded(tmp_path: Path, *rows: dict[str, Any], columns: dict[str, str] | None = None) -> Any:
    """The rows, thirty times each with a number, as a run would find them."""
    lines = [
        json.dumps({name: _numbered(value, n) for name, value in row.items()})
        for n in range(30)
        for row in rows
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    recipe = recipe_in(tmp_path, train="rows.jsonl", validation=0.2, test=0.2,
                       columns=columns or {})  # fmt: skip
    return load_data(recipe, TASK)


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"messages": TALK, "prompt": "hi"}, {"messages": "messages"}),
        ({"conversations": TALK, "text": "hi"}, {"messages": "conversations"}),
        ({"question": "a", "answer": "b"}, {"prompt": "question", "completion": "answer"}),
        (
            {"instruction": "a", "input": "", "output": "b", "text": "a b"},
            {"prompt": "instruction", "input": "input", "completion": "output"},
        ),
        ({"text": "a", "id": "b"}, {"text": "text"}),
        ({"prompt": "a", "text": "a"}, {"text": "text"}),
    ],
)
def test_the_richest_form_that_is_there_is_read(tmp_path, row, columns):
    found = loaded(tmp_path, row)
    assert found.plan.columns == columns
    assert set(found.tables["train"].column_names) == {*columns, "__source__"}


def test_the_recipes_columns_choose_the_form(tmp_path):
    row = {"messages": TALK, "essay": "once upon a time"}
    assert loaded(tmp_path, row, columns={"text": "essay"}).plan.columns == {"text": "essay"}


def test_what_a_named_form_lacks_is_told(tmp_path):
    row = {"riddle": "what has many keys", "key": "a piano of course it is"}
    with pytest.raises(DataError, match="the completion"):
        loaded(tmp_path, row, {"riddle": "x"}, columns={"prompt": "riddle"})


def test_malformed_rows_are_named_with_their_place(tmp_path):
    with pytest.raises(DataError) as raised:
        loaded(tmp_path, {"messages": TALK}, {"messages": TALK[:1]})
    first = raised.value.problems[0]
    assert "rows.jsonl:2: messages ends with the user's turn" in first.message
    assert "remove" in str(first.hint)


def test_empty_lines_of_plain_text_are_left_out_and_said(tmp_path):
    rows = [json.dumps({"text": "" if n % 2 else f"line {n}"}) for n in range(60)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    found = load_data(recipe_in(tmp_path, train="rows.jsonl", validation=0.2, test=0.2), TASK)
    assert sum(table.num_rows for table in found.tables.values()) == 30
    assert any("30 rows without text were left out" in each for each in found.plan.warnings)
