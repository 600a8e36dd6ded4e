"""``extends``: a recipe merged over its parents, each value keeping its own place.

Mappings merge key by key; lists and scalars replace. Does not know the schema, except which values
are paths, for these start from the folder of the file that holds them; those of a parent from
elsewhere from the folder of the recipe that is run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import cast

from automl.errors import Place, Problem, RecipeError
from automl.plan import Parent
from automl.recipe import addresses, distrust, environment, syntax
from automl.recipe.addresses import Unreadable
from automl.recipe.parents import File, LocalFile, Pins, RemoteFiles
from automl.recipe.syntax import Entry, Items, Leaf, Node, Table
from automl.recipe.text import decode

_WORDS = re.compile(r"^\s*invariance\s*\[\s*synonyms=\s*([^\]]+?)\s*\]")
"""The file of words that a check names."""
DEEPEST = 20
"""Recipes in a chain of ``extends``."""


@dataclass(frozen=True, slots=True)
class Merged:
    """The effective tree of a recipe, and the values in it that could not be filled in."""

    tree: Table
    problems: tuple[Problem, ...]
    parents: tuple[Parent, ...] = ()
    """The parents from elsewhere, each with the commit that its reference stands for."""
    texts: tuple[tuple[str, bytes], ...] = ()
    """Name and content of every file that was read, the recipe itself first."""


def gather(path: Path, environ: Mapping[str, str], pins: Pins = dict) -> Merged:
    """Return the recipe at ``path`` merged over its parents, paths relative to its folder.

    ``pins`` is asked, at the first parent from elsewhere, for the commits that a lock holds.
    Raises RecipeError when a file of it cannot be had, read or parsed, or extends itself.
    """
    if not path.exists() or path.is_dir():
        raise RecipeError(Problem(f"{path} {_missing(path)}", hint=_similar(path, Path())))
    remote = RemoteFiles(pins)
    reader = _Reader(environ, _absolute(path).parent, remote)
    try:
        tree = reader.effective(LocalFile(path), ())
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror or error}") from error
    return Merged(tree, tuple(reader.problems), remote.parents, tuple(reader.texts))


def merge(base: Table, over: Table) -> Table:
    """Return ``over`` laid over ``base``: keys that both have merge if both values are mappings."""
    entries = dict(base.entries)
    for name, entry in over.entries.items():
        below = entries.get(name)
        node = entry.node
        if below and isinstance(below.node, Table) and isinstance(node, Table):
            node = merge(below.node, node)
        entries[name] = Entry(entry.key, node)
    return replace(over, entries=entries)


@dataclass(slots=True)
class _Reader:
    """Reads each file once, however many recipes extend it."""

    environ: Mapping[str, str]
    folder: Path
    remote: RemoteFiles
    problems: list[Problem] = field(default_factory=list)
    done: dict[object, Table] = field(default_factory=dict)
    texts: list[tuple[str, bytes]] = field(default_factory=list)

    def effective(self, file: File, chain: tuple[File, ...]) -> Table:
        """Return the merged tree of the file; ``chain`` holds the recipes that led to it."""
        if file.identity in self.done:
            return self.done[file.identity]
        data = file.read()
        self.texts.append((file.name, data))
        own = syntax.parse(decode(data, file.name))
        local = isinstance(file, LocalFile)
        if not local:
            distrust.refuse(own)
        own, problems = environment.substitute(own, self.environ if local else {})
        self.problems += problems
        parents = self._parents(own, (*chain, file))
        if isinstance(file, LocalFile):
            own = rebased(own, _absolute(file.path).parent, self.folder)
        for parent in reversed(parents):
            own = merge(_without_extends(parent), own)
        self.done[file.identity] = own
        return own

    def _parents(self, own: Table, chain: tuple[File, ...]) -> list[Table]:
        trees, problems = [], []
        for leaf in _extended(own):
            try:
                trees.append(self._parent(leaf, chain))
            except Unreadable as error:
                problems.append(Problem(str(error), leaf.place, error.hint))
            except (OSError, ValueError) as error:  # ValueError: a null character in the name
                reason = getattr(error, "strerror", None) or str(error)
                problems.append(Problem(f"{leaf.text!r} cannot be read: {reason}", leaf.place))
            except RecipeError as error:
                problems += error.problems
        if problems:
            raise RecipeError(problems)
        return trees

    def _parent(self, leaf: Leaf, chain: tuple[File, ...]) -> Table:
        file = self._opened(leaf, chain[-1])
        earlier = [one.identity for one in chain]
        if file.identity in earlier:
            loop = (*chain[earlier.index(file.identity) :], file)
            shown = " → ".join(one.name for one in loop)
            raise _refused(leaf.place, f"a recipe extends itself: {shown}", "remove one of these")
        if len(chain) >= DEEPEST:
            raise _refused(leaf.place, f"more than {DEEPEST} recipes extend each other", None)
        if isinstance(file, LocalFile):
            _refuse_missing(leaf.place, file.path, chain[-1])
        return self.effective(file, chain)

    def _opened(self, leaf: Leaf, child: File) -> File:
        """Return the file that ``extends`` in ``child`` names."""
        address = addresses.parse(leaf.text)
        if address is not None:
            if not isinstance(child, LocalFile):
                distrust.refuse_local(address)
            return self.remote.file(address, leaf.written or leaf.text)
        return child.beside(leaf.text)


def _refuse_missing(place: Place, path: Path, child: File) -> None:
    if not path.exists() or path.is_dir():
        start = child.path.parent if isinstance(child, LocalFile) else Path()
        message = f"the parent recipe {path} {_missing(path)}"
        raise _refused(place, message, _similar(path, start))


def _refused(place: Place, message: str, hint: str | None) -> RecipeError:
    return RecipeError(Problem(message, place, hint))


def _missing(path: Path) -> str:
    return "is a folder, not a recipe" if path.is_dir() else "is not there"


def _similar(path: Path, start: Path) -> str | None:
    """Return a hint with the recipe of the folder that is named most alike, as seen from start."""
    folder = path if path.is_dir() else path.parent
    names = sorted(one.name for one in folder.glob("*.y*ml")) if folder.is_dir() else []
    prefix = folder if path.is_absolute() else Path(os.path.relpath(folder, start))
    if close := get_close_matches(path.name, names, n=1, cutoff=0.5):
        return f"did you mean {(prefix / close[0]).as_posix()!r}?"
    hint = f"known: {', '.join((prefix / name).as_posix() for name in names)}"
    return hint if names and len(hint) < 200 else None


def _extended(tree: Table) -> list[Leaf]:
    """Return the parents a recipe names; anything but text is left to validation."""
    entry = tree.entries.get("extends")
    if entry is None:
        return []
    nodes = entry.node.nodes if isinstance(entry.node, Items) else (entry.node,)
    return [node for node in nodes if isinstance(node, Leaf) and isinstance(node.value, str)]


def _without_extends(tree: Table) -> Table:
    entries = {name: entry for name, entry in tree.entries.items() if name != "extends"}
    return replace(tree, entries=entries)


def rebased(tree: Table, folder: Path, onto: Path) -> Table:
    """Return the tree with paths that start from ``folder`` written to start from ``onto``.

    Data sources count as paths when they begin with ``./`` or ``../`` or are there; the folder of
    a model always does.
    """
    if folder == onto:
        return tree

    def source(text: str) -> str:
        explicit = text.startswith(("./", "../"))
        return _moved(text, folder, onto) if explicit or _is_there(folder, text) else text

    def model(text: str) -> str:
        return _moved(text, folder, onto)

    def words(text: str) -> str:
        found = _WORDS.search(text)
        return text if found is None else text.replace(found[1], model(found[1]), 1)

    node: Node = tree
    for split in ("train", "validation", "test"):
        node = _edited(node, ("data", split), source)
    node = _edited(node, ("checks", "not_worse_than"), model)
    node = _edited(node, ("checks",), words)
    return cast(Table, _edited(node, ("models", "path"), model))


def _edited(node: Node, keys: tuple[str, ...], change: Callable[[str], str]) -> Node:
    """Return the node with ``change`` applied to the text at ``keys``, in every item of a list."""
    if isinstance(node, Items):
        return replace(node, nodes=tuple(_edited(item, keys, change) for item in node.nodes))
    if isinstance(node, Table) and keys and keys[0] in node.entries:
        entry = node.entries[keys[0]]
        changed = Entry(entry.key, _edited(entry.node, keys[1:], change))
        return replace(node, entries={**node.entries, keys[0]: changed})
    if isinstance(node, Leaf) and not keys and isinstance(node.value, str):
        text = change(node.value)
        same = text == node.value
        return replace(node, value=text, text=text, written=node.written if same else "")
    return node


def _is_there(folder: Path, text: str) -> bool:
    if "://" in text or not text:
        return False
    try:
        return (folder / text).exists() or any(folder.glob(text))
    except (ValueError, NotImplementedError, OSError):  # a pattern pathlib refuses is no path
        return False


def _moved(text: str, folder: Path, onto: Path) -> str:
    if "://" in text or text.startswith("~") or Path(text).is_absolute():
        return text
    moved = Path(os.path.relpath(folder / text, onto)).as_posix()
    explicit = text.startswith(("./", "../")) and not moved.startswith("../")
    return f"./{moved}" if explicit else moved


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))
