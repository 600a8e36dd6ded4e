"""What this machine has: cores, memory, GPUs. Asks the kernel and NVML, never torch."""

from __future__ import annotations

import errno
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Gpu:
    """One CUDA device: ``id`` is what CUDA_VISIBLE_DEVICES takes, memory in bytes."""

    id: str
    name: str
    memory_bytes: int


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

    No driver or no NVML library means no GPU.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        found = [_gpu(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()
    return _visible(found, os.environ.get("CUDA_VISIBLE_DEVICES"))


def _gpu(nvml: object, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)  # type: ignore[attr-defined]
    name = nvml.nvmlDeviceGetName(handle)  # type: ignore[attr-defined]
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)  # type: ignore[attr-defined]
    return Gpu(str(index), name.decode() if isinstance(name, bytes) else name, int(memory.total))


def _visible(found: list[Gpu], wanted: str | None) -> tuple[Gpu, ...]:
    """CUDA's own rule: ids in the order given, ending at the first that does not exist."""
    if wanted is None:
        return tuple(found)
    by_id = {gpu.id: gpu for gpu in found}
    chosen = []
    for part in (part.strip() for part in wanted.split(",")):
        if part not in by_id:
            break
        chosen.append(by_id[part])
    return tuple(chosen)


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
