"""``${env:NAME}`` in values."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.errors import RecipeError
from automl.recipe import environment
from automl.recipe.load import load
from automl.recipe.syntax import parse, plain
from automl.recipe.text import decode
from tests.recipe.conftest import Write

RECIPE = """\
    recipe: 1
    name: {name}
    task: text-classification
    data: {{train: tickets.csv}}
    models: [acme/encoder]
    budget: {{trials: "{trials}", time: 1h}}
"""


def filled(value: str, environ: dict[str, str]) -> object:
    tree, problems = environment.substitute(
        parse(decode(f"key: {value}\n".encode(), "recipe.yaml")), environ
    )
    assert not problems
    return plain(tree)["key"]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${env:A}", "a"),
        ("x-${env:A}-${env:B}", "x-a-7"),
        ("${env:B}", 7),
        ('"${env:B}"', 7),
        ("${env:B} ", 7),
        ("v${env:B}", "v7"),
        ("${env:C}", True),
        ("${env:RATE}", 1e-5),
        ("${env:NO}", "no"),
        ("${env:NONE:-fallback}", "fallback"),
        ("${env:NONE:-3}", 3),
        ("${env:NONE:-}", None),
        ("${env:EMPTY:-3}", 3),
        ("${env:EMPTY}", None),
        ("${env:NONE:-a:-b}", "a:-b"),
        ("$${env:A}", "${env:A}"),
        ("$$${env:A}", "$${env:A}"),
        ("cost $5 {x} $", "cost $5 {x} $"),
        ("[${env:A}]".replace("[", '["').replace("]", '"]'), ["a"]),
        ("|\n  ${env:A}\n  b", "a\nb\n"),
    ],
)
def test_a_reference_stands_for_its_value(written: str, value: object):
    environ = {"A": "a", "B": "7", "C": "true", "RATE": "1e-5", "NO": "no", "EMPTY": ""}
    assert filled(written, environ) == value


def test_what_a_variable_holds_is_not_looked_at_again():
    assert filled("x${env:A}", {"A": "${env:B}"}) == "x${env:B}"


def test_keys_are_left_alone():
    tree, problems = environment.substitute(
        parse(decode(b'key: {"${env:A}": 1}\n', "recipe.yaml")), {}
    )
    assert plain(tree) == {"key": {"${env:A}": 1}}
    assert not problems


@settings(deadline=None)
@given(st.text("${}env:A-x ", max_size=20))
def test_any_text_is_filled_in_or_refused(text: str):
    quoted = "'" + text + "'"
    tree, problems = environment.substitute(
        parse(decode(f"key: {quoted}\n".encode(), "recipe.yaml")), {"A": "a"}
    )
    value = plain(tree)["key"]
    assert problems or "${env:A}" not in str(value) or "$${" in text


def test_a_number_from_the_environment_is_text_where_text_is_wanted(write: Write):
    path = write(RECIPE.format(name="${env:BUILD}", trials="${env:TRIALS}"))
    recipe = load(path, {"BUILD": "0042", "TRIALS": "5"}).recipe
    assert recipe.name == "0042"
    assert recipe.budget.trials == 5


def test_where_a_value_came_from_is_remembered(write: Write):
    path = write(RECIPE.format(name="run-${env:BUILD}-${env:USER_NAME}", trials="3"))
    text = path.read_text().replace('"3"', "3")
    path.write_text(text)
    loaded = load(path, {"BUILD": "42", "USER_NAME": "ada"})
    assert loaded.variables == {("name",): ("BUILD", "USER_NAME")}


def test_an_unset_variable_does_not_hide_the_other_problems(write: Write):
    with pytest.raises(RecipeError) as caught:
        load(write(RECIPE.format(name="${env:BUILD}", trials="0")), {})
    messages = [problem.message for problem in caught.value.problems]
    assert messages == [
        "the environment variable BUILD is not set",
        "expected a whole number, found '0' (text)",
    ]


def test_a_variable_that_is_not_utf_8_is_refused(write: Write):
    with pytest.raises(RecipeError, match="BUILD is not valid UTF-8"):
        load(write(RECIPE.format(name="${env:BUILD}", trials="1")), {"BUILD": "\udcff"})
