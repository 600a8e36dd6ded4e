"""The measure job: times real training steps under each setting this machine might run fastest in.

Settings alternate over the same batches in one process; what the device can't do is left out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from automl import tasks
from automl.jobs import MeasureResult, MeasureSpec, Timing
from automl.tasks._text import load_tokenizer
from automl.worker import cache, device, sampling

WARM_UP_STEPS = 2
_LEARNING_RATE = 1e-6
"""Small enough that the weights stay ordinary numbers; the time of a step doesn't depend on it."""


def measure(spec: MeasureSpec) -> MeasureResult:
    """Return the median seconds of ``spec.steps`` steps per setting, and the peak memory.

    The memory includes a step on the batch with the longest row.
    """
    torch.manual_seed(0)
    chosen = device.select(spec.devices)
    trainee = _Trainee(spec, chosen)
    longest, *batches = _batches(spec, trainee)
    timings = [
        Timing(threads, precision, _seconds(trainee, batches, longest, threads, precision))
        for precision in spec.precisions
        if device.supports(precision, chosen)
        for threads in spec.threads
    ]
    return MeasureResult(
        timings=tuple(timings),
        batch_size=spec.batch_size,
        peak_memory_bytes=device.peak_memory(chosen),
    )


class _Trainee:
    """A model under training, with what a step needs."""

    def __init__(self, spec: MeasureSpec, chosen: torch.device) -> None:
        self.task = tasks.get(spec.task)
        self.tokenizer = load_tokenizer(spec.model.path, spec.model.trust_remote_code)
        self.device = chosen
        self.model: Any = self.task.build(
            spec.model.path, spec.data.labels, {}, spec.model.trust_remote_code
        ).to(chosen)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=_LEARNING_RATE, fused=True)

    def step(self, batch: dict[str, torch.Tensor], precision: device.Precision) -> float:
        """Take one optimizer step on the batch and return its seconds."""
        began = time.perf_counter()
        self.model.train()
        with device.autocast(precision, self.device):
            loss = self.model(**{name: x.to(self.device) for name, x in batch.items()}).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - began


def _batches(spec: MeasureSpec, trainee: _Trainee) -> list[dict[str, torch.Tensor]]:
    """Return the batch with the longest row, then ``steps`` ordinary ones (repeated if few)."""
    rows = cache.encoded(trainee.task, spec.data, "train", trainee.tokenizer, Path(spec.tokens))
    size = min(spec.batch_size, len(rows))
    order = sampling.order(rows.lengths, size, seed=0, epoch=0)
    collate = trainee.task.collator(trainee.tokenizer)
    count = len(rows) // size
    ordinary = [1 + index % (count - 1) if count > 1 else 0 for index in range(spec.steps)]
    return [
        collate([rows[row] for row in order[index * size : (index + 1) * size]])
        for index in (0, *ordinary)
    ]


def _seconds(
    trainee: _Trainee,
    batches: Sequence[dict[str, torch.Tensor]],
    longest: dict[str, torch.Tensor],
    threads: int,
    precision: device.Precision,
) -> float:
    torch.set_num_threads(threads)
    for batch in (longest, *batches[: WARM_UP_STEPS - 1]):
        trainee.step(batch, precision)
    return median(trainee.step(batch, precision) for batch in batches)
