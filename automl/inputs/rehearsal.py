"""Compiles packed inputs in a process of their own, as the machine without a network will.

``python -m automl.inputs.rehearsal RECIPE ANSWER`` writes what it found to ANSWER.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from automl import cache, documents
from automl.errors import InputError, Problem
from automl.plan import Plan


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """The plan that the inputs alone give, and files outside of them that rows still name."""

    plan: Plan
    outside: tuple[str, ...]
    schema: Literal["automl/rehearsed"] = "automl/rehearsed"
    version: int = 1


def offline(hub: Path) -> dict[str, str]:
    """Return the variables under which nothing is asked of a network, and ``hub`` is the cache."""
    return {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_CACHE": str(hub),
        "WANDB_MODE": "offline",
    }


def rehearse(recipe: Path, hub: Path, root: Path) -> Rehearsed:
    """Compile the packed recipe offline; raise InputError with its words where that fails."""
    with tempfile.TemporaryDirectory(prefix="automl-") as held:
        answer = Path(held) / "answer.json"
        done = subprocess.run(
            [sys.executable, "-m", __spec__.name, str(recipe), str(answer), str(root)],
            env={**os.environ, **offline(hub)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = "\n".join(done.stderr.strip().splitlines()[-20:])
            raise InputError(
                Problem(
                    f"what was packed does not compile without a network:\n{said}",
                    hint="the recipe itself does: automl plan; please report this",
                )
            )
        return documents.read(Rehearsed, answer)


def _outside(tables: Mapping[str, object], columns: list[str], root: Path) -> tuple[str, ...]:
    """Return files that rows name and that lie neither below ``root`` nor in the user's cache."""
    from automl.inputs.media import paths

    homes = (root, cache.folder())
    found = paths(tables, columns)
    return tuple(str(p) for p in found if not any(p.is_relative_to(home) for home in homes))


def _main(recipe: str, answer: str, root: str) -> None:
    from automl import tasks
    from automl.compiler.compile import compile_recipe
    from automl.compiler.verify import load_verified

    with tempfile.TemporaryDirectory(prefix="automl-") as jobs:
        compiled = compile_recipe(load_verified(Path(recipe)), Path(jobs))
    media = [role.name for role in tasks.get(compiled.plan.task).media]
    outside = _outside(compiled.tables, media, Path(root))
    documents.write(Path(answer), Rehearsed(compiled.plan, outside))


if __name__ == "__main__":
    from automl.errors import AutoMLError

    try:
        _main(*sys.argv[1:])
    except AutoMLError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from None
