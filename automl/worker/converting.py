"""The convert job: a model in further formats, each verified with the very files that leave.

A format that can't be made, or loses too much, is refused with the reason; it stops no other.
"""

from __future__ import annotations

import shutil
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from automl import tasks
from automl.errors import AutoMLError, CandidateError
from automl.jobs import ConvertResult, ConvertSpec, FormatFacts, Speed
from automl.tasks import Task, _weights
from automl.worker import cache, device, failures, models, parity, store, turns
from automl.worker.formats import Maker
from automl.worker.parity import Goal, Sample


def convert(spec: ConvertSpec) -> ConvertResult:
    """Return what each format is worth; the files of those that leave are in their folders.

    ``spec.target`` holds a folder a format, with its files by their path in a bundle. Raises
    CandidateError when the model itself can't be loaded.
    """
    began = time.monotonic()
    torch.set_num_threads(spec.threads)
    task = tasks.get(spec.task)
    where = device.select(spec.devices)
    model = models.trained(task, spec.model, where)
    sample = _sample(task, spec, model, where)
    goal = _goal(task, spec)
    deciding = tasks.deciding(task, spec.thresholds)
    found: dict[str, FormatFacts] = {}
    made = _made(Maker(task, spec, model, sample), spec, found)
    loaded = {_weights.SAFETENSORS: model, **_loaded(task, spec, made, where, found)}
    found |= parity.compare(deciding, loaded, sample, goal, spec.batch_size)
    speed = _speeds(task, {n: m for n, m in loaded.items() if not found[n].refused}, sample, where)
    for name in loaded:
        facts = replace(found[name], speed=speed.get(name, {}), **_files(spec, name, made))
        found[name] = _judged(facts, goal, found[_weights.SAFETENSORS])
    _remove_refused(spec, found)
    ordered = {name: found[name] for name in (_weights.SAFETENSORS, *spec.formats)}
    return ConvertResult(ordered, goal.metric, time.monotonic() - began)


def _files(spec: ConvertSpec, name: str, made: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return a format's ``files`` and ``bytes``."""
    if name == _weights.SAFETENSORS:
        return {"bytes": _weights.size(Path(spec.model.path))}
    folder = Path(spec.target) / name
    return {"files": made[name], "bytes": sum((folder / f).stat().st_size for f in made[name])}


def _sample(task: Task, spec: ConvertSpec, model: Any, where: torch.device) -> Sample:
    labels = spec.data.labels
    tokenizer = task.processor(spec.model.path, spec.model.trust_remote_code)
    most = min(spec.rows, task.evaluated(spec.rows))
    columns = cache.read_columns(Path(spec.data.tables["validation"]), most)
    limit = models.reach(model, tokenizer, spec.data.max_length)
    rows = store.rows(task.encode(columns, tokenizer, limit, labels))
    collate = task.collator(tokenizer)
    rows = models.with_reference(task, spec.base, labels, rows, collate, spec.batch_size, where)
    return Sample(columns, rows, labels, tokenizer, limit)


def _made(
    maker: Maker, spec: ConvertSpec, found: dict[str, FormatFacts]
) -> dict[str, tuple[str, ...]]:
    """Write what can be written; return the files by format. What can't is noted in ``found``."""
    made = {}
    for name in spec.formats:
        try:
            made[name] = maker.write(name, Path(spec.target, name))
        except CandidateError as error:
            found[name] = _failed(error)
    return made


def _goal(task: Task, spec: ConvertSpec) -> Goal:
    """Return what formats are judged by: the task's own objective where the search's is a cost."""
    if any(each.name == spec.metric for each in task.metrics):
        return Goal(spec.metric, spec.direction, spec.most_loss)
    own = next(each for each in task.metrics if each.name == task.objective)
    return Goal(own.name, own.direction, spec.most_loss)


def _failed(error: BaseException) -> FormatFacts:
    if not isinstance(error, AutoMLError):
        traceback.print_exception(error, file=sys.stderr)
    return FormatFacts(refused=failures.message(error))


def _loaded(
    task: Task,
    spec: ConvertSpec,
    made: Mapping[str, tuple[str, ...]],
    where: torch.device,
    found: dict[str, FormatFacts],
) -> dict[str, Any]:
    """Return the models of the files that were written; what can't be loaded and asked is noted."""
    loaded = {}
    for name in made:
        try:
            on = _able(name, where)
            loaded[name] = _weights.load(
                task, Path(spec.target, name), name, on, spec.model.trust_remote_code
            )
        except Exception as error:  # of onnxruntime, or of weights in another number format
            found[name] = _failed(error)
    return loaded


def _able(name: str, where: torch.device) -> torch.device:
    """Return where a format is computed: an onnxruntime without CUDA leaves a GPU alone."""
    if name in _weights.GRAPHS and where.type != "cpu" and not _weights.graphs_on(where.type):
        return torch.device("cpu")
    return where


def _speeds(
    task: Task, loaded: Mapping[str, Any], sample: Sample, where: torch.device
) -> dict[str, dict[str, Speed]]:
    """Return each format's speed by kind of device, on the CPU and on the GPU where there is one.

    What was compared on the GPU comes to the CPU for it; graphs stay where their session is.
    """
    kinds: dict[str, Mapping[str, Any]] = {}
    if where.type != "cpu":
        here = {name: model for name, model in loaded.items() if _is_on(model, where)}
        kinds[where.type] = turns.speeds(task, here, sample)
        loaded = {
            name: model if name in _weights.GRAPHS else model.to("cpu")
            for name, model in loaded.items()
        }
    cpu = torch.device("cpu")
    there = {name: model for name, model in loaded.items() if _is_on(model, cpu)}
    kinds[cpu.type] = turns.speeds(task, there, sample)
    return {
        name: {kind: speed[name] for kind, speed in kinds.items() if name in speed}
        for name in loaded
    }


def _is_on(model: Any, where: torch.device) -> bool:
    return bool(next(model.parameters()).device.type == where.type)


def _judged(facts: FormatFacts, goal: Goal, whole: FormatFacts) -> FormatFacts:
    """Refuse a format that loses more of the metric than it may, against the ``whole`` weights."""
    if facts.refused:
        return replace(facts, files=())
    if facts.loss is None or facts.loss <= goal.most_loss:
        return facts
    why = (
        f"{goal.metric} is {whole.metric:.4f} with safetensors and {facts.metric:.4f} with it on "
        f"{facts.rows:,} validation rows: {facts.loss:.4f} lost, {goal.most_loss:g} allowed"
    )
    return replace(facts, refused=why, files=())


def _remove_refused(spec: ConvertSpec, found: Mapping[str, FormatFacts]) -> None:
    for name in spec.formats:
        if found[name].refused:
            shutil.rmtree(Path(spec.target, name), ignore_errors=True)
