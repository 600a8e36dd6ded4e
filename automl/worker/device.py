"""What a job computes on: device, number format, threads, and the memory it has taken at most."""

from __future__ import annotations

import resource
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import psutil
import torch

from automl import machine

Precision = Literal["fp32", "bf16", "fp16"]
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def select(devices: tuple[str, ...]) -> torch.device:
    """Return the first of the visible ``devices``, or the CPU when there is none.

    Raises RuntimeError when devices were given but torch sees no GPU.
    """
    if not devices:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RuntimeError(f"CUDA devices {', '.join(devices)} were given, but torch sees no GPU")
    return torch.device("cuda", 0)


def hold_to(share: float, device: torch.device) -> None:
    """Let this process fill no more than its ``share`` of the GPU: beyond, it runs out of memory.

    Its neighbours on the GPU then do not. What CUDA's context takes counts as part of the share.
    """
    if device.type != "cuda" or share >= 1:
        return
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(
        max(share - machine.CUDA_CONTEXT_BYTES / total, 0.01), device
    )


def supports(precision: Precision, device: torch.device) -> bool:
    """Return whether training in ``precision`` is worth trying on ``device``.

    On a CPU bf16 pays only where instructions multiply it (AVX512-BF16, AMX); fp16 never does.
    """
    if precision == "fp32":
        return True
    if device.type == "cuda":
        return precision == "fp16" or torch.cuda.is_bf16_supported(including_emulation=False)
    return precision == "bf16" and bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which a forward pass runs in ``precision``."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=_TYPES[precision])


def memory(device: torch.device) -> int:
    """Return the bytes this process holds now, on the GPU or else in memory."""
    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    return int(psutil.Process().memory_info().rss)


def peak_memory(device: torch.device) -> int:
    """Return the most bytes this process has held so far, on the GPU or else in memory."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_reserved(device))
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(kilobytes) if sys.platform == "darwin" else int(kilobytes) * 1024
