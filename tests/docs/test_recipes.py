"""The recipes that come with the project are good examples, and the quickstart's data is honest."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from automl.compiler.verify import verify
from automl.errors import RecipeError
from automl.recipe.format import formatted
from automl.recipe.load import load
from automl.recipe.syntax import Items, Leaf, parse
from automl.recipe.text import decode
from tests.conftest import ROOT

FOLDER = ROOT / "recipes"
QUICKSTART = FOLDER / "quickstart"
FILES = sorted(path for path in FOLDER.rglob("*.yaml") if "runs" not in path.parts)
OWN = re.compile(r"from a folder of your own[^.]*\.\s+(?:#\s*)?(\w+)/ holds")
"""A folder that the reader is to bring."""
MADE = re.compile(r"^#.* -o recipes/(\S+)", re.M)
"""A model folder that a recipe's first lines say how to make."""
POINTER = re.compile(r"# yaml-language-server: \$schema=(\S+)")


def parents(path: Path) -> set[Path]:
    """The recipes that the one at ``path`` names in its ``extends``."""
    entry = parse(decode(path.read_bytes(), str(path))).entries.get("extends")
    if entry is None:
        return set()
    leaves = entry.node.nodes if isinstance(entry.node, Items) else (entry.node,)
    return {(path.parent / leaf.text).resolve() for leaf in leaves if isinstance(leaf, Leaf)}


BASES = set().union(*(parents(path) for path in FILES))


def rows() -> list[dict[str, str]]:
    with (QUICKSTART / "tickets.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_recipe_points_editors_to_the_schema(path):
    found = POINTER.fullmatch(path.read_text(encoding="utf-8").splitlines()[0])
    assert found is not None
    assert (path.parent / found[1]).resolve() == ROOT / "schemas" / "recipe-v1.json"


@pytest.mark.parametrize(
    "path", sorted(set(FILES) - BASES), ids=lambda path: str(path.relative_to(FOLDER))
)
def test_a_recipe_passes_check(path, request):
    if "AUTOML_SHARED" in path.read_text(encoding="utf-8"):
        request.getfixturevalue("shared")
    made = set(MADE.findall(path.read_text(encoding="utf-8")))
    missing = {f"the model folder {folder} does not exist" for folder in made}
    missing |= {f"{folder} does not exist" for folder in OWN.findall(path.read_text())}
    problems = [each.message for each in verify(load(path))]
    assert [message for message in problems if message not in missing] == []


@pytest.mark.parametrize("path", sorted(BASES), ids=lambda path: path.name)
def test_a_base_lacks_only_what_the_recipes_over_it_add(path):
    with pytest.raises(RecipeError) as raised:
        load(path)
    found = {problem.message for problem in raised.value.problems}
    assert found <= {f"{key!r} is missing from the recipe" for key in ("name", "data")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_recipe_is_in_its_normal_form(path):
    before = path.read_bytes()
    assert formatted(before, str(path)).encode() == before, f"renew it: automl fmt {path}"


def test_the_quickstart_has_no_ticket_twice():
    tickets = rows()
    assert len({row["id"] for row in tickets}) == len(tickets)
    assert len({" ".join(row["text"].lower().split()) for row in tickets}) == len(tickets)


def test_no_two_long_tickets_of_the_quickstart_share_most_of_their_words():
    bags = [words(row["text"]) for row in rows()]
    long = [bag for bag in bags if len(bag) >= 8]
    pairs = ((a, b) for i, a in enumerate(long) for b in long[:i])
    alike = ((a, b) for a, b in pairs if 0.6 * len(a) < len(b) < len(a) / 0.6)
    assert not [(a, b) for a, b in alike if len(a & b) > 0.6 * len(a | b)]


def test_every_ticket_of_the_quickstart_is_filled_in():
    assert all(value.strip() for row in rows() for value in row.values())
    assert {row["channel"] for row in rows()} == {"email", "chat", "web", "social"}


def test_the_quickstart_says_how_many_tickets_each_queue_has():
    table = (QUICKSTART / "README.md").read_text(encoding="utf-8").split("## The queues")[1]
    said = {name: int(count) for name, count in re.findall(r"\| `(\w+)` \| (\d+) \|", table)}
    assert said == Counter(row["label"] for row in rows())
    assert f"{sum(said.values())} tickets" in (QUICKSTART / "README.md").read_text()
    assert len(said) >= 6
