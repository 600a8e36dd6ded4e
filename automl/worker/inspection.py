"""The inspect job: loads each candidate with the task's head, tries it, measures text lengths.

What doesn't fit is refused with a reason a person understands; one candidate never stops another.
"""

from __future__ import annotations

import math
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from automl import tasks
from automl.errors import CandidateError
from automl.jobs import Inspection, InspectResult, InspectSpec, ModelRef
from automl.tasks import Task, _loading
from automl.worker import adapters, failures, graph_trial, models, store

_TRIED_ROWS = 8
_ROUND_TO = 8
"""Lengths are rounded up to a multiple of this, as matrix units like them."""


def inspect(spec: InspectSpec) -> InspectResult:
    """Return one inspection per candidate, in order."""
    task = tasks.get(spec.task)
    return InspectResult(tuple(_inspect(task, spec, model) for model in spec.models))


def _inspect(task: Task, spec: InspectSpec, model: ModelRef) -> Inspection:
    try:
        return _fitting(task, spec, model)
    except CandidateError as error:
        return Inspection(model.id, refused=failures.message(error))
    except Exception as error:  # someone else's files and code: any failure is a reason
        traceback.print_exc(file=sys.stderr)
        return Inspection(model.id, refused=f"it fails on the data: {failures.message(error)}")


def _fitting(task: Task, spec: InspectSpec, ref: ModelRef) -> Inspection:
    columns = {role: [row[role] for row in spec.sample] for role in spec.sample[0]}
    tokenizer, notes = _loading.adapted(task, ref.path, ref.trust_remote_code, lambda: columns)
    model = task.build(ref.path, spec.labels, {}, ref.trust_remote_code)
    models.check_vocabulary(model, tokenizer)
    limit = models.length_limit(model, tokenizer)
    whole = task.encode(columns, tokenizer, models.NO_LIMIT, spec.labels)
    lengths = np.array(task.lengths(whole))
    usual = min(limit, task.usual_length or limit) if spec.max_length is None else limit
    max_length = choose_length(lengths, spec.max_length, usual, 100 if task.whole else 99)
    encoded = task.encode(columns, tokenizer, max_length, spec.labels)
    if task.begin is not None:
        task.begin(model, tokenizer, store.rows(encoded))
    rows = _longest(task, encoded)
    _try(task, model, tokenizer, rows)
    room, parameters = _room(model), models.parameters(model)
    why_not = (
        graph_trial.why_not(task, ref, spec.labels, model, tokenizer, encoded)
        if spec.graphs
        else ""
    )
    if spec.quantize:
        _try_quantized(task, model, tokenizer, rows)
    return Inspection(
        ref.id,
        refused=None,
        parameters=parameters,
        max_length=max_length,
        lengths=_summary(lengths, max_length, whole=_count(encoded) > _count(whole)),
        adapters=room.per_rank,
        head=room.head,
        target_length=_target_length(model, whole),
        notes=notes,
        no_graphs=why_not,
    )


def _room(model: Any) -> adapters.Room:
    """A model whose head can't be told from its body may still be trained whole."""
    try:
        return adapters.room(model)
    except CandidateError as error:
        print(failures.message(error), file=sys.stderr)
        return adapters.Room({}, 0)


def _try_quantized(task: Task, model: Any, tokenizer: Any, rows: list[dict[str, Any]]) -> None:
    """Raise CandidateError where the model can't be trained in four bits here; changes the model.

    Tried on this machine's processor; a GPU that bitsandbytes runs on can do all that it can.
    """
    try:
        adapters.attach(model, {"method": "qlora"})
        _try(task, model, tokenizer, rows)
    except Exception as error:  # another library's: whatever it raises is the reason
        raise CandidateError(
            f"it can't be trained by qlora: {failures.message(error)}; leave qlora out of "
            "search.space.method"
        ) from error


def _target_length(model: Any, encoded: Mapping[str, Sequence[Any]]) -> int:
    labels = encoded.get("labels", (0,))
    if not model.config.is_encoder_decoder or not hasattr(labels[0], "__len__"):
        return 0  # of an encoder that hears, its class alone is said
    return max(len(each) for each in labels)


def _count(encoded: Mapping[str, Sequence[Any]]) -> int:
    return len(next(iter(encoded.values())))


def choose_length(
    lengths: Sequence[int] | np.ndarray, wish: int | None, limit: int, percent: int = 99
) -> int:
    """Return the tokens texts are cut to: the wish, else what 99% of ``lengths`` need, rounded up.

    Never more than ``limit``.
    """
    if wish is None:
        wish = math.ceil(float(np.percentile(lengths, percent)) / _ROUND_TO) * _ROUND_TO
    return min(max(wish, _ROUND_TO), limit)


def _summary(lengths: np.ndarray, max_length: int, *, whole: bool) -> dict[str, float]:
    """``whole`` says that long texts become several rows instead of being cut."""
    return {
        "p50": float(np.percentile(lengths, 50)),
        "p95": float(np.percentile(lengths, 95)),
        "max": float(lengths.max()),
        "truncated_share": 0.0 if whole else float((lengths > max_length).mean()),
    }


def _longest(task: Task, encoded: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return a few encoded rows, the longest of the sample among them."""
    lengths = task.lengths(encoded)
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    return [{name: values[row] for name, values in encoded.items()} for row in order[:_TRIED_ROWS]]


def _try(task: Task, model: Any, tokenizer: Any, rows: list[dict[str, Any]]) -> None:
    """Raise CandidateError when a step's forward pass gives no finite loss."""
    model.eval()
    learn = task.training_collator
    collate = task.collator(tokenizer) if learn is None else learn(tokenizer, 0, {})
    with torch.no_grad():
        loss = models.loss(task, model, collate(rows))
    if loss is None or not bool(torch.isfinite(loss)):
        raise CandidateError("it gives no finite loss on the data")
