"""A run from a file of inputs: unpacked beside it once, then run from there without a network."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn


def run(source: Path, run_dir: Path | None, locked: bool, as_json: bool) -> NoReturn:
    """Become ``automl run`` of the recipe in the file, in a process that is offline from its start.

    Libraries read their caches and whether they are offline when they are imported; hence the new
    process. Raises InputError as ``unpack`` does.
    """
    from automl.inputs.archive import unpack
    from automl.inputs.manifest import HUB
    from automl.inputs.rehearsal import offline

    def say(text: str) -> None:
        print(f"unpacking {text}", file=sys.stderr)

    folder, manifest = unpack(source, say)
    recipe = folder / manifest.recipe
    print(f"running {recipe}, offline", file=sys.stderr, flush=True)
    arguments = ["run", str(recipe)]
    arguments += ["--run-dir", str(run_dir)] if run_dir is not None else []
    arguments += ["--locked"] if locked else []
    arguments += ["--json"] if as_json else []
    environment = {**os.environ, **offline(folder / HUB)}
    os.execve(sys.executable, [sys.executable, "-m", "automl", *arguments], environment)
