"""The processes of one trial: which this is, and the few words they exchange.

Control goes over gloo, on the CPU: waiting for a GPU each step would cost more than the step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process's rank among ``processes``; with one process nothing is ever exchanged."""

    rank: int
    processes: int
    group: Any = None
    sharded: bool = False
    """Whether each process holds a part of the model: all must then compute the same together."""

    @property
    def part(self) -> tuple[int, int]:
        """Which part of the rows to predict is this process's, of how many; all where sharded."""
        return (0, 1) if self.sharded else (self.rank, self.processes)

    @property
    def first(self) -> bool:
        """Whether this is the process that speaks for all."""
        return self.rank == 0

    def share(self, value: int) -> int:
        """Return rank 0's ``value`` on every rank."""
        if self.processes == 1:
            return value
        cell = torch.tensor([value], dtype=torch.int64)
        dist.broadcast(cell, src=0, group=self.group)
        return int(cell)

    def total(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the sum of the ranks' arrays, all of one shape."""
        if self.processes == 1:
            return values
        summed = torch.from_numpy(values.copy())
        dist.all_reduce(summed, group=self.group)
        found: npt.NDArray[np.float32] = summed.numpy()
        return found

    def joined(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return what all ranks predicted, each its ``part`` and zeros elsewhere."""
        return values if self.sharded else self.total(values)

    def merge(self, values: Sequence[Any]) -> list[Any]:
        """Return what all ranks predicted in one list, each its ``part`` and None elsewhere."""
        if self.processes == 1 or self.sharded:
            return list(values)
        everyones: list[Any] = [None] * self.processes
        dist.all_gather_object(everyones, list(values), group=self.group)
        return [
            next(one for one in said if one is not None) for said in zip(*everyones, strict=True)
        ]

    def meet(self) -> None:
        """Wait until every rank has come this far."""
        if self.processes > 1:
            dist.barrier(group=self.group)


def meet_on_cpu(processes: int, seconds: float) -> None:
    """Meet the trial's other processes over gloo; a collective longer than ``seconds`` raises.

    On GPUs Trainer does so. Where it computes on a CPU it does not pass its timeout on, and a
    process would wait for half an hour (transformers 5.23, accelerate 1.15).
    """
    if processes > 1:
        dist.init_process_group("gloo", timeout=timedelta(seconds=seconds))


def join(seconds: float, sharded: bool = False) -> Ranks:
    """Return this process's place among those that torch.distributed knows of.

    A word that takes longer than ``seconds`` to come raises RuntimeError: its sender hangs.
    """
    if not dist.is_initialized():
        return Ranks(0, 1)
    group = dist.new_group(backend="gloo", timeout=timedelta(seconds=seconds))
    return Ranks(dist.get_rank(), dist.get_world_size(), group, sharded)


def leave() -> None:
    """Take leave of the others, if there are any."""
    if dist.is_initialized():
        dist.destroy_process_group()
