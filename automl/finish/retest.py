"""A bundle's checks, asked again: of the bundle itself, on the rows of its run or on others.

Writes nothing into the bundle.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ruamel.yaml import YAML

from automl import documents, machine, processes, tasks
from automl.bundle import INFO, BundleInfo, find_bundle
from automl.compiler import checks
from automl.data.tables import write_table
from automl.errors import InputError, Problem
from automl.events import RunEvent, StageBegan
from automl.exporters import CheckResult
from automl.finish import checking
from automl.jobs import DataRef, ModelRef, ScoreResult, ScoreSpec, SplitScore
from automl.plan import Plan
from automl.rundir import RunDir
from automl.serving import base
from automl.tasks._loading import BASE


@dataclass(frozen=True, slots=True)
class Retest:
    """How a bundle answers its checks now."""

    name: str
    checks: tuple[CheckResult, ...]
    test: SplitScore
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether no check that could be asked was missed."""
        return all(check.passed or check.skipped for check in self.checks)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Files with the rows, and with the columns by which results are told."""

    table: Path
    slices: Path | None


def retest(
    bundle: Path,
    source: str | None,
    against: Path | None,
    work: Path,
    listen: Callable[[RunEvent], None],
    *,
    base_model: Path | None = None,
    trust_remote_code: bool = False,
) -> Retest:
    """Return how the bundle answers its checks on ``source``, or on the test rows of its run.

    ``source`` is one as recipes name it, relative to the current folder. ``against`` is the bundle
    to compare with where a check asks for that; without it the run's, where it is there. ``work``
    is an empty folder for jobs. Raises InputError for what can't be found, read or asked.
    """
    began = time.monotonic()
    folder = find_bundle(bundle)
    info = documents.read(BundleInfo, folder / INFO)
    plan = documents.read(Plan, folder / "plan.json")
    _refuse_unfit(info, folder, trust_remote_code)
    rows = _of_its_run(folder, plan) if source is None else None
    rows = rows or _read(source or "", plan, folder, work, listen)
    data = DataRef({"test": str(rows.table)}, info.labels, plan.data.fingerprint, info.max_length)
    model = ModelRef(info.candidate, str(folder), info.trust_remote_code)
    beside = str(base.find(info, base_model)) if info.adapter else ""
    thresholds = _thresholds(folder, beside)
    listen(StageBegan("score", str(bundle)))
    score = _scored(plan, model, data, rows, thresholds, beside, work)
    earlier = _earlier(plan, folder, against)
    listen(StageBegan("checks", f"{len(plan.checks)} of {info.name}"))
    asked = checking.spec(
        plan, model, data, thresholds, earlier, threads=machine.physical_cores(), devices=()
    )
    asked = replace(asked, beside=beside)
    found = checking.examined(asked, work / "examine")
    texts = [text for text in plan.checks if not checks.earlier([text]) or text in earlier]
    answered = {each.expression: each for each in checking.answered(texts, score, found)}
    skipped = CheckResult("", None, False, "name the bundle to compare with: --against", True)
    return Retest(
        info.name,
        tuple(answered.get(each) or replace(skipped, expression=each) for each in plan.checks),
        score.splits["test"],
        time.monotonic() - began,
    )


def _refuse_unfit(info: BundleInfo, folder: Path, trusted: bool) -> None:
    if info.task not in tasks.names():
        raise InputError(f"{folder} is a bundle for {info.task}, which is not known here")
    if tasks.get(info.task).reference is not None:
        raise InputError(
            f"{info.task} is judged against the model before training, which a bundle lacks: "
            "its scores are those in automl.json"
        )
    if info.trust_remote_code and not trusted:
        raise InputError(
            Problem(
                f"{folder} only loads by running Python code that lies in it",
                hint="read that code; if you trust it: --trust-remote-code",
            )
        )


def _of_its_run(folder: Path, plan: Plan) -> _Rows:
    """Return the test rows of the run whose folder the bundle lies in."""
    run = RunDir.at(folder.parent)
    there = run.bundle == folder and run.plan.is_file() and run.table("test").is_file()
    if not there or documents.read(Plan, run.plan).data.fingerprint != plan.data.fingerprint:
        said = f"{folder} does not lie in the folder of its run, where its test rows are"
        raise InputError(Problem(said, hint="name rows to test it on: automl test BUNDLE rows.csv"))
    return _Rows(run.table("test"), run.slices if run.slices.is_file() else None)


def _read(
    source: str, plan: Plan, folder: Path, work: Path, listen: Callable[[RunEvent], None]
) -> _Rows:
    """Read the rows named by the user into ``work``."""
    from automl.data import again

    task = again.narrowed(tasks.get(plan.task), plan.data.columns)
    found = again.read(
        source,
        Path.cwd(),
        task,
        plan.data.columns,
        plan.data.labels,
        names=_names(folder),
        slices=plan.data.slices,
    )
    for note in found.notes:
        listen(StageBegan("data", note))
    rows = _Rows(work / "test.arrow", work / "slices.arrow" if found.slices is not None else None)
    write_table(found.table, rows.table)
    if rows.slices is not None:
        write_table(found.slices, rows.slices)
    return rows


def _names(folder: Path) -> Mapping[str, str | None]:
    """Return what the recipe calls classes of the data; environment and places are of no use."""
    recipe = YAML(typ="safe").load((folder / "recipe.yaml").read_text(encoding="utf-8"))
    names: Mapping[str, str | None] = recipe.get("data", {}).get("labels", {})
    return names


def _thresholds(folder: Path, beside: str) -> dict[str, float]:
    """Return the bundle's thresholds, from where whoever loads it reads them."""
    config = folder / (f"{BASE}/config.json" if beside else "config.json")
    found: dict[str, float] = json.loads(config.read_bytes()).get("automl_thresholds", {})
    return found


def _scored(
    plan: Plan,
    model: ModelRef,
    data: DataRef,
    rows: _Rows,
    thresholds: Mapping[str, float],
    beside: str,
    work: Path,
) -> ScoreResult:
    spec = ScoreSpec(
        task=plan.task,
        model=model,
        data=data,
        splits=("test",),
        batch_size=64,
        threads=machine.physical_cores(),
        devices=(),
        seed=plan.search.seed,
        thresholds=thresholds,
        slices=str(rows.slices) if rows.slices else "",
        named_slices=checking.named(plan),
        beside=beside,
    )
    found: ScoreResult = processes.call(spec, ScoreResult, work / "score", threads=spec.threads)
    return found


def _earlier(plan: Plan, folder: Path, against: Path | None) -> dict[str, str]:
    """Return check → bundle to compare with, of those that can be found."""
    if against is not None:
        other = str(find_bundle(against))
        return {one.check: other for one in plan.earlier}
    run = RunDir.at(folder.parent)
    return checking.kept(plan, run) if run.bundle == folder and run.earlier.is_file() else {}
