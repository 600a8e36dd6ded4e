"""The calibrate job: one temperature for a classifier's logits, and the thresholds it decides by.

The temperature goes into the weights of the last layer, so that whatever loads the model gets
calibrated probabilities; which class is the most probable does not change. Thresholds are chosen
after that, on what the calibrated model says.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from automl import tasks
from automl.errors import CandidateError
from automl.jobs import CalibrateResult, CalibrateSpec, Calibration
from automl.worker import cache, device, durable, head, models, store, temperature, thresholds
from automl.worker.prediction import predicted

_TRIED_ROWS = 8
_ROUNDING = 1e-3
"""By how much scaled logits may differ from the logits scaled, of the largest."""


def calibrate(spec: CalibrateSpec) -> CalibrateResult:
    """Return what was tuned on validation; a calibrated model lies in ``spec.target``.

    Raises CandidateError when the model can't be loaded, ValueError for a task without
    probabilities.
    """
    began = time.monotonic()
    torch.set_num_threads(spec.threads)
    task, labels = tasks.get(spec.task), spec.data.labels
    if task.probabilities is None:
        raise ValueError(f"{spec.task} says no probabilities")
    model = models.trained(task, spec.model, device.select(spec.devices))
    tokenizer = task.processor(spec.model.path, spec.model.trust_remote_code)
    columns = cache.read_columns(Path(spec.data.tables["validation"]), task.evaluation_rows)
    limit = models.reach(model, tokenizer, spec.data.max_length)
    rows = store.rows(task.encode(columns, tokenizer, limit, labels))
    logits = predicted(task, model, tokenizer, rows, columns, labels, spec.batch_size)
    targets = task.targets(columns, labels)
    mended, tuned = None, None
    if spec.calibration:
        mended = temperature.calibration(logits, targets, task.probabilities, spec.seed)
        if mended.taken:
            few = [rows[row] for row in range(min(len(rows), _TRIED_ROWS))]
            mended = _kept(spec, model, tokenizer, task.collator(tokenizer)(few), mended)
        logits = logits / np.float32(mended.temperature)
    if spec.thresholds:
        goal = spec.metric, spec.direction
        tuned = thresholds.choose(task, logits, targets, labels, *goal, spec.seed)
    return CalibrateResult(mended, tuned, time.monotonic() - began)


def _kept(
    spec: CalibrateSpec, model: Any, tokenizer: Any, batch: dict[str, Any], mended: Calibration
) -> Calibration:
    """Save the calibrated model, or say why it can't be one."""
    where = next(model.parameters()).device
    inputs = {name: x.to(where) for name, x in batch.items() if name != "labels"}
    why_not = fold(model, inputs, mended.temperature)
    if why_not:
        return replace(mended, temperature=1.0, why_not=why_not)
    with durable.replacing(Path(spec.target)) as folder:
        model.save_pretrained(folder, save_original_format=False)
        tokenizer.save_pretrained(folder)
    return mended


def fold(model: Any, inputs: head.Inputs, temperature: float) -> str:
    """Divide by the temperature in the last layer's weights; return why not, or an empty text.

    The model is left as it was where its logits, tried on ``inputs``, don't follow exactly.
    """
    try:
        layer = model.get_submodule(head.last_linear(model, inputs))
    except CandidateError as error:
        return str(error)
    weights = [each for each in (layer.weight, layer.bias) if each is not None]
    kept = [each.detach().clone() for each in weights]
    with torch.no_grad():
        before = model(**inputs).logits.double()
        for each in weights:
            each.div_(temperature)
        after = model(**inputs).logits.double() * temperature
        if (after - before).abs().max() <= _ROUNDING * before.abs().max():
            return ""
        for each, was in zip(weights, kept, strict=True):
            each.copy_(was)
    return "its logits are more than what its last linear layer says"
