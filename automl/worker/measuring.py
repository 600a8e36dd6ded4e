"""The measure job: times real training steps under each setting this machine might run fastest in.

Settings alternate over the same batches in one process; then, under the fastest, batch sizes and
evaluation are timed. What the device can't do is left out; what doesn't fit is said to not fit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import torch

from automl import tasks
from automl.jobs import BatchCost, MeasureResult, MeasureSpec, Timing
from automl.tasks._layers import embeddings
from automl.tasks._text import load_tokenizer
from automl.worker import cache, device, failures, sampling
from automl.worker.store import Rows

COMPARED_STEPS = 4
"""Steps timed per setting, after one to warm up: enough to tell apart settings that matter."""
HOPELESS = 1.5
"""A setting whose first step takes this much longer than the best is not timed further."""
SECONDS = 1.0
"""Time one batch size is given; slow models are timed over fewer steps, at least two."""
FEWEST_STEPS = 2
_LEARNING_RATE = 1e-6
"""Small enough that the weights stay ordinary numbers; the time of a step doesn't depend on it."""

Batch = dict[str, torch.Tensor]


def measure(spec: MeasureSpec) -> MeasureResult:
    """Return what training and evaluating the candidate costs on the spec's device.

    The settings are timed at ``spec.batch_size`` (halved until it fits), the batch sizes and
    evaluation under the fastest of them. Memory includes a step on the batch with the longest row.
    Raises what a step raises when not even one row fits.
    """
    began = time.perf_counter()
    torch.manual_seed(0)
    chosen = device.select(spec.devices)
    torch.set_num_threads(max(spec.threads))
    trainee = _Trainee(spec, chosen)
    started = _seconds_of_process_before(began) + time.perf_counter() - began
    rows = cache.encoded(trainee.task, spec.data, "train", trainee.tokenizer, Path(spec.tokens))
    bench = _Bench(trainee, rows, trainee.task.collator(trainee.tokenizer))
    size, timings = _compared(spec, bench)
    best = _best(timings)
    torch.set_num_threads(best.threads)
    sizes = sorted({*spec.batch_sizes, size})
    return MeasureResult(
        timings=timings,
        batch_size=size,
        peak_memory_bytes=device.peak_memory(chosen),
        seconds_per_evaluated_row=bench.evaluation(size, best.precision),
        start_seconds=started,
        frozen_share=bench.frozen_share(size, best),
        batches=tuple(bench.costs(sizes, size, best.precision, spec.steps, spec.memory_bytes)),
    )


def _seconds_of_process_before(began: float) -> float:
    """How long this process had been starting by then: the interpreter and its imports."""
    alive = time.time() - psutil.Process().create_time()
    return max(0.0, alive - (time.perf_counter() - began))


def _compared(spec: MeasureSpec, bench: _Bench) -> tuple[int, tuple[Timing, ...]]:
    """Return the batch size that fits and every setting's time at it."""
    size = min(spec.batch_size, len(bench.rows))
    while True:
        try:
            return size, tuple(_timings(spec, bench, size))
        except (RuntimeError, MemoryError) as error:
            if failures.kind(error) != "out_of_memory" or size == 1:
                raise
        bench.trainee.forget()
        size //= 2


def _timings(spec: MeasureSpec, bench: _Bench, size: int) -> Iterator[Timing]:
    """Thread counts are compared in the first precision, the others under the best count."""
    bench.try_longest(size, spec.precisions[0])
    found: list[Timing] = []
    for precision in spec.precisions:
        if not device.supports(precision, bench.trainee.device):
            continue
        for threads in (_best(found).threads,) if found else spec.threads:
            torch.set_num_threads(threads)
            limit = HOPELESS * _best(found).seconds_per_step if found else float("inf")
            seconds = bench.seconds(size, precision, COMPARED_STEPS, limit)
            found.append(Timing(threads, precision, median(seconds)))
            yield found[-1]


def _best(timings: Sequence[Timing]) -> Timing:
    return min(timings, key=lambda timing: timing.seconds_per_step)


class _Trainee:
    """A model under training, with what a step needs."""

    def __init__(self, spec: MeasureSpec, chosen: torch.device) -> None:
        self.task = tasks.get(spec.task)
        self.tokenizer = load_tokenizer(spec.model.path, spec.model.trust_remote_code)
        self.device = chosen
        self.model: Any = self.task.build(
            spec.model.path,
            spec.data.labels,
            spec.hyperparameters,
            spec.model.trust_remote_code,
        ).to(chosen)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=_LEARNING_RATE, fused=True)

    def step(self, batch: Batch, precision: device.Precision) -> float:
        """Take one optimizer step on the batch and return its seconds."""
        began = time.perf_counter()
        self.model.train()
        with device.autocast(precision, self.device):
            loss = self.model(**{name: x.to(self.device) for name, x in batch.items()}).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return self._since(began)

    def evaluate(self, batch: Batch, precision: device.Precision) -> float:
        """Predict the batch and return the seconds it took."""
        began = time.perf_counter()
        self.model.eval()
        with torch.no_grad(), device.autocast(precision, self.device):
            self.model(**{name: x.to(self.device) for name, x in batch.items() if name != "labels"})
        return self._since(began)

    def forget(self) -> None:
        """Give back what a step that ran out of memory held."""
        self.optimizer.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _since(self, began: float) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - began


@dataclass(slots=True)
class _Bench:
    """Times one model on batches of the training rows."""

    trainee: _Trainee
    rows: Rows
    collate: Any

    def try_longest(self, batch_size: int, precision: device.Precision) -> None:
        """Take a step on the batch that holds the longest row: it needs the most memory."""
        self.trainee.step(self._batches(batch_size, 0)[0], precision)

    def seconds(
        self,
        batch_size: int,
        precision: device.Precision,
        steps: int,
        hopeless: float = float("inf"),
    ) -> list[float]:
        """Return the seconds of up to ``steps`` ordinary steps, after one to warm up.

        Ends after ``SECONDS``, or where a step takes longer than ``hopeless``.
        """
        _, *batches = self._batches(batch_size, steps)
        self.trainee.step(batches[0], precision)
        taken: list[float] = []
        for batch in batches:
            taken.append(self.trainee.step(batch, precision))
            enough = len(taken) >= FEWEST_STEPS and sum(taken) > SECONDS
            if enough or taken[-1] > hopeless:
                break
        return taken

    def costs(
        self,
        batch_sizes: Sequence[int],
        fitting: int,
        precision: device.Precision,
        steps: int,
        memory_bytes: int | None,
    ) -> Iterator[BatchCost]:
        """Yield the cost of each batch size, given in rising order; ``fitting`` is one that fits.

        A size expected to need more than ``memory_bytes`` is not tried; after one that doesn't fit,
        none does.
        """
        resting = device.memory(self.trainee.device)
        per_row = (device.peak_memory(self.trainee.device) - resting) / fitting
        full = False
        for size in batch_sizes:
            expected = int(resting + per_row * size)
            full = full or (size > fitting and expected > (memory_bytes or expected))
            taken = None if full else self._fitting_seconds(size, precision, steps)
            full = taken is None
            yield BatchCost(
                size,
                median(taken) if taken else None,
                device.peak_memory(self.trainee.device) if taken else expected,
                len(taken or ()),
            )

    def _fitting_seconds(
        self, size: int, precision: device.Precision, steps: int
    ) -> list[float] | None:
        try:
            self.try_longest(size, precision)
            return self.seconds(size, precision, steps)
        except (RuntimeError, MemoryError) as error:
            if failures.kind(error) != "out_of_memory":
                raise
        self.trainee.forget()
        return None

    def evaluation(self, batch_size: int, precision: device.Precision) -> float:
        """Return the seconds of evaluating one row."""
        _, *batches = self._batches(batch_size, FEWEST_STEPS)
        self.trainee.evaluate(batches[0], precision)
        taken = [self.trainee.evaluate(batch, precision) for batch in batches]
        return median(taken) / min(batch_size, len(self.rows))

    def frozen_share(self, batch_size: int, best: Timing) -> float:
        """Return what a step takes with frozen embeddings, of what it takes without; at most 1."""
        frozen = list(embeddings(self.trainee.model).parameters())
        for parameter in frozen:
            parameter.requires_grad_(False)
        taken = self.seconds(batch_size, best.precision, FEWEST_STEPS)
        for parameter in frozen:
            parameter.requires_grad_(True)
        return min(1.0, median(taken) / best.seconds_per_step)

    def _batches(self, batch_size: int, steps: int) -> list[Batch]:
        """Return the batch with the longest row, then ``steps`` ordinary ones (repeated if few)."""
        size = min(batch_size, len(self.rows))
        order = sampling.order(self.rows.lengths, size, seed=0, epoch=0)
        count = len(self.rows) // size
        ordinary = [1 + index % (count - 1) if count > 1 else 0 for index in range(steps)]
        return [
            self.collate([self.rows[row] for row in order[index * size : (index + 1) * size]])
            for index in (0, *ordinary)
        ]
