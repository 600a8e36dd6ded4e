"""What this machine has: cores, memory, GPUs. Asks the kernel and NVML, never torch."""

from __future__ import annotations

import errno
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

LEAST_ROOM = 16_000_000
"""Bytes of disk: with less left, a process that ends without a word is put down to that."""

CUDA_CONTEXT_BYTES = 600_000_000
"""What a process takes of a GPU besides its tensors: context, libraries, buffers; leans high."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One CUDA device: ``id`` is what CUDA_VISIBLE_DEVICES takes, memory in bytes.

    The id is the device's place in the order of the PCI bus, or the UUID of a MIG instance.
    """

    id: str
    name: str
    memory_bytes: int
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """What is being used of one GPU now; null is what it does not say."""

    id: str
    busy: float | None
    """Share of the last second or so in which it computed, 0 to 1."""
    memory_bytes: int
    of_bytes: int
    celsius: int | None


def cores() -> int:
    """Return the CPU cores this process may use, by affinity and by cgroup quota; at least 1."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    available = available or os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return available
    return available if quota == "max" else max(1, min(available, int(quota) // int(period)))


def physical_cores() -> int:
    """Return physical cores within ``cores()``: hyperthreads rarely help matrix work."""
    return min(cores(), psutil.cpu_count(logical=False) or cores())


def memory_bytes() -> int:
    """Return the machine's memory, or the cgroup's limit where that is lower."""
    total = int(psutil.virtual_memory().total)
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return total
    return total if limit == "max" else min(total, int(limit))


def oom_kills() -> int:
    """Return how many processes the kernel has ended for want of memory; 0 where it doesn't say."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    found = dict(line.split(maxsplit=1) for line in lines)
    return int(found.get("oom_kill", 0))


def free_bytes(folder: Path) -> int:
    """Return the bytes that may still be written under ``folder``, which exists."""
    return shutil.disk_usage(folder).free


def is_full(folder: Path) -> bool:
    """Return whether hardly anything can be written under ``folder`` any more."""
    return free_bytes(folder) < LEAST_ROOM


def no_room(error: BaseException) -> bool:
    """Return whether the error says that a disk, or the user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def bf16_on_cpu() -> bool:
    """Return whether the CPU multiplies bfloat16 natively; elsewhere bf16 training is slower."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def gpus() -> tuple[Gpu, ...]:
    """Return the GPUs this process may use, in the order of CUDA_VISIBLE_DEVICES if it is set.

    Of a GPU that is divided (MIG) its instances stand for it. No driver or no NVML library means
    no GPU.
    """
    with _management() as nvml:
        if nvml is None:
            return ()
        found = [_gpu(nvml, handle, identifier) for handle, identifier in _devices(nvml)]
    return _visible(found, os.environ.get("CUDA_VISIBLE_DEVICES"))


def gpu_use() -> tuple[Use, ...]:
    """Return what is being used now of each GPU that this process may use."""
    mine = {gpu.id for gpu in gpus()}
    with _management() as nvml:
        if nvml is None:
            return ()
        return tuple(
            _use(nvml, handle, identifier)
            for handle, identifier in _devices(nvml)
            if identifier in mine
        )


def gpu_watts() -> float | None:
    """Return the power limit of the GPUs this process may use, their mean; None where it is not
    known."""
    mine = {gpu.id for gpu in gpus()}
    with _management() as nvml:
        if nvml is None:
            return None
        found = [
            _known(nvml, nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
            for handle, identifier in _devices(nvml)
            if identifier in mine
        ]
    limits = [milliwatts / 1000 for milliwatts in found if milliwatts]
    return sum(limits) / len(limits) if limits else None


@contextmanager
def _management() -> Iterator[Any]:
    """NVML, or None where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def _devices(nvml: Any) -> Iterator[tuple[Any, str]]:
    """Each GPU's handle and id, those of its instances where it is divided."""
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        mode = _known(nvml, nvml.nvmlDeviceGetMigMode, handle)
        if not mode or mode[0] != 1:
            yield handle, str(index)
            continue
        for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
            # Fewer instances may have been made than there may be.
            instance = _known(nvml, nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, number)
            if instance is not None:
                yield instance, _text(nvml.nvmlDeviceGetUUID(instance))


def _gpu(nvml: Any, handle: Any, identifier: str) -> Gpu:
    name = _text(nvml.nvmlDeviceGetName(handle))
    memory = int(nvml.nvmlDeviceGetMemoryInfo(handle).total)
    return Gpu(identifier, name, memory, _text(nvml.nvmlDeviceGetUUID(handle)))


def _use(nvml: Any, handle: Any, identifier: str) -> Use:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    rates = _known(nvml, nvml.nvmlDeviceGetUtilizationRates, handle)
    return Use(
        identifier,
        None if rates is None else rates.gpu / 100,
        int(memory.used),
        int(memory.total),
        _known(nvml, nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
    )


def _known(nvml: Any, ask: Callable[..., Any], *what: Any) -> Any:
    """What the driver answers; None where it, or the card, doesn't know of such a thing."""
    try:
        return ask(*what)
    except nvml.NVMLError:
        return None


def _text(given: str | bytes) -> str:
    return given.decode() if isinstance(given, bytes) else given


def _visible(found: list[Gpu], wanted: str | None) -> tuple[Gpu, ...]:
    """CUDA's own rule: ids in the order given, ending at the first that does not exist.

    An id is a place, or the beginning of one UUID alone.
    """
    if wanted is None:
        return tuple(found)
    chosen = list[Gpu]()
    for part in (part.strip() for part in wanted.split(",")):
        named = [gpu for gpu in found if part in (gpu.id, gpu.uuid)]
        if not named and part.startswith(("GPU-", "MIG-")):
            named = [gpu for gpu in found if gpu.uuid.startswith(part)]
        if len(named) != 1:
            break
        chosen += named
    return tuple(chosen)


def cuda_mps() -> Path | None:
    """Return the folder of NVIDIA's Multi-Process Service where its daemon runs, else None.

    Processes that share a GPU through it compute at the same time rather than in turns. (Nothing to
    do with Apple's Metal, which torch calls mps.) The daemon's pid file goes with it; its socket
    may stay behind.
    """
    folder = Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY") or "/tmp/nvidia-mps")
    try:
        pid = int((folder / "nvidia-cuda-mps-control.pid").read_text())
    except (OSError, ValueError):
        return None
    return folder if psutil.pid_exists(pid) else None


def describe() -> str:
    """Return the machine in a few words: GPUs if there are any, else CPU, cores and memory."""
    cards = gpus()
    memory = f"{memory_bytes() / 2**30:.0f} GiB memory"
    if cards:
        names = ", ".join(sorted({card.name for card in cards}))
        return f"{len(cards)} x {names}, {cores()} CPU cores, {memory}"
    return f"CPU ({_cpu_name()}), {cores()} cores, {memory}"


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
