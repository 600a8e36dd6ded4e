"""The packages a study needs, at the versions installed here, and their wheels where asked for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from automl.compiler.hyperparameters import QUANTIZED
from automl.compiler.verify import CLUSTER
from automl.errors import InputError, Problem
from automl.plan import Plan
from automl.tasks._weights import GRAPHS, ONNX

OURS = "automl"
SECONDS = 3600
"""Longest that pip may take for all wheels."""


@dataclass(frozen=True, slots=True)
class Package:
    """One installed distribution; ``home`` is its source folder where it came from one."""

    name: str
    version: str
    home: Path | None = None
    indexed: bool = True
    """Whether it came from a package index, where its like can be had again."""

    @property
    def line(self) -> str:
        """The line of a requirements file."""
        if self.indexed:
            return f"{self.name}=={self.version}"
        return f"# {self.name} {self.version}: not from a package index; bring it yourself"


def extras(plan: Plan, trackers: Iterable[str]) -> tuple[str, ...]:
    """Return the extras of automl without which the plan could not be run or exported."""
    methods = {str(c) for each in plan.candidates for p in each.space for c in p.choices}
    wanted = {
        QUANTIZED: QUANTIZED in methods,
        CLUSTER: plan.devices.executor == CLUSTER,
        ONNX: not set(GRAPHS).isdisjoint(plan.export.formats),
    }
    return (*trackers, *(name for name, needed in wanted.items() if needed))


def needed(extras: Iterable[str], imported: Iterable[str] = ()) -> tuple[Package, ...]:
    """Return automl and all it needs, with ``extras``, as far as it is installed; by name.

    ``imported`` are import names of further packages, such as those that carry a model.
    """
    from packaging.requirements import Requirement

    waiting = [(OURS, ""), *((OURS, extra) for extra in extras), *_owners(imported)]
    seen: set[tuple[str, str]] = set()
    found: dict[str, Package] = {}
    while waiting:
        name, extra = waiting.pop()
        key = (_canonical(name), extra)
        if key in seen:
            continue
        seen.add(key)
        try:
            installed = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found[key[0]] = _package(installed)
        for text in installed.requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(requirement.name, each) for each in ("", *requirement.extras)]
    return tuple(found[name] for name in sorted(found))


def _owners(imported: Iterable[str]) -> list[tuple[str, str]]:
    """Return the distributions that the imported names come from; reading them all takes time."""
    tops = [name.partition(".")[0] for name in imported]
    owners = metadata.packages_distributions() if tops else {}
    return [(owner, "") for top in tops for owner in owners.get(top, ())]


def text(packages: Iterable[Package]) -> str:
    """Return the requirements file."""
    return "".join(f"{each.line}\n" for each in packages)


def wheels(packages: Iterable[Package], folder: Path) -> tuple[str, ...]:
    """Fetch or build a wheel of each package into ``folder``; return those that cannot be had.

    What came from an index comes from the index pip is set up for, at that version; what was
    installed from a folder is built from it. Raises InputError with pip's words where it fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    packages = tuple(packages)
    indexed = [f"{each.name}=={each.version}" for each in packages if each.indexed]
    homes = [str(each.home) for each in packages if each.home is not None]
    wanted = [*indexed, *homes]
    # Building leaves this folder in the source's; what it holds of an earlier build would go along.
    own = [each.home / "build" for each in packages if each.home is not None]
    made = [folder for folder in own if not folder.exists()]
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-input", "--quiet"]
    done = subprocess.run(
        [*command, "--wheel-dir", str(folder), *wanted],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    for leftover in made:
        shutil.rmtree(leftover, ignore_errors=True)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if "ERROR" in line] or ["no word"]
        raise InputError(
            Problem(
                f"pip could not get the wheels: {said[0]}",
                hint="leave out --wheels, or name their index: "
                "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu",
            )
        )
    return tuple(each.name for each in packages if not each.indexed and each.home is None)


def _package(installed: metadata.Distribution) -> Package:
    name, version = installed.metadata["Name"], installed.version
    direct = installed.read_text("direct_url.json")
    if direct is None:
        return Package(name, version)
    url = urlsplit(str(json.loads(direct).get("url", "")))
    home = Path(url2pathname(url.path)) if url.scheme == "file" else None
    return Package(name, version, home if home and home.is_dir() else None, indexed=False)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
