"""How a trial's rows become steps: accumulation, warm-up and when to evaluate. Arithmetic only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """A trial's steps. A step is one optimizer update over ``batch_size`` rows of all processes."""

    rows: int
    batch_size: int
    micro_batch: int
    """Rows one process takes at once."""
    accumulation: int
    """Micro-batches per process and step."""
    epochs: float
    warmup_ratio: float
    evaluation_samples: int
    items: int = 0
    """Encoded rows, where a row becomes several; 0: as many as rows."""

    @property
    def steps_per_epoch(self) -> int:
        """Steps that see every row once; the last may be smaller."""
        return math.ceil((self.items or self.rows) / self.batch_size)

    @property
    def total_steps(self) -> int:
        """Steps of the whole trial."""
        return math.ceil(self.epochs * self.steps_per_epoch)

    @property
    def warmup_steps(self) -> int:
        """Steps over which the learning rate rises."""
        return math.ceil(self.warmup_ratio * self.total_steps)

    def samples(self, step: int) -> int:
        """Return the training rows seen after ``step`` steps; of rows in pieces the whole ones."""
        epochs, steps = divmod(step, self.steps_per_epoch)
        items = self.items or self.rows
        return epochs * self.rows + min(steps * self.batch_size, items) * self.rows // items

    def due(self, step: int) -> bool:
        """Return whether to evaluate after ``step``: when enough rows have been seen, and last."""
        passed = self.samples(step) // self.evaluation_samples
        before = self.samples(step - 1) // self.evaluation_samples
        return step > 0 and (passed > before or step == self.total_steps)

    def rung(self, step: int, rungs: Sequence[int]) -> bool:
        """Return whether the evaluation after ``step`` is the first at or past one of ``rungs``.

        ``rungs`` are samples seen. The last step is none: a trial at its end has nothing to ask.
        """
        if not self.due(step) or step >= self.total_steps:
            return False
        before = next((each for each in range(step - 1, 0, -1) if self.due(each)), 0)
        return any(self.samples(before) < level <= self.samples(step) for level in rungs)

    def evaluations(self, step: int) -> int:
        """Return how many evaluations are due up to and including ``step``."""
        return sum(self.due(each) for each in range(1, step + 1))


def plan(
    rows: int,
    batch_size: int,
    epochs: float,
    warmup_ratio: float,
    evaluation_samples: int,
    processes: int,
    micro_batch: int | None,
) -> Pace:
    """Return the pace at which every step sees ``batch_size`` rows, whatever fits at once.

    A process takes the largest divisor of its share that is no larger than ``micro_batch``, so
    that accumulation changes memory and time only. Raises ValueError when the batch can't be
    shared evenly among the processes.
    """
    if batch_size % processes:
        raise ValueError(f"batch_size {batch_size} can't be divided among {processes} processes")
    share = batch_size // processes
    limit = max(1, min(micro_batch or share, share))
    micro = next(size for size in range(limit, 0, -1) if share % size == 0)
    return Pace(
        rows, batch_size, micro, share // micro, epochs, warmup_ratio, max(1, evaluation_samples)
    )
