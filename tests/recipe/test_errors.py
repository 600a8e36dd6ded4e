"""What a refused recipe is told: errors/*.yaml beside the text each must give."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from automl.errors import RecipeError, render
from automl.recipe.load import load

ERRORS = Path(__file__).parent / "errors"
ENVIRONMENT = {"TRIALS": "12", "WORD": "many"}
RENEW = "UPDATE_GOLDENS=1 pytest tests/recipe/test_errors.py"


def refusal(path: Path) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        load(path, ENVIRONMENT)
    return caught.value


@pytest.mark.parametrize("name", sorted(path.stem for path in ERRORS.glob("*.yaml")))
def test_a_refused_recipe_gets_the_recorded_text(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ERRORS)
    golden = Path(f"{name}.txt")
    text = f"{refusal(Path(f'{name}.yaml'))}\n"
    if os.environ.get("UPDATE_GOLDENS"):
        golden.write_text(text, encoding="utf-8")
    expected = golden.read_text(encoding="utf-8") if golden.exists() else None
    assert text == expected, f"errors/{golden} differs; if the new text is right: {RENEW}"


def test_every_recorded_text_belongs_to_a_recipe():
    assert {path.stem for path in ERRORS.glob("*.txt")} == {
        path.stem for path in ERRORS.glob("*.yaml")
    }


def test_a_missing_recipe_is_named_with_the_one_most_like_it(tmp_path: Path):
    (tmp_path / "tickets.yaml").write_text("recipe: 1\n")
    error = refusal(tmp_path / "tikets.yaml")
    assert "tikets.yaml is not there" in str(error)
    assert error.problems[0].hint == f"did you mean '{tmp_path}/tickets.yaml'?"


def test_a_folder_is_not_a_recipe(tmp_path: Path):
    assert "is a folder, not a recipe" in str(refusal(tmp_path))


def test_a_file_of_more_than_a_megabyte_is_refused(tmp_path: Path):
    path = tmp_path / "large.yaml"
    path.write_text("recipe: 1\n" + "#" * 1_000_000)
    assert "1,000,010 bytes; a recipe may have 1,000,000" in str(refusal(path))


def test_a_line_too_long_to_read_is_not_repeated(tmp_path: Path):
    path = tmp_path / "wide.yaml"
    path.write_text("name: " + "x " * 5000 + "\n")
    place = refusal(path).problems[0].place
    assert place is not None
    assert (place.line, place.text) == (1, "")
    assert len(str(refusal(path))) < 1_000


def test_problems_come_in_the_order_of_the_file(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ERRORS)
    places = [problem.place for problem in refusal(Path("wrong_kinds.yaml")).problems]
    lines = [place.line for place in places if place]
    assert len(lines) == len(places)
    assert lines == sorted(lines)


def test_the_caret_stands_under_the_value():
    problem = refusal(ERRORS / "extends_invalid_parent.yaml").problems[0]
    _, line, caret = render(problem).splitlines()[:3]
    assert line[caret.index("^") :].startswith("trails")
