"""What a bundle needs to be served, with the versions it was made with. Asks no index."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
EXTRA = "serve"
_OF_TORCH = re.compile(r"nvidia-(?!ml-py)|cuda-|triton")
"""What torch brings along for a GPU: its own version decides it."""


@dataclass(frozen=True, slots=True)
class Pins:
    """Requirement lines; ``loose`` are those that had to be left to the installer."""

    lines: tuple[str, ...]
    loose: tuple[str, ...] = ()


def pinned(versions: Mapping[str, str], *, gpu: bool) -> Pins:
    """Return what is needed to serve, pinned.

    What the bundle names has its version; all else that one installed here, as long as the
    bundle's are those installed here, so that they are known to go together. Otherwise only what
    the bundle names is pinned, and the rest has automl's own bounds.
    """
    told = {canonicalize_name(name): _public(of) for name, of in versions.items()}
    needed = dict(_closure("automl", frozenset({EXTRA})))
    agree = all(told[name] == needed[name] for name in told.keys() & needed.keys())
    lines, loose = [], []
    if agree:
        lines = [f"{name}=={told.get(name, needed[name])}" for name in sorted(needed)]
    else:
        for text in _direct("automl", frozenset({EXTRA})):
            name = canonicalize_name(Requirement(text).name)
            if name in told:
                lines.append(f"{name}=={told[name]}")
            else:
                loose.append(str(Requirement(text)).split(";")[0].strip())
    made = [_torch(line, gpu) for line in lines]
    return Pins((*([] if gpu else [f"--extra-index-url {CPU_INDEX}"]), *made), tuple(loose))


def _torch(line: str, gpu: bool) -> str:
    return line if gpu or not line.startswith("torch==") else f"{line}+cpu"


def _public(found: str) -> str:
    """Return the version without what tells one build from another (2.13.0+cpu)."""
    return found.partition("+")[0]


def _closure(name: str, extras: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield all that the distribution needs, itself left out, with the version installed here."""
    todo, seen = [(name, extras)], {(canonicalize_name(name), extras)}
    while todo:
        for text in _direct(*todo.pop()):
            wanted = Requirement(text)
            key = canonicalize_name(wanted.name), frozenset(wanted.extras)
            if key in seen or _OF_TORCH.match(key[0]):
                continue
            seen.add(key)
            try:
                yield key[0], _public(version(key[0]))
            except PackageNotFoundError:
                continue  # of an extra that is not installed here
            todo.append((wanted.name, key[1]))


def _direct(name: str, extras: frozenset[str]) -> list[str]:
    found = []
    for text in distribution(name).requires or []:
        marker = Requirement(text).marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            found.append(text)
    return found
