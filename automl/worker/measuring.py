"""The measure job: times real training steps under each setting this machine might run fastest in.

Settings are compared over the same batches; then, under the fastest, batch sizes and evaluation
are timed. What the device can't do is left out; what doesn't fit is said to not fit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
import torch

from automl import tasks
from automl.jobs import BatchCost, MeasureResult, MeasureSpec, Timing
from automl.tasks._layers import embeddings
from automl.worker import adapters, cache, device, failures, models, sampling
from automl.worker.store import Rows

COMPARED_STEPS = 4
"""Steps timed per setting, after one to warm up: enough to tell apart settings that matter."""
HOPELESS = 1.5
"""A setting whose first step takes this much longer than the best is not timed further."""
SECONDS = 1.0
"""Time one batch size is given; slow models are timed over fewer steps, at least two."""
FEWEST_STEPS = 2
SLOW_SECONDS = 0.25
"""A step this long is not timed once more at the batch size at which settings were compared."""
SPACIOUS = 0.5
"""On a CPU, a batch of the longest rows is tried where it might fill more of the memory than this;
below, what it takes is worked out from ordinary batches: it would cost as much time as five."""
_ADAM_COPIES = 3
"""Of every weight trained: its gradient and the optimizer's two moments."""
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
    if trainee.task.begin is not None:
        trainee.task.begin(trainee.model, trainee.tokenizer, rows)
    collate = trainee.task.collator(trainee.tokenizer)
    bench = _Bench(trainee, rows, collate, spec.memory_bytes)
    size, timings = _compared(spec, bench)
    best = _best(timings)
    torch.set_num_threads(best.threads)
    peak = bench.peak_memory(size)
    evaluated = bench.evaluation(size, best.precision)
    return MeasureResult(
        timings=timings,
        batch_size=size,
        peak_memory_bytes=peak,
        seconds_per_evaluated_row=evaluated,
        seconds_per_scored_row=(
            evaluated if best.precision == "fp32" else bench.evaluation(size, "fp32")
        ),
        start_seconds=started,
        frozen_share=bench.frozen_share(size, best),
        batches=tuple(bench.costs(spec, size, best)),
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
        self.tokenizer = models.tokenizer(self.task, spec.model, spec.data)
        self.device = chosen
        self.model: Any = self.task.build(
            spec.model.path,
            spec.data.labels,
            spec.hyperparameters,
            spec.model.trust_remote_code,
        )
        adapters.attach(self.model, spec.hyperparameters)
        self.model.to(chosen)
        trained = [each for each in self.model.parameters() if each.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=_LEARNING_RATE, fused=True)
        weights = sum(each.numel() * each.element_size() for each in trained)
        self.resting_bytes = device.memory(chosen) + _ADAM_COPIES * weights
        """What it takes without any row."""
        self.most_tokens = 0
        """Tokens, padding included, of the largest batch it was trained on."""

    def step(self, batch: Batch, precision: device.Precision) -> float:
        """Take one optimizer step on the batch and return its seconds."""
        began = time.perf_counter()
        self.model.train()
        with device.autocast(precision, self.device):
            inputs = {name: x.to(self.device) for name, x in batch.items()}
            loss = models.loss(self.task, self.model, inputs)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.most_tokens = max(self.most_tokens, max(x.numel() for x in batch.values()))
        return self._since(began)

    def evaluate(self, batch: Batch, precision: device.Precision) -> float:
        """Predict the batch and return the seconds it took."""
        began = time.perf_counter()
        self.model.eval()
        with torch.no_grad(), device.autocast(precision, self.device):
            self.task.infer(self.model, {name: x.to(self.device) for name, x in batch.items()})
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
    """Times one model on batches of the training rows; ``memory_bytes`` is what it may fill."""

    trainee: _Trainee
    rows: Rows
    collate: Any
    memory_bytes: int | None
    _warm: set[tuple[int, device.Precision]] = field(default_factory=set)
    """Threads and precisions that a step has been taken under."""

    def try_longest(self, batch_size: int, precision: device.Precision) -> None:
        """Take a step on the longest rows, which need the most memory, where it might run short."""
        room = self.memory_bytes
        if self._is_cpu and room is not None and self.peak_memory(batch_size) < SPACIOUS * room:
            return
        size = min(batch_size, len(self.rows))
        longest = np.argsort(-self.rows.lengths, kind="stable")[:size]
        self.trainee.step(self.collate([self.rows[int(row)] for row in longest]), precision)

    def seconds(
        self,
        batch_size: int,
        precision: device.Precision,
        steps: int,
        hopeless: float = float("inf"),
    ) -> list[float]:
        """Return the seconds of up to ``steps`` typical steps, after one to warm up if need be.

        Ends after ``SECONDS``, or where a step takes longer than ``hopeless``.
        """
        batches = self._batches(batch_size, steps)
        setting = torch.get_num_threads(), precision
        if setting not in self._warm or not self._is_cpu:
            self.trainee.step(batches[0], precision)
            self._warm.add(setting)
        taken: list[float] = []
        for batch in batches:
            taken.append(self.trainee.step(batch, precision))
            enough = len(taken) >= FEWEST_STEPS and sum(taken) > SECONDS
            if enough or taken[-1] > hopeless:
                break
        return taken

    def costs(self, spec: MeasureSpec, fitting: int, best: Timing) -> Iterator[BatchCost]:
        """Yield the cost of each batch size, rising; ``fitting`` is the one of ``best``.

        A size expected to need more than the memory is not tried; after one that doesn't fit, none
        does.
        """
        full = False
        for size in sorted({*spec.batch_sizes, fitting}):
            room = self.memory_bytes
            expected = self.peak_memory(size)
            full = full or (size > fitting and room is not None and expected > room)
            if size == fitting and best.seconds_per_step > SLOW_SECONDS:
                yield BatchCost(size, best.seconds_per_step, expected, FEWEST_STEPS)
                continue
            taken = None if full else self._fitting_seconds(size, best.precision, spec.steps)
            full = taken is None
            peak = self.peak_memory(size) if taken else expected
            yield BatchCost(size, median(taken) if taken else None, peak, len(taken or ()))

    def peak_memory(self, batch_size: int) -> int:
        """Return the bytes that training at this size has taken, or will by what was seen so far.

        On a GPU the longest rows have been tried; on a CPU more tokens take more.
        """
        seen = device.peak_memory(self.trainee.device)
        longest = int(self.rows.lengths.max(initial=1)) * self.trainee.task.texts
        tokens = min(batch_size, len(self.rows)) * longest
        if tokens <= self.trainee.most_tokens:
            return seen
        fixed = self.trainee.resting_bytes
        per_token = max(0, seen - fixed) / max(1, self.trainee.most_tokens)
        return int(max(seen, fixed + per_token * tokens))

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
        batches = self._batches(batch_size, FEWEST_STEPS)
        size = min(batch_size, len(self.rows))
        first = self.trainee.evaluate(batches[0], precision)
        if first > SECONDS:
            # What generates takes long, and warming up is little of it.
            return first / size
        return median(self.trainee.evaluate(batch, precision) for batch in batches) / size

    def frozen_share(self, batch_size: int, best: Timing) -> float:
        """Return what a step takes with frozen embeddings, of what it takes without; at most 1."""
        if "freeze_embeddings" not in self.trainee.task.knobs:
            return 1.0
        every = embeddings(self.trainee.model).parameters()
        frozen = [parameter for parameter in every if parameter.requires_grad]
        for parameter in frozen:
            parameter.requires_grad_(False)
        taken = self.seconds(batch_size, best.precision, FEWEST_STEPS)
        for parameter in frozen:
            parameter.requires_grad_(True)
        return min(1.0, median(taken) / best.seconds_per_step)

    @property
    def _is_cpu(self) -> bool:
        return self.trainee.device.type == "cpu"

    def _batches(self, batch_size: int, steps: int) -> list[Batch]:
        """Return ``steps`` batches of an epoch, those of nearly its mean length first.

        Few steps then tell what an epoch takes; repeated if there are fewer.
        """
        size = min(batch_size, len(self.rows))
        count = len(self.rows) // size
        order = np.array(sampling.order(self.rows.lengths, size, seed=0, epoch=0)[: count * size])
        batches = order.reshape(count, size)
        padded = self.rows.lengths[batches].max(axis=1)
        typical = np.argsort(np.abs(padded - padded.mean()), kind="stable")
        chosen = [batches[typical[index % count]] for index in range(steps)]
        return [self.collate([self.rows[int(row)] for row in batch]) for batch in chosen]
