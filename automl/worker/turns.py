"""How fast models are that do the same: they take turns on the same rows, in one process.

So what else the machine does slows all of them alike. Knows no formats.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
import torch

from automl.jobs import Speed
from automl.tasks import Task
from automl.worker.parity import Sample, infer

LATENCY_ROWS, AT_ONCE, ROUNDS = 60, 32, 5
WARM_UP = 3
MOST_SECONDS = 60.0
"""Of one of the two measurements: what is slow is measured on fewer rows, but on five at least."""
_LEAST = 5


def speeds(
    task: Task,
    models: Mapping[str, Any],
    sample: Sample,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Speed]:
    """Return each model's speed; ratios are against the first of ``models``.

    Latency is of single rows of all lengths, collated before the clock starts, throughput of
    batches of 32 rows drawn evenly.
    """
    single = _batches(task, sample, LATENCY_ROWS, 1)
    several = _batches(task, sample, ROUNDS * AT_ONCE, AT_ONCE)
    seconds = _in_turns(task, models, single, _LEAST, clock)
    longer = _in_turns(task, models, several, 1, clock)
    first = next(iter(models))
    middle = {name: median(found) for name, found in seconds.items()}
    rates = {name: _rate(several, found) for name, found in longer.items()}
    return {
        name: Speed(
            latency_ms=1e3 * middle[name],
            latency_p95_ms=1e3 * float(np.percentile(seconds[name], 95)),
            rows_per_second=rates[name],
            latency_ratio=middle[name] / middle[first],
            throughput_ratio=rates[name] / rates[first],
        )
        for name in models
    }


def _rate(batches: Sequence[Mapping[str, Any]], seconds: Sequence[float]) -> float:
    """Return rows a second of the batches that there was time for."""
    rows = [len(next(iter(batch.values()))) for batch in batches[: len(seconds)]]
    return sum(rows) / sum(seconds)


def _batches(task: Task, sample: Sample, count: int, size: int) -> list[Mapping[str, Any]]:
    """Return batches of ``size`` rows, ``count`` rows in all where there are as many."""
    collate = task.collator(sample.tokenizer)
    order = np.random.default_rng(0).permutation(len(sample.rows))
    if len(order) < size:
        order = np.resize(order, size)
    order = order[: max(size, count)]
    whole = range(0, len(order) - size + 1, size)
    return [
        collate([sample.rows[int(row)] for row in order[start : start + size]]) for start in whole
    ]


def _in_turns(
    task: Task,
    models: Mapping[str, Any],
    batches: Sequence[Mapping[str, Any]],
    least: int,
    clock: Callable[[], float],
) -> dict[str, list[float]]:
    """Return seconds by model and batch; who begins moves on with each batch."""
    names = list(models)
    for batch in batches[: min(WARM_UP, least)]:
        for name in names:
            infer(task, models[name], batch)
    found: dict[str, list[float]] = {name: [] for name in names}
    start = clock()
    for turn, batch in enumerate(batches):
        if turn >= least and clock() - start > MOST_SECONDS:
            break
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            began = clock()
            infer(task, models[name], batch)
            _wait(models[name])
            found[name].append(clock() - began)
    return found


def _wait(model: Any) -> None:
    device = next(model.parameters()).device
    if device.type == "cuda":
        torch.cuda.synchronize(device)
