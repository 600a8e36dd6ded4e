"""What a bundle needs to be served, with the versions it was made with. Asks no index."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from automl.tasks import _weights

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
SERVING = ("fastapi", "httptools", "prometheus-client", "uvicorn", "uvloop")
"""What serves, besides all that automl itself needs."""
_OF_TORCH = re.compile(r"nvidia-(?!ml-py)|cuda-|triton")
"""What torch brings along for a GPU: its own version decides it."""


@dataclass(frozen=True, slots=True)
class Pins:
    """Requirement lines; ``loose`` are those that had to be left to the installer."""

    lines: tuple[str, ...]
    loose: tuple[str, ...] = ()


def pinned(versions: Mapping[str, str], *, gpu: bool, graphs: bool = False) -> Pins:
    """Return what is needed to serve, pinned; ``graphs``: with what runs ONNX graphs.

    What the bundle names has its version; all else that one installed here, as long as the
    bundle's are those installed here, so that they are known to go together. Otherwise only what
    the bundle names is pinned, and the rest has automl's own bounds.
    """
    told = {str(canonicalize_name(name)): _public(of) for name, of in versions.items()}
    serving = (*SERVING, *(_weights.RUNNING if graphs else ()))
    needed = dict(_closure("automl", *serving))
    agree = all(told[name] == needed[name] for name in told.keys() & needed.keys())
    lines: list[str] = []
    loose = [name for name in serving if not agree or name not in needed]
    if agree:
        lines = [f"{name}=={of}" for name, of in sorted(needed.items())]
    else:
        for text in _direct("automl"):
            wanted = Requirement(text)
            name = str(canonicalize_name(wanted.name))
            if name in told:
                lines.append(f"{name}=={told[name]}")
            else:
                loose.append(f"{wanted.name}{wanted.specifier}")
    made = [_torch(line, gpu) for line in lines]
    return Pins((*([] if gpu else [f"--extra-index-url {CPU_INDEX}"]), *made), tuple(loose))


def _torch(line: str, gpu: bool) -> str:
    return line if gpu or not line.startswith("torch==") else f"{line}+cpu"


def _public(found: str) -> str:
    """Return the version without what tells one build from another (2.13.0+cpu)."""
    return found.partition("+")[0]


def _closure(*names: str) -> Iterator[tuple[str, str]]:
    """Yield all that the distributions need, with the version installed here; automl left out."""
    todo = [(name, frozenset[str]()) for name in names]
    seen, told = set(todo), set[str]()
    while todo:
        name, extras = todo.pop()
        try:
            wanted = [Requirement(text) for text in _direct(name, extras)]
            if name != "automl" and name not in told:
                told.add(name)
                yield name, _public(version(name))
        except PackageNotFoundError:
            continue  # what an installer is left to find
        for each in wanted:
            key = str(canonicalize_name(each.name)), frozenset(each.extras)
            if key not in seen and not _OF_TORCH.match(key[0]):
                seen.add(key)
                todo.append(key)


def _direct(name: str, extras: frozenset[str] = frozenset()) -> list[str]:
    found = []
    for text in distribution(name).requires or []:
        marker = Requirement(text).marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            found.append(text)
    return found
