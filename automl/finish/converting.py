"""Further formats of the model that leaves: written, verified, and refused where they lose much.

Asks a worker for them; knows where their files lie, and what is said of them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Literal

from automl import documents, machine, processes
from automl.catalog import hashes
from automl.errors import JobFailed
from automl.events import RunEvent, StageBegan
from automl.jobs import (
    CalibrateResult,
    ConvertResult,
    ConvertSpec,
    DataRef,
    FormatFacts,
    ModelRef,
)
from automl.plan import Plan
from automl.rundir import RunDir
from automl.tasks._weights import EXPORTING, SAFETENSORS, missing, ordered

ROWS = 500
"""Validation rows that formats are compared on, at most."""


@dataclass(frozen=True, slots=True)
class Converted:
    """What formats came to, and of what; kept in the run folder as ``finish/formats.json``."""

    fingerprint: str
    """Of the model's files, all that was asked of the formats, and the packages' versions."""
    formats: Mapping[str, FormatFacts] = field(default_factory=dict)
    schema: Literal["automl/converted"] = "automl/converted"
    version: int = 1


def folder(rundir: RunDir) -> Path:
    """Return where each format has a folder with its files, by their path in a bundle."""
    return rundir.finish / "formats"


def formats(
    plan: Plan,
    chosen: ModelRef,
    base: ModelRef | None,
    tuned: CalibrateResult | None,
    data: DataRef,
    rundir: RunDir,
    devices: tuple[str, ...],
    listen: Callable[[RunEvent], None],
) -> Mapping[str, FormatFacts]:
    """Return what each format of the model ``chosen`` is worth; empty where none is asked for.

    What was found for the same model and wishes, and is still there, is not made again. A worker
    that fails leaves the formats out, and is said.
    """
    wanted = tuple(name for name in plan.export.formats if name != SAFETENSORS)
    if not wanted:
        return {}
    spec = ConvertSpec(
        task=plan.task,
        model=chosen,
        data=data,
        formats=wanted,
        metric=plan.goal.metric,
        direction=plan.goal.direction,
        most_loss=plan.export.max_metric_loss,
        target=str(folder(rundir).absolute()),
        rows=ROWS,
        batch_size=32,
        threads=machine.physical_cores(),
        devices=devices,
        base=base,
        thresholds=tuned.by_class if tuned else {},
    )
    kept, fingerprint = rundir.finish / "formats.json", _fingerprint(spec, _versions(plan))
    if kept.exists():
        before = documents.read(Converted, kept)
        if before.fingerprint == fingerprint and _there(before.formats, rundir):
            return before.formats
    listen(StageBegan("formats", f"{', '.join(wanted)}, compared with {SAFETENSORS}"))
    shutil.rmtree(folder(rundir), ignore_errors=True)
    try:
        result: ConvertResult = processes.call(
            spec, ConvertResult, rundir.job("formats"), threads=spec.threads, devices=devices
        )
    except JobFailed as error:
        listen(StageBegan("formats", f"failed, {SAFETENSORS} leaves alone: {error}"))
        why = f"the worker that writes it failed: {error}"
        return {name: FormatFacts(refused=why) for name in spec.formats}
    documents.write(kept, Converted(fingerprint, result.formats))
    for line in said(result.formats):
        listen(StageBegan("formats", line))
    return result.formats


def said(found: Mapping[str, FormatFacts]) -> list[str]:
    """Return what each format is worth, or why it is left out, a line each."""
    return [_line(name, found[name]) for name in ordered(found) if name != SAFETENSORS]


def _line(name: str, facts: FormatFacts) -> str:
    if facts.refused:
        return f"{name} is left out of the bundle: {facts.refused}"
    parts = [f"{facts.bytes / 1e6:.1f} MB"]
    if facts.loss is not None:
        lost = f"{facts.loss:.4f}" if facts.loss > 0 else "nothing"
        parts.append(f"loses {lost} on {facts.rows:,} rows")
    if facts.changed is not None:
        parts.append(f"decides {facts.changed:.1%} otherwise" if facts.changed else "decides alike")
    speed = facts.speed.get("cpu")
    if speed is not None:
        parts.append(f"{speed.latency_ratio:.2f}× the time of {SAFETENSORS} for a row on the CPU")
    return f"{name}: {', '.join(parts)}"


def _there(found: Mapping[str, FormatFacts], rundir: RunDir) -> bool:
    return all(
        (folder(rundir) / name / file).exists()
        for name, facts in found.items()
        for file in facts.files
    )


def _versions(plan: Plan) -> Mapping[str, str]:
    """Return the versions of what makes and runs formats."""
    found = {name: metadata.version(name) for name in EXPORTING if not missing((name,))}
    return {**plan.versions, **found}


def _fingerprint(spec: ConvertSpec, versions: Mapping[str, str]) -> str:
    """Over what decides the files and the figures, but for how fast the machine is."""
    model = Path(spec.model.path)
    files = [
        f"{file.name} {hashes.sha256(file)}"
        for file in sorted(model.iterdir())
        if file.suffix in (".safetensors", ".json")
    ]
    bare = replace(spec, target="", threads=0, devices=(), base=None)
    asked = replace(bare, model=replace(spec.model, path=""), data=replace(spec.data, tables={}))
    parts = [documents.to_json(asked).decode(), json.dumps(versions, sort_keys=True), *files]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
