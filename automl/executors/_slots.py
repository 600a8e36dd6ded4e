"""Laying trials over devices: pure functions of the plan's wishes and what there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from automl import machine
from automl.compiler import memory
from automl.errors import InputError
from automl.executors import Slot
from automl.plan import DevicePlan


def over_this_machine(plan: DevicePlan) -> tuple[Slot, ...]:
    """Return the slots of the machine this runs on; raises InputError as ``lay_out`` does.

    Where each candidate's need says what its trials take, each GPU is one slot.
    """
    gpus = tuple(gpu.id for gpu in machine.gpus())
    slots = lay_out(plan, gpus, machine.physical_cores())
    if gpus and memory.is_laid_out(plan):  # the pool hands out parts, or several, of these
        return lay_out(
            replace(plan, per_trial=1, trials_per_device=1), gpus, machine.physical_cores()
        )
    return slots


def lay_out(plan: DevicePlan, gpus: Sequence[str], cores: int) -> tuple[Slot, ...]:
    """Return the slots that trials will hold.

    With GPUs, each ``per_trial`` of them make a slot, shared by ``trials_per_device`` trials.
    Without, the cores are divided among ``trials_per_device`` slots of ``per_trial`` processes.
    What is ``auto`` counts as one: a slot is then what trials are given parts of, or several.
    A slot's threads are its share of the cores, or the recipe's count. Raises InputError when
    ``per_trial`` is more than there is, or than one of parts of GPUs (MIG).
    """
    if gpus:
        if plan.processes > len(gpus):
            raise InputError(
                f"devices.per_trial is {plan.processes}, but {len(gpus)} GPUs are visible"
            )
        if plan.processes > 1 and any(gpu.startswith("MIG-") for gpu in gpus):
            raise InputError(
                f"devices.per_trial is {plan.processes}, but the GPUs are divided (MIG): a trial "
                "can use one instance of them"
            )
        groups = [
            tuple(gpus[start : start + plan.processes])
            for start in range(0, len(gpus) - plan.processes + 1, plan.processes)
        ]
        held = [group for group in groups for _ in range(plan.at_once)]
    else:
        held = [()] * plan.at_once
    threads = plan.threads or max(1, cores // (len(held) * plan.processes))
    return tuple(
        Slot(index, devices, threads, plan.processes, 1 / plan.at_once)
        for index, devices in enumerate(held)
    )
