"""Paths of this machine: names them, hides them in texts, finds them in files.

A folder deep in a home directory says who somebody is and nothing that helps a reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from automl.exporters import Delivery
from automl.plan import Candidate

_ABSOLUTE = re.compile(r"(?<![\w.:/~…])(?:/[\w.@+=-]+){2,}")
VOCABULARIES = frozenset({"tokenizer.json", "vocab.json", "vocab.txt", "merges.txt"})
"""Files that list pieces of text: ``/src`` or ``/root`` may be a token there."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A path of this machine in a file of the bundle; ``file`` is relative to the bundle."""

    file: str
    path: str


def machine_paths(delivery: Delivery, folder: Path) -> dict[str, str]:
    """Return the folders a bundle must not name, the deepest first, each with what to say instead.

    These are the winner's folder, the folder around the bundle (the run folder), the working
    directory, the home directory, and the folders that the recipe names from the root, as they are
    written and with symbolic links followed.
    """
    return around([(delivery.model, "…"), (folder.parent, "…")], delivery.recipe)


def around(folders: Sequence[tuple[Path, str]], recipe: str) -> dict[str, str]:
    """Return ``folders`` with what to say instead, and those of this machine and the recipe."""
    every = [*folders, (Path.cwd(), "."), (Path.home(), "~")]
    every += [(path.parent, "…") for path in _absolute(YAML(typ="safe").load(recipe))]
    found: dict[str, str] = {}
    for path, instead in every:
        for spelling in (path.absolute(), path.resolve()):
            if len(spelling.parts) > 1:
                found.setdefault(str(spelling), instead)
    return dict(sorted(found.items(), key=lambda item: (-len(item[0]), item[0])))


def _absolute(value: object) -> Iterator[Path]:
    """Yield every absolute path among the values of a recipe."""
    if isinstance(value, dict):
        for part in value.values():
            yield from _absolute(part)
    elif isinstance(value, list):
        for part in value:
            yield from _absolute(part)
    elif isinstance(value, str) and Path(value).is_absolute():
        yield Path(value)


def hide(text: str, paths: dict[str, str]) -> str:
    """Return ``text`` with every one of ``paths`` replaced by what stands for it."""
    return _pattern(tuple(paths)).sub(lambda found: paths[found.group()], text)


def shortened(text: str) -> str:
    """Return ``text`` with every absolute path cut to its last two parts: logs name many."""
    return _ABSOLUTE.sub(lambda found: "…/" + "/".join(found.group().split("/")[-2:]), text)


def leaks(bundle: Path, paths: dict[str, str]) -> list[Leak]:
    """Return every file below ``bundle`` that names one of ``paths``, one leak a file.

    In vocabularies only paths of two or more folders count, since shorter ones may be tokens.
    Of safetensors only the header is read: the rest are numbers.
    """
    found = []
    for file in sorted(path for path in bundle.rglob("*") if path.is_file()):
        looked_for = tuple(paths)
        if file.name in VOCABULARIES or file.suffix == ".model":
            looked_for = tuple(path for path in paths if len(Path(path).parts) > 2)
        match = _pattern(looked_for).search(_text(file))
        if match:
            found.append(Leak(file.relative_to(bundle).as_posix(), match.group()))
    return found


def origin(candidate: Candidate) -> str:
    """Return where a candidate came from, fit to be published: no folder but its name."""
    if candidate.source == "hub":
        return candidate.reference.partition("@")[0]
    return Path(candidate.reference).name if candidate.source == "folder" else candidate.reference


def _pattern(paths: tuple[str, ...]) -> re.Pattern[str]:
    if not paths:
        return re.compile(r"(?!)")
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, paths))})(?![\w-])")


def _text(file: Path) -> str:
    with file.open("rb") as stream:
        if file.suffix == ".safetensors":
            data = stream.read(int.from_bytes(stream.read(8), "little"))
        else:
            data = stream.read()
    return data.decode("utf-8", errors="replace")
