"""How much memory one training process may fill on this machine. Knows no model."""

from __future__ import annotations

from automl import machine


def of_a_process(trials_per_device: int, per_trial: int, device_bytes: int | None = None) -> int:
    """Return the bytes: a GPU's trials share it, on a CPU all processes share the machine's.

    ``device_bytes`` is what a device has, asked of the machine when left out.
    """
    gpus = machine.gpus() if device_bytes is None else ()
    if gpus:
        return min(gpu.memory_bytes for gpu in gpus) // trials_per_device
    total = machine.memory_bytes() if device_bytes is None else device_bytes
    return total // (trials_per_device * per_trial)
