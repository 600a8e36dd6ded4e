"""How many trials of a candidate share a GPU, or how many GPUs one takes: from what fits.

Pure. The same plan is laid out otherwise on another machine, so that none of it is in the plan.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from automl.compiler import memory
from automl.compiler.fit import FLOAT, PROCESS, STATES
from automl.compiler.overflow import METHOD
from automl.compiler.space import batch_sizes
from automl.compiler.timing import Setting
from automl.machine import CUDA_CONTEXT_BYTES, Gpu
from automl.plan import Candidate, DevicePlan, Plan, Scalar
from automl.tasks import ADAPTING

PLANNED = 0.9
"""Share of a GPU's memory that is planned with: allocators leave gaps, and drivers hold some."""
MOST_AT_ONCE = 4
"""Trials that share a GPU, at most: beyond, each waits for the others' kernels."""
MOST_PARTS = 8
"""A batch that one GPU takes in more parts than this is divided over several (DDP)."""
GATHERED = 0.1
"""Of a sharded model's weights, what is whole on each GPU for a moment: a layer and the next."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a trial of one candidate takes of a machine's GPUs.

    ``gpus`` are those that it can train on, each with the number of such trials that share it; a
    trial on several ``devices`` has them alone.
    """

    gpus: Mapping[str, int]
    devices: int = 1
    sharded: bool = False
    """Whether each device holds a part of the model (FSDP): it fits none whole."""
    rows: int | None = None
    """Rows that a process takes at once, where that could not be measured."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What training takes of one GPU, in bytes."""

    states: int
    """Weights, gradients and what the optimizer keeps, whole."""
    row: int
    """What each row adds."""
    batch: int
    """Rows of a step, by default."""
    rows: int
    """Rows of it that are taken at once."""
    spare: float = 1.0
    """How much faster rows go in the batch that goes fastest, against the default."""

    @property
    def least(self) -> int:
        """Bytes for one row at a time."""
        return self.states + self.row

    @property
    def usual(self) -> int:
        """Bytes as it would be trained alone."""
        return self.states + self.rows * self.row


def cost(candidate: Candidate, setting: Setting | None) -> Cost:
    """Return what training the candidate takes: measured, or estimated where it was not."""
    default, sizes = batch_sizes(candidate.space)
    states = _copies(candidate) * candidate.parameters * FLOAT
    largest = max((*sizes, default))
    row = max(0, candidate.fit.memory_bytes - PROCESS - states) // largest
    if setting is None or not setting.batches:
        return Cost(states, row, default, default)
    rows = setting.micro_batch(default) or default
    peak = setting.memory_bytes(rows)
    measured = max(peak - states, 0) // rows if peak > states else row
    return Cost(min(states, peak), measured, default, rows, _spare(setting, rows))


def need(found: Cost, gpus: Sequence[Gpu], cores: int, wish: DevicePlan) -> Need | None:
    """Return what a trial takes of these GPUs; None where no number of them is enough.

    ``wish`` may fix the number of GPUs of a trial, or of trials a GPU. GPUs that differ hold
    different numbers; what fits some of them is trained on those. Parts of GPUs (MIG) are never
    put together.
    """
    able = [gpu for gpu in gpus if found.least <= room(gpu)]
    fixed = None if wish.per_trial == "auto" else wish.per_trial
    if fixed == 1 or (fixed is None and able):
        if not able:
            return None
        devices = fixed or _divided(found, able)
        shared = {gpu.id: _at_once(found, gpu, len(gpus), cores, wish) for gpu in able}
        return Need(shared if devices == 1 else dict.fromkeys(shared, 1), devices)
    if any(gpu.id.startswith("MIG-") for gpu in gpus):
        return None
    if fixed is not None and len(able) >= fixed:
        return Need({gpu.id: 1 for gpu in able}, fixed)
    return next(_shardings(found, gpus, fixed), None)


def of(
    plan: Plan, settings: Mapping[str, Setting], gpus: Sequence[Gpu], cores: int
) -> dict[str, Need | None]:
    """Return what trials of each candidate take of this machine's GPUs; None: they can't.

    ``settings`` are those that are known. Empty where trials are not laid out by need.
    """
    if not gpus or not memory.is_laid_out(plan.devices):
        return {}
    wish = plan.devices
    if memory.shards(wish) == 1 and wish.per_trial == "auto":
        wish = replace(wish, per_trial=1)
    found = {
        each.id: need(cost(each, settings.get(each.id)), gpus, cores, wish)
        for each in plan.candidates
    }
    for each in plan.candidates:
        asked = found[each.id]
        if asked is not None and asked.sharded and _methods(each) & {*ADAPTING}:
            found[each.id] = None  # adapters are put into a model that is whole
    return found


def room(gpu: Gpu) -> int:
    """Return the bytes of tensors that one process alone may plan with."""
    return int(PLANNED * gpu.memory_bytes) - CUDA_CONTEXT_BYTES


def rows_in(setting: Setting, batch: int, gpu: Gpu, share: float) -> int | None:
    """Return the rows of ``batch`` to take at once in a ``share`` of the GPU; None: all of them."""
    limit = setting.micro_batch(batch) or batch
    bytes_ = int(PLANNED * gpu.memory_bytes * share) - CUDA_CONTEXT_BYTES
    fitting = [
        each.batch_size
        for each in setting.batches
        if each.seconds_per_step is not None and each.peak_memory_bytes <= bytes_
    ]
    if setting.batches and setting.memory_bytes(limit) > bytes_:
        limit = max((size for size in fitting if size <= limit), default=1)
    return limit if limit < batch else None


def words(found: Need, gpus: Sequence[Gpu]) -> str:
    """Return in words where such trials run: ``4 at once on each A100, 1 on each T4``."""
    names = {gpu.id: gpu.name for gpu in gpus}
    if found.devices > 1:
        how = "the model divided over them (FSDP)" if found.sharded else "a copy on each (DDP)"
        return f"{found.devices} GPUs a trial, {how}"
    kinds = {(names[gpu], count) for gpu, count in found.gpus.items()}
    parts = [f"{count} at once on each {name}" for name, count in sorted(kinds)]
    left = len(names) - len(found.gpus)
    return ", ".join([*parts, *([f"not on {left} too small for it"] if left else [])])


def _at_once(found: Cost, gpu: Gpu, gpus: int, cores: int, wish: DevicePlan) -> int:
    """Bounded by memory, by the CPU cores that feed a GPU, and by what sharing can gain."""
    if wish.trials_per_device != "auto":
        return wish.trials_per_device
    by_memory = int(PLANNED * gpu.memory_bytes) // (found.usual + CUDA_CONTEXT_BYTES)
    return max(1, min(by_memory, cores // gpus, int(found.spare), MOST_AT_ONCE))


def _divided(found: Cost, able: Sequence[Gpu]) -> int:
    """How many GPUs a batch wants that one of them takes in many parts."""
    if any(gpu.id.startswith("MIG-") for gpu in able):
        return 1
    parts = math.ceil(found.batch / max(1, found.rows))
    return min(len(able), math.ceil(parts / MOST_PARTS), found.batch)


def _shardings(found: Cost, gpus: Sequence[Gpu], fixed: int | None) -> Iterator[Need]:
    """The ways to divide the model over GPUs, over few before many."""
    for devices in range(2, len(gpus) + 1) if fixed is None else (fixed,):
        share = found.states / devices + GATHERED * found.states / STATES
        able = [gpu for gpu in gpus if share + found.row <= room(gpu)]
        if 1 < devices <= len(able):
            left = min(room(gpu) for gpu in able) - share
            rows = int(left // found.row) if found.row else found.batch
            yield Need({gpu.id: 1 for gpu in able}, devices, sharded=True, rows=rows)


def _copies(candidate: Candidate) -> int:
    """Copies of every weight: where the candidate is never trained whole, hardly more than one."""
    return STATES if "full" in _methods(candidate) else 1


def _methods(candidate: Candidate) -> set[Scalar]:
    return set(next((each.choices for each in candidate.space if each.name == METHOD), ("full",)))


def _spare(setting: Setting, rows: int) -> float:
    """What measured batch sizes say of how full the GPU is: a full one gains nothing by larger."""
    speeds = {
        each.batch_size: each.batch_size / each.seconds_per_step
        for each in setting.batches
        if each.seconds_per_step
    }
    mine = rows / (setting.step_seconds(rows) or math.inf)
    return max(speeds.values()) / mine if speeds and mine > 0 else 1.0
