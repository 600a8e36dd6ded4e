"""Checks at their places: what data, files of words and earlier bundles say of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pytest

from automl import tasks
from automl.bundle import INFO
from automl.compiler import asked
from automl.compiler.verify import verify
from automl.plan import Earlier
from automl.recipe.load import load
from tests.tasks import bundles

TASK = tasks.get("text-classification")
LABELS = ("billing", "a=b")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that knows ``LABELS``."""
    folder = tmp_path_factory.mktemp("bundles") / "v1"
    columns = {"text": "body", "label": "queue"}
    return bundles.write("text-classification", folder, LABELS, columns)


def problems(loaded, slices: pa.Table | None = None) -> list[tuple[str, str | None]]:
    return [(p.message, p.hint) for p in asked.data_problems(loaded, TASK, LABELS, slices)]


def test_a_slice_must_have_test_rows_and_a_metric_of_its_own(recipe) -> None:
    loaded = recipe(
        'checks: ["accuracy[lang=de] > 0", "accuracy[lang=dd] > 0", "recall[lang=de] > 0", '
        '"recall[a=b] > 0", "accuracy[log=x] > 0"]'
    )
    assert asked.slice_columns(loaded) == ("lang", "a", "log")
    found = problems(loaded, pa.table({"lang": ["de", "en", None]}))
    assert [message for message, _ in found] == [
        "no test row has 'dd' in column 'lang'",
        "'recall' is measured per class, not per slice",
        "the test rows have no column 'log'",
    ]
    assert found[0][1] == "did you mean 'de'?"


def test_words_are_read_from_beside_the_recipe_that_names_them(recipe, folder) -> None:
    (folder / "words.txt").write_text("film, movie\n\n  big,large , huge\n")
    loaded = recipe('checks: ["invariance[synonyms=words.txt] > 0"]')
    assert verify(loaded) == ()
    assert asked.words(loaded) == {"words.txt": (("film", "movie"), ("big", "large", "huge"))}
    below = folder / "below"
    below.mkdir()
    (below / "child.yaml").write_text("extends: ../recipe.yaml\nrecipe: 1\nname: child\n")
    child = load(below / "child.yaml")
    assert list(asked.words(child)) == ["../words.txt"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("film\n", "words.txt:1: 'film' stands alone"), ("\n", "words.txt is empty")],
)
def test_words_that_are_no_groups_are_refused_with_the_line(
    recipe, folder, text: str, said: str
) -> None:
    (folder / "words.txt").write_text(text)
    (problem,) = verify(recipe('checks: ["invariance[synonyms=words.txt] > 0"]'))
    assert said in problem.message


def test_an_earlier_bundle_is_pinned_by_what_it_says_of_itself(recipe, folder, old) -> None:
    (folder / "v1").symlink_to(old)
    loaded = recipe("checks: [accuracy > 0, {not_worse_than: v1, by: 0.02}]")
    assert verify(loaded) == ()
    assert asked.texts(loaded) == ("accuracy > 0", "not_worse_than v1 by 0.02")
    digest = hashlib.sha256((old / INFO).read_bytes()).hexdigest()
    assert asked.earlier(loaded) == (Earlier("not_worse_than v1 by 0.02", "a-bundle", digest),)
    assert list(asked.bundles(loaded)) == ["not_worse_than v1 by 0.02"]


def test_a_bundle_for_something_else_is_refused(recipe, folder, old) -> None:
    (folder / "v1").symlink_to(old)
    (problem,) = verify(recipe("task: text-regression", "checks: [{not_worse_than: v1}]"))
    assert problem.message == "v1 is a bundle for text-classification"
    loaded = recipe("checks: [{not_worse_than: v1}]")
    (problem,) = asked.data_problems(loaded, TASK, ("billing", "new"), None)
    assert "v1 knows other classes than the data: a=b, new" in problem.message


def test_answers_whose_change_cannot_be_seen_are_not_asked_to_stay(recipe) -> None:
    (problem,) = verify(recipe("task: text-regression", 'checks: ["invariance[case] > 0"]'))
    assert problem.message == "text-regression gives texts no class whose change could be seen"
