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
from automl.tasks import Task
from automl.tasks._text import load_tokenizer
from automl.worker import failures, models

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
    tokenizer = load_tokenizer(ref.path, ref.trust_remote_code)
    model = task.build(ref.path, spec.labels, {}, ref.trust_remote_code)
    models.check_vocabulary(model, tokenizer)
    columns = {role: [row[role] for row in spec.sample] for role in spec.sample[0]}
    limit = models.length_limit(model, tokenizer)
    whole = task.encode(columns, tokenizer, models.NO_LIMIT, spec.labels)
    lengths = np.array(task.lengths(whole))
    max_length = choose_length(lengths, spec.max_length, limit)
    _try(task, model, tokenizer, _longest(task, spec, columns, tokenizer, max_length))
    return Inspection(
        ref.id,
        refused=None,
        parameters=models.parameters(model),
        max_length=max_length,
        lengths=_summary(lengths, max_length),
    )


def choose_length(lengths: Sequence[int] | np.ndarray, wish: int | None, limit: int) -> int:
    """Return the tokens texts are cut to: the wish, else what 99% of ``lengths`` need, rounded up.

    Never more than ``limit``.
    """
    if wish is None:
        wish = math.ceil(float(np.percentile(lengths, 99)) / _ROUND_TO) * _ROUND_TO
    return min(max(wish, _ROUND_TO), limit)


def _summary(lengths: np.ndarray, max_length: int) -> dict[str, float]:
    return {
        "p50": float(np.percentile(lengths, 50)),
        "p95": float(np.percentile(lengths, 95)),
        "max": float(lengths.max()),
        "truncated_share": float((lengths > max_length).mean()),
    }


def _longest(
    task: Task,
    spec: InspectSpec,
    columns: Mapping[str, Sequence[Any]],
    tokenizer: Any,
    max_length: int,
) -> list[dict[str, Any]]:
    """Return a few encoded rows, the longest of the sample among them."""
    encoded = task.encode(columns, tokenizer, max_length, spec.labels)
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
