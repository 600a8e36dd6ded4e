"""YAML text to a tree with places."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from automl.errors import Problem, RecipeError
from automl.recipe.syntax import Items, Leaf, Node, Table, parse, plain
from automl.recipe.text import Text, decode


def tree_of(text: str) -> Table:
    return parse(decode(text.encode(), "recipe.yaml"))


def leaves(node: Node) -> list[Leaf]:
    if isinstance(node, Leaf):
        return [node]
    inside = node.nodes if isinstance(node, Items) else [e.node for e in node.entries.values()]
    return [leaf for one in inside for leaf in leaves(one)]


def test_numbers_text_and_dates_follow_yaml_1_2():
    text = "a: 1e-5\nb: no\nc: 2024-05-01\nd: on\ne: '1'\nf: null\n"
    found = plain(tree_of(text))
    assert found == {"a": 1e-5, "b": "no", "c": "2024-05-01", "d": "on", "e": "1", "f": None}


def test_halves_of_a_surrogate_pair_as_json_writes_them_are_joined():
    assert plain(tree_of('{"a": "\\ud83d\\ude00"}')) == {"a": "😀"}


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter():
    tree = parse(decode(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "recipe.yaml"))
    assert plain(tree) == {"a": 1, "b": 2}
    assert tree.entries["b"].key.place.line == 2


def test_places_count_lines_and_columns_from_one_and_hold_the_line():
    tree = tree_of("a: 1\nb:\n  - x\n  - {c: y}\n")
    node = tree.entries["b"].node
    assert isinstance(node, Items)
    place = node.nodes[1].place
    assert (place.file, place.line, place.column, place.text) == ("recipe.yaml", 4, 5, "  - {c: y}")


def test_a_section_and_an_empty_value_stand_where_their_key_stands():
    tree = tree_of("a:\n\n  b: 1\nc:\nd: 1\n")
    assert [entry.node.place.line for entry in tree.entries.values()] == [1, 4, 5]


def test_tabs_in_an_error_line_keep_the_caret_in_place():
    place = Text.of("recipe.yaml", "a:\t1\n").place(3)
    assert (place.column, place.text) == (4, "a: 1")


def problems_of(data: bytes) -> tuple[Problem, ...]:
    try:
        tree = parse(decode(data, "recipe.yaml"))
    except RecipeError as error:
        return error.problems
    shown = (
        data.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    )
    assert all(leaf.place.text == shown[leaf.place.line - 1].replace("\t", " ")
               for leaf in leaves(tree))  # fmt: skip
    return ()


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_parsed_or_refused_with_a_place(text: str):
    assert all(problem.place for problem in problems_of(text.encode()))


@settings(deadline=None)
@given(st.text("ab1:-#\n\r \t[]{},\"'|>&*!?%~.$", max_size=60))
def test_text_made_of_yaml_signs_is_parsed_or_refused_with_a_place(text: str):
    assert all(problem.place for problem in problems_of(text.encode()))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused_with_a_place(data: bytes):
    assert all(problem.place for problem in problems_of(data))
