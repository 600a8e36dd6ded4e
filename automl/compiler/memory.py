"""How much memory one training process may fill on this machine. Knows no model."""

from __future__ import annotations

from automl import machine
from automl.plan import DevicePlan

WHOLE = ("local", "inline")
"""Executors whose trials run on this machine, so that its GPUs are theirs."""


def of_a_process(devices: DevicePlan, device_bytes: int | None = None) -> int:
    """Return the bytes: a GPU's trials share it, on a CPU all processes share the machine's.

    Where how many share a GPU is ``auto`` a trial may have the largest for itself.
    ``device_bytes`` is what a device has, asked of the machine when left out.
    """
    gpus = machine.gpus() if device_bytes is None else ()
    if gpus and is_laid_out(devices):
        return max(gpu.memory_bytes for gpu in gpus) // devices.at_once
    if gpus:
        return min(gpu.memory_bytes for gpu in gpus) // devices.at_once
    total = machine.memory_bytes() if device_bytes is None else device_bytes
    return total // (devices.at_once * devices.processes)


def is_laid_out(devices: DevicePlan) -> bool:
    """Return whether each candidate's own need says how its trials are laid over this machine.

    Not on a cluster, and not where several trials are to share several GPUs.
    """
    return devices.executor in WHOLE and not (devices.processes > 1 and devices.at_once > 1)


def shards(devices: DevicePlan, device_bytes: int | None = None) -> int:
    """Return over how many GPUs, at most, a model may be divided that does not fit one.

    One where there is no GPU, or only parts of some (MIG), or where one process runs a trial.
    """
    gpus = machine.gpus() if device_bytes is None else ()
    if not gpus or any(gpu.id.startswith("MIG-") for gpu in gpus):
        return 1
    # A scaler of gradients would have to agree over all parts; bf16 needs none.
    if devices.executor != "local" or devices.precision == "fp16" or not is_laid_out(devices):
        return 1
    return len(gpus) if devices.per_trial == "auto" else devices.per_trial
