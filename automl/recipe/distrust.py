"""What a recipe from elsewhere may not say: its author is not the user. Pure trees."""

from __future__ import annotations

from collections.abc import Iterator

from automl.errors import Problem, RecipeError
from automl.recipe.addresses import Address, Unreadable
from automl.recipe.syntax import Items, Leaf, Node, Table

TRUST = "trust_remote_code"


def refuse(tree: Table) -> None:
    """Raise RecipeError, at its places, where the tree reads the environment or runs code.

    What a variable holds could leave through any address in the recipe; and whether to run a
    model's code is for its user to say.
    """
    problems = tuple(_problems(tree))
    if problems:
        raise RecipeError(problems)


def refuse_local(address: Address) -> None:
    """Raise Unreadable where the address, named by a recipe from elsewhere, is of this machine."""
    if address.repository.startswith("file:"):
        raise Unreadable(
            "a recipe from elsewhere cannot extend one of this machine",
            "extend both in a recipe of your own",
        )


def _problems(node: Node) -> Iterator[Problem]:
    if isinstance(node, Table):
        for name, entry in node.entries.items():
            inside = entry.node
            if name == TRUST and not (isinstance(inside, Leaf) and inside.value is False):
                yield Problem(
                    f"a recipe from elsewhere cannot say {TRUST}",
                    entry.key.place,
                    "list the model in your own recipe, if you trust its code",
                )
            yield from _problems(inside)
    elif isinstance(node, Items):
        for item in node.nodes:
            yield from _problems(item)
    elif isinstance(node.value, str) and "${env:" in node.value.replace("$${", ""):
        yield Problem(
            "a recipe from elsewhere cannot read this machine's environment",
            node.place,
            "write this value in the recipe that extends it",
        )
