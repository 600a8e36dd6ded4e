"""Loads candidates once, in a worker process, and remembers what that showed, by content.

Knows which answers are still good; what loading a candidate means is the worker's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from automl import cache as remembered
from automl import documents, machine, processes
from automl.catalog import ResolvedModel
from automl.errors import InputError, JobFailed
from automl.jobs import Inspection, InspectResult, InspectSpec, ModelRef

KIND = "inspections"
CODE = ("tasks", "worker")
"""Packages whose source decides what an inspection says."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of every candidate; fields as in InspectSpec."""

    task: str
    labels: tuple[str, ...]
    sample: tuple[Mapping[str, Any], ...]
    max_length: int | None
    versions: Mapping[str, str]
    quantize: bool = False
    graphs: bool = False


def inspect(
    question: Question, models: Mapping[str, ResolvedModel], folder: Path
) -> dict[str, Inspection]:
    """Return one inspection per candidate id; asks a worker about those not remembered.

    ``folder`` keeps the worker's spec and log. A candidate that takes the worker process down
    with it is refused, and asked again next time; raises JobFailed only when not a single one can
    be asked about.
    """
    found = {
        name: known for name, model in models.items() if (known := _known(question, name, model))
    }
    missing = {name: model for name, model in models.items() if name not in found}
    for inspection in _ask(question, missing, folder) if missing else ():
        found[inspection.id] = inspection
    return {name: found[name] for name in models}


def _ask(
    question: Question, models: Mapping[str, ResolvedModel], folder: Path
) -> Sequence[Inspection]:
    try:
        return _call(question, models, folder)
    except JobFailed as error:
        if len(models) == 1:
            raise
        return _ask_one_by_one(question, models, folder, error)


def _ask_one_by_one(
    question: Question, models: Mapping[str, ResolvedModel], folder: Path, cause: JobFailed
) -> Sequence[Inspection]:
    """After a crash: which candidate was it? Answers of the others are kept."""
    found: list[Inspection] = []
    for name, model in models.items():
        try:
            found.extend(_call(question, {name: model}, folder.with_name(f"inspect-{name}")))
        except JobFailed as error:
            last = error.log_tail.strip().splitlines()
            why = last[-1] if last else str(error)
            found.append(Inspection(name, f"loading it ended the process: {why}"))
    if all(each.refused for each in found):
        raise cause
    return found


def _call(
    question: Question, models: Mapping[str, ResolvedModel], folder: Path
) -> Sequence[Inspection]:
    spec = InspectSpec(
        task=question.task,
        models=tuple(
            ModelRef(name, str(model.path.absolute()), model.trust_remote_code)
            for name, model in models.items()
        ),
        labels=question.labels,
        sample=question.sample,
        max_length=question.max_length,
        quantize=question.quantize,
        graphs=question.graphs,
    )
    result: InspectResult = processes.call(spec, InspectResult, folder, threads=machine.cores())
    for each in result.inspections:
        answer = documents.to_json(InspectResult((each,)))
        remembered.remember(KIND, key(question, models[each.id]), answer)
    return result.inspections


def _known(question: Question, name: str, model: ResolvedModel) -> Inspection | None:
    """What is remembered, under today's id of the candidate; what cannot be read is asked anew."""
    data = remembered.read(KIND, key(question, model))
    if data is None:
        return None
    try:
        return replace(documents.from_json(InspectResult, data).inspections[0], id=name)
    except (InputError, IndexError):
        return None


def key(question: Question, model: ResolvedModel) -> str:
    """Return the name an answer is remembered under: the content of all that decides it."""
    facts = {
        "files": [[each.path, each.sha256] for each in model.files],
        "code": model.trust_remote_code,
        "task": question.task,
        "labels": question.labels,
        "sample": question.sample,
        "max_length": question.max_length,
        "quantize": question.quantize,
        "graphs": question.graphs,
        "versions": dict(question.versions),
        "automl": _source_hash(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@cache
def _source_hash() -> str:
    digest = hashlib.sha256()
    for package in CODE:
        for path in sorted((Path(__file__).parent.parent / package).glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
