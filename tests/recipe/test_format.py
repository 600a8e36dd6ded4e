"""``automl fmt``: order and indent become normal, comments and values stay."""

from __future__ import annotations

from collections import Counter
from random import Random
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.errors import RecipeError
from automl.recipe.comments import find
from automl.recipe.format import WIDTH, formatted
from automl.recipe.syntax import parse, plain
from automl.recipe.text import Text, decode


def fmt(text: str) -> str:
    return formatted(dedent(text).encode(), "recipe.yaml")


def test_keys_take_the_order_of_the_schema_and_unknown_ones_come_last():
    text = """\
        models: [{trust_remote_code: false, path: m}]
        later: 1
        budget: {time: 1h, trials: 3}
        task: t
        recipe: 1
    """
    assert fmt(text) == dedent("""\
        recipe: 1
        task: t
        models: [{path: m, trust_remote_code: false}]
        budget: {trials: 3, time: 1h}
        later: 1
    """)


def test_names_the_author_chose_keep_their_order():
    text = "data:\n  columns: {text: body, label: queue}\nsearch:\n  space:\n    b: 1\n    a: 2\n"
    assert fmt(text) == text


def test_comments_above_beside_and_below_move_with_what_they_are_about():
    text = """\
        # What is tried.
        budget:    # totals
            # wall clock
            time: 1h
            trials: 3   # configurations
            # below the budget

        # Which study this is.
        name: x
        # The end.
    """
    assert fmt(text) == dedent("""\
        # Which study this is.
        name: x
        # What is tried.
        budget:    # totals
          trials: 3     # configurations
          # wall clock
          time: 1h
          # below the budget
        # The end.
    """)


def test_the_editor_s_line_comes_first_and_the_file_s_title_stays_above_the_keys():
    text = """\
        # Tickets, as of May.

        # yaml-language-server: $schema=recipe-v1.json
        task: t
        recipe: 1
    """
    assert fmt(text) == dedent("""\
        # yaml-language-server: $schema=recipe-v1.json
        # Tickets, as of May.

        recipe: 1
        task: t
    """)


def test_comments_in_brackets_get_lines_of_their_own():
    text = """\
        checks: [
          accuracy >= 0.9,   # agreed in May
          # not yet:
          # macro_f1 >= 0.8
        ]  # on the test split
    """
    assert fmt(text) == dedent("""\
        checks:  # on the test split
          - accuracy >= 0.9  # agreed in May
          # not yet:
          # macro_f1 >= 0.8
    """)


def test_comments_of_a_list_s_items_stay_with_them():
    text = """\
        models:
        # small
        - acme/small    # fast
        # large
        -   # in a folder
            # ours
            path: m
            # of the item
        # of the list, or of what follows
        budget: {trials: 3}
    """
    assert fmt(text) == dedent("""\
        models:
          # small
          - acme/small  # fast
          # large
          # in a folder
          # ours
          - path: m
            # of the item
        # of the list, or of what follows
        budget: {trials: 3}
    """)


def test_what_does_not_fit_a_line_is_written_on_several():
    names = [f"hyperparameter_{number}" for number in range(6)]
    text = f"search: {{space: {{{', '.join(f'{name}: [1, 2]' for name in names)}}}, seed: 1}}\n"
    lines = fmt(text).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[:3] == ["search:", "  space:", "    hyperparameter_0: [1, 2]"]


def test_quotes_and_number_formats_stay_and_null_and_booleans_get_one_spelling():
    text = """\
        name: 'x'
        task: "t"
        search: {space: {a: 1e-5, b: 0x10, c: 1.50, d: True, e: "no"}}
        budget: {trials: ~, time: }
    """
    assert fmt(text) == dedent("""\
        name: 'x'
        task: "t"
        search: {space: {a: 1e-5, b: 0x10, c: 1.50, d: true, e: "no"}}
        budget: {trials: null, time: null}
    """)


def test_blank_lines_stay_single_and_not_at_the_ends():
    assert fmt("\n\nname: x\n\n\n\ntask: t\n\n") == "name: x\n\ntask: t\n"


def test_text_over_several_lines_keeps_its_lines():
    text = """\
        task: |   # why
              one
                two

              # no comment

        name: >-
            folded
            text
    """
    assert fmt(text) == dedent("""\
        name: >-
          folded
          text
        task: |   # why
          one
            two

          # no comment
    """)


def test_json_becomes_a_recipe():
    assert fmt('{"task": "t", "recipe": 1}') == '"recipe": 1\n"task": "t"\n'


def test_references_to_the_environment_stay_as_written():
    text = 'name: ${env:NAME}\nbudget: {trials: "${env:TRIALS:-3}"}\n'
    assert fmt(text) == text


def test_what_is_no_recipe_yet_is_formatted_all_the_same():
    assert fmt("trails:   3\n") == "trails: 3\n"


def test_what_cannot_be_parsed_is_refused():
    with pytest.raises(RecipeError, match=r"recipe\.yaml:1:4"):
        fmt("a: [1\n")


RARE = (
    "a: |+\n  x\n\nb: 1\n",
    "a: |2\n   x\n  y\n",
    "a: >\n\n  x\n   y\n  z\n",
    "a: 'x\n\n  y'\n",
    "? |\n  k\n: 1\n",
    "a: |\n  \n  x\n   \n",
    "a: |\n\n",
    "a:\n- - 1\n  - # c\n   - 2\n-\n",
    "{}\n",
    "# c\n{}\n# d\n",
    "{a: 1}  # c\n",
    "a: {}  # c\n",
    "a: [\n # c\n]\n",
    "--- # c\na: 1\n...\n# d\n",
    "a: 1\r\n# c\r\nb: 2",
)


@pytest.mark.parametrize("text", RARE)
def test_rare_forms_keep_their_values_and_comments(text: str):
    assert_formats(text)


def assert_formats(text: str) -> None:
    before = decode(text.encode(), "recipe.yaml")
    once = formatted(text.encode(), "recipe.yaml")
    assert plain(parse(Text.of("recipe.yaml", once))) == plain(parse(before))
    assert comments(once) == comments(text)
    assert formatted(once.encode(), "recipe.yaml") == once


def comments(text: str) -> Counter[str]:
    return Counter(comment.text for comment in find(decode(text.encode(), "recipe.yaml")))


KEYS = ("recipe", "name", "task", "data", "models", "search", "budget", "time", "trials", "path",
        "trust_remote_code", "space", "low", "high", '"quoted"', "other", "a b")  # fmt: skip
SCALARS = ("1", "1e-5", "~", "", "True", "no", "a#b", "plain text", "'it''s # not'", '"a: b"',
           "2024-05-01", "${env:A}", "x  y", "'two\n\n  lines'")  # fmt: skip
BLOCKS = ("|", "|-", ">", ">-", "|+", "|2")


class Author:
    """Writes random recipes the way people do: any indent, any style, comments anywhere."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.count = 0

    def maybe(self) -> bool:
        return self.chance.random() > 0.75

    def comment(self) -> str:
        self.count += 1
        kind = self.chance.choice(["# ", "#", "# yaml-language-server: ", "## x: y "])
        return f"{kind}{self.count}"

    def aside(self) -> str:
        if self.maybe():
            return " " * self.chance.randint(1, 9) + self.comment()
        return ""

    def above(self, deepest: int) -> list[str]:
        lines = []
        while self.maybe():
            blank = self.maybe()
            lines.append("" if blank else " " * self.chance.randint(0, deepest) + self.comment())
        return lines

    def keys(self) -> list[str]:
        return self.chance.sample(KEYS, self.chance.randint(1, 4))

    def scalar(self, indent: int) -> str:
        text = self.chance.choice(SCALARS)
        return text.replace("\n\n", "\n\n" + " " * (indent + 1))

    def flow(self, depth: int, indent: int) -> str:
        kind = self.chance.choice("sml" if depth else "s")
        if kind == "s":
            text = self.scalar(indent).strip() or "null"
            return f'"{text}"' if text.startswith("$") else text
        parts = [self.flow(depth - 1, indent) for _ in range(self.chance.randint(0, 3))]
        if kind == "m":
            parts = [f"{key}: {part}" for key, part in zip(self.keys(), parts, strict=False)]
        joints = [f",{self.aside()}\n{' ' * (indent + 1)}" if self.maybe() else ", " for _ in parts]
        inside = "".join(part + joint for part, joint in zip(parts, joints, strict=True))
        first, last = ("{", "}") if kind == "m" else ("[", "]")
        gap = f"{self.aside()}\n{' ' * (indent + 1)}" if self.maybe() else ""
        return f"{first}{gap}{inside}{last}"

    def block(self, indent: int) -> list[str]:
        inner = " " * (indent + 2)
        return [self.chance.choice(BLOCKS) + self.aside(), f"{inner}text # in it", "",
                f"{inner}  more"]  # fmt: skip

    def value(self, label: str, indent: int, depth: int) -> list[str]:
        kind = self.chance.choice("ssfbml" if depth else "ssfb")
        if kind == "s":
            return [f"{label} {self.scalar(indent)}{self.aside()}"]
        if kind == "f":
            return [f"{label} {self.flow(2, indent)}{self.aside()}"]
        if kind == "b":
            first, *rest = self.block(indent)
            return [f"{label} {first}", *rest]
        lines = [f"{label}{self.aside()}"]
        inner = indent + self.chance.randint(1, 4)
        return lines + (self.table if kind == "m" else self.items)(inner, depth - 1)

    def table(self, indent: int, depth: int) -> list[str]:
        lines = []
        for key in self.keys():
            lines += self.above(indent)
            lines += self.value(f"{' ' * indent}{key}:", indent, depth)
        return lines + self.above(indent)

    def items(self, indent: int, depth: int) -> list[str]:
        lines = []
        for _ in range(self.chance.randint(1, 3)):
            lines += self.above(indent)
            lines += self.value(f"{' ' * indent}-", indent, depth)
        return lines + self.above(indent)


def written(chance: Random) -> str:
    author = Author(chance)
    return "\n".join([*author.above(0), *author.table(0, 3)]) + "\n"


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=True))
def test_formatting_keeps_values_and_comments_and_is_done_after_once(chance: Random):
    assert_formats(written(chance))
