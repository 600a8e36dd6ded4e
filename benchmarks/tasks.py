"""Every recipe over the shared data, with a small budget: floor, defaults, and what a search adds.

    python benchmarks/tasks.py [NAME ...] [--trials 4] [--time 4m] [--out FOLDER] [--write]

A recipe is run with one trial first, which is what its first candidate comes to with our defaults,
and then on to the whole budget in the same run folder, one trial at a time on one thread. All
figures are of the test split, each as its bundle tells it. A recipe whose model begins with random
weights says in a comment how it is made, and so it is. Results lie in ``--out``, one file a recipe;
what is there is not run again. ``--write`` puts its rows into docs/tasks.md. Data and models lie
where ``AUTOML_SHARED`` says.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from automl import tasks

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "tasks.md"
BEGIN, END = "<!-- figures: benchmarks/tasks.py -->", "<!-- end of figures -->"
GOOD = (0, 3)
"""Exit codes of a run that came to its end: a check that is missed on a small budget is news."""
RECIPE = """\
recipe: 1
extends: {base}
name: {name}
budget: {{trials: {trials}, time: {time}}}
devices: {{threads: 1, trials_per_device: 1}}
"""
MADE = re.compile(r"^#   (python benchmarks/(?:.*\\\n#)*.*)$", re.M)
"""The command that a recipe gives for making its model."""


@dataclass(frozen=True)
class Row:
    """What one recipe came to. Scores are of the test split, in ``metric``."""

    name: str
    task: str
    data: str
    rows: int
    candidates: tuple[str, ...]
    metric: str
    direction: str
    floor: float
    default: float
    found: float
    low: float
    high: float
    winner: str
    trials: int
    minutes: float
    """Of both runs as whole processes."""
    untrained: float | None = None
    """Of the winner's candidate as it came, where the task can be done with that."""
    twin: float | None = None
    """Of the winner's architecture with random weights, trained as ``default`` was; of models that
    see or hear and were pretrained."""


def over_shared_data() -> dict[str, Path]:
    """Return the recipes that name the shared data, by name."""
    files = sorted((ROOT / "recipes").glob("*.yaml"))
    return {path.stem: path for path in files if "AUTOML_SHARED" in path.read_text()}


def make_models(base: Path) -> None:
    """Make the untrained model that the recipe names, if it names one and it is not there."""
    for command in MADE.findall(base.read_text()):
        words = command.replace("\\\n#", " ").split()
        if not (ROOT / words[words.index("-o") + 1]).exists():
            words = [os.path.expandvars(word) for word in words[1:]]
            subprocess.run([sys.executable, *words], cwd=ROOT, check=True)


def run(base: Path, folder: Path, trials: int, limit: str, more: str = "") -> dict[str, Any]:
    """Run the recipe to so many trials; return what its bundle says of itself."""
    recipe = folder / "recipe.yaml"
    text = RECIPE.format(base=base, name=f"{base.stem}-table", trials=trials, time=limit)
    recipe.write_text(text + more)
    with (folder / "log.txt").open("ab") as log:
        command = [sys.executable, "-m", "automl", "run", str(recipe), "--run-dir"]
        done = subprocess.run(
            [*command, str(folder / "run")], stdout=log, stderr=log, cwd=folder, check=False
        )
    if done.returncode not in GOOD:
        said = (folder / "log.txt").read_text()[-3000:]
        raise SystemExit(f"{base.name} ended with exit code {done.returncode}:\n{said}")
    found: dict[str, Any] = json.loads((folder / "run" / "bundle" / "automl.json").read_text())
    return found


def twin_score(base: Path, plan: dict[str, Any], winner: str, options: argparse.Namespace) -> float:
    """Return what one trial with defaults makes of the winner's twin, whose weights are random."""
    import torch
    import transformers

    (candidate,) = (each for each in plan["candidates"] if each["id"] == winner)
    written = re.sub(
        r"\$\{env:AUTOML_SHARED[^}]*\}", os.environ["AUTOML_SHARED"], candidate["reference"]
    )
    home = (ROOT / "recipes" / written).resolve()
    with tempfile.TemporaryDirectory(prefix="automl-twin-") as name:
        folder, made = Path(name), Path(name) / "twin"
        torch.manual_seed(0)
        task = tasks.get(plan["task"])
        config = transformers.AutoConfig.from_pretrained(home)
        getattr(transformers, task.auto_class).from_config(config).save_pretrained(made)
        task.processor(str(home), False).save_pretrained(made)
        found = run(base, folder, 1, options.time, f"models: [{{path: {made}}}]\n")
    return float(found["metrics"][found["metric"]])


def measure(base: Path, options: argparse.Namespace) -> Row:
    """Run one recipe with its defaults, then on; return its row."""
    make_models(base)
    with tempfile.TemporaryDirectory(prefix="automl-tasks-") as name:
        folder, began = Path(name), time.monotonic()
        default = run(base, folder, 1, options.time)
        found = run(base, folder, options.trials, options.time)
        minutes = (time.monotonic() - began) / 60
        plan = json.loads((folder / "run" / "plan.json").read_text())
        tried = len(list((folder / "run" / "trials").iterdir()))
    twin = None
    if tasks.get(plan["task"]).media and not MADE.search(base.read_text()):
        twin = twin_score(base, plan, found["candidate"], options)
    metric = found["metric"]
    interval = found["intervals"][metric]
    return Row(
        name=base.stem,
        task=found["task"],
        data=_folder(plan),
        rows=found["rows"]["train"],
        candidates=tuple(candidate["id"] for candidate in plan["candidates"]),
        metric=metric,
        direction=found["direction"],
        floor=found["floor"][metric],
        default=default["metrics"][metric],
        found=found["metrics"][metric],
        low=interval["low"],
        high=interval["high"],
        winner=found["candidate"],
        trials=tried,
        minutes=minutes,
        untrained=found["untrained"].get(metric),
        twin=twin,
    )


def _folder(plan: dict[str, Any]) -> str:
    """Return the folder below ``data/`` that the training rows came from."""
    reference = next(s["reference"] for s in plan["data"]["sources"] if s["split"] == "train")
    inside = reference.rpartition("/data/")[2]
    return str(Path(inside).parent) if Path(inside).suffix else inside


def table(rows: list[Row]) -> str:
    """Return the rows as Markdown."""
    lines = [
        "| task | data (training rows) | candidates | metric | floor | untrained | random twin "
        "| default | found (95% interval) | trials | minutes |",
        "|---|---|---|---|---:|---:|---:|---:|---|---:|---:|",
    ]
    for row in sorted(rows, key=lambda row: (row.task, row.name)):
        sign = "" if row.direction == "maximize" else " (lower is better)"
        cells = (
            f"[`{row.task}`](../recipes/{row.name}.yaml)",
            f"{row.data} ({row.rows:,})",
            ", ".join(map(_short, row.candidates)),
            f"{row.metric}{sign}",
            f"{row.floor:.3f}",
            *("" if each is None else f"{each:.3f}" for each in (row.untrained, row.twin)),
            f"{row.default:.3f}",
            f"{row.found:.3f} ({row.low:.3f} to {row.high:.3f})",
            str(row.trials),
            f"{row.minutes:.1f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _short(candidate: str) -> str:
    return candidate.rsplit("/", 1)[-1]


def write(rows: list[Row]) -> None:
    """Put the table into docs/tasks.md; rows of recipes that were not measured now stay."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    old, _, after = rest.partition(END)
    new = table(rows).splitlines()
    fresh = set(map(_recipe, new[2:]))
    kept = [line for line in old.strip().splitlines()[2:] if _recipe(line) not in fresh]
    lines = "\n".join([*new[:2], *sorted([*kept, *new[2:]])])
    PAGE.write_text(f"{before}{BEGIN}\n{lines}\n{END}{after}")


def _recipe(line: str) -> str:
    """Return which recipe a line of the table is of."""
    found = re.search(r"recipes/(\S+)\.yaml", line)
    return found[1] if found else line


def main() -> None:
    """Measure what is asked for and not there yet; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="recipes; all of them left out")
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--time", default="4m")
    parser.add_argument("--out", type=Path, default=Path("runs/tasks"))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    shared = Path(os.environ.setdefault("AUTOML_SHARED", str(ROOT.parent / "shared")))
    if not shared.is_dir():
        parser.error(f"there is no {shared}: set AUTOML_SHARED")
    known = over_shared_data()
    if unknown := sorted(set(options.names) - set(known)):
        parser.error(f"no recipe over the shared data is called {unknown[0]}: {', '.join(known)}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or known:
        target = options.out / f"{name}.json"
        if not target.exists():
            row = measure(known[name], options)
            target.write_text(json.dumps(asdict(row), indent=1))
            print(f"{name}: {row.metric} {row.found:.3f}, floor {row.floor:.3f}", flush=True)
    rows = [Row(**json.loads(path.read_text())) for path in sorted(options.out.glob("*.json"))]
    print(table(rows))
    if options.write:
        write(rows)


if __name__ == "__main__":
    main()
