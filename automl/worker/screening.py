"""The screen job: how well each candidate tells the classes apart as it is, without fine-tuning.

One candidate never stops another: what can't be compared is refused with a reason.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from automl import tasks
from automl.errors import CandidateError
from automl.jobs import ModelRef, ScreenResult, ScreenScore, ScreenSpec
from automl.tasks import Task
from automl.worker import device, failures, features, logistic, ridge, separation, store

BATCH_ROWS = 64

Features = npt.NDArray[np.float32]
Targets = npt.NDArray[np.int64]


def screen(spec: ScreenSpec) -> ScreenResult:
    """Return one score per model, in the order asked, by the best of its layers.

    ``probe`` and ``knn`` score accuracy on rows held out, 0 to 1; ``h_score`` and ``logme`` are raw
    numbers. More is better by all four. The same spec gives the same scores, seconds aside.
    """
    torch.set_num_threads(spec.threads)
    task = tasks.get(spec.task)
    return ScreenResult(tuple(_screen(task, spec, model) for model in spec.models))


def _screen(task: Task, spec: ScreenSpec, model: ModelRef) -> ScreenScore:
    began = time.monotonic()
    try:
        by_layer, targets = _features(task, spec, model)
        embedded = time.monotonic() - began
        score, layer = best_layer(by_layer, targets, spec)
    except Exception as error:  # someone else's files and code: any failure is a reason
        if not isinstance(error, CandidateError):
            traceback.print_exc(file=sys.stderr)
        return ScreenScore(
            model.id, 0.0, 0, time.monotonic() - began, refused=failures.message(error)
        )
    seconds = time.monotonic() - began
    print(
        f"{model.id}: {spec.by} {score:.4f} at layer {layer} of {by_layer.shape[1] - 1}; "
        f"{len(targets)} rows embedded in {embedded:.1f} s, {seconds:.1f} s in all",
        flush=True,
    )
    return ScreenScore(model.id, score, layer, seconds)


def _features(task: Task, spec: ScreenSpec, ref: ModelRef) -> tuple[Features, Targets]:
    """Return the sample's features by layer, and its class indices."""
    tokenizer = task.processor(ref.path, ref.trust_remote_code)
    torch.manual_seed(spec.seed)
    model: Any = task.build(ref.path, spec.labels, {}, ref.trust_remote_code)
    model.to(device.select(spec.devices))
    columns = {role: [row[role] for row in spec.sample] for role in spec.sample[0]}
    rows = store.rows(task.encode(columns, tokenizer, spec.max_lengths[ref.id], spec.labels))
    collate, targets = task.collator(tokenizer), rows.scalars("labels").astype(np.int64)
    progress = _progress(ref.id, len(rows))
    try:
        found = features.by_layer(
            model, rows, collate, BATCH_ROWS, features.natural(model), between=progress
        )
    except CandidateError:
        if not task.media:
            raise
        # What sees by convolutions has layers of many shapes: what its head reads is compared.
        found = features.at_head(model, rows, collate, BATCH_ROWS)[:, None]
    return found, targets


def _progress(name: str, total: int) -> Callable[[int], None]:
    """Return what says, every tenth of the rows, how many are done."""
    said = 0

    def say(done: int) -> None:
        nonlocal said
        if done - said >= total / 10:
            said = done
            print(f"{name}: {done} of {total} rows embedded", flush=True)

    return say


def best_layer(by_layer: Features, targets: Targets, spec: ScreenSpec) -> tuple[float, int]:
    """Return the highest score and its layer; of equal ones the first, which is the cheaper."""
    if spec.by == "probe":
        return _probe(by_layer, targets, len(spec.labels), spec)
    score = {
        "h_score": separation.h_score,
        "logme": separation.logme,
        "knn": separation.neighbours,
    }[spec.by]
    scores = [score(by_layer[:, layer], targets) for layer in range(by_layer.shape[1])]
    layer = int(np.argmax(scores))
    return scores[layer], layer


def _probe(
    by_layer: Features, targets: Targets, classes: int, spec: ScreenSpec
) -> tuple[float, int]:
    """Return the accuracy of a logistic regression, cross-validated, on the best layer.

    The layer is the one on which a ridge regression does best.
    """
    fold = logistic.folds(targets, spec.seed)
    layer = ridge.best_layer(by_layer, targets, fold)
    scores = logistic.held_out(
        by_layer[:, layer],
        targets,
        classes,
        logistic.accuracy,
        fold,
        tuple(range(logistic.FOLDS)),
        device=device.select(spec.devices),
    )
    return float(scores.max()), layer
