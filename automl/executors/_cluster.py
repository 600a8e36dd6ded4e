"""A Ray cluster: reaching it, what it has, and what its nodes see. Knows nothing of trials."""

from __future__ import annotations

import logging
import os
import uuid
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.errors import InputError, Problem
from automl.executors import Slot, _slots
from automl.plan import DevicePlan

_WISHES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_AUTO_CONNECT": "0",  # else a call after the cluster was lost starts one of its own
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns of what will change
}
ANSWER_SECONDS = 120.0
"""What a node may take to answer; starting a process on a busy one takes a while."""


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of the cluster: Ray's id of it, its address, and what it lends."""

    id: str
    address: str
    cpus: int
    gpus: int


def library() -> Any:
    """Return the module ``ray``, imported quietly; InputError says how to install it."""
    for name, value in _WISHES.items():
        os.environ.setdefault(name, value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        problem = Problem(
            "devices.executor is ray, but Ray is not installed", hint="pip install 'automl[ray]'"
        )
        raise InputError(problem) from None
    return ray


def connect(address: str) -> Any:
    """Return the module ``ray``, connected to the cluster at ``address``; raises InputError."""
    ray = library()
    if ray.is_initialized():
        return ray
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        why = str(error).strip().partition("\n")[0]
        hint = "`ray start --head` on one machine, `ray start --address=HOST:6379` on the others"
        raise InputError(Problem(f"no Ray cluster at {address}: {why}", hint=hint)) from error
    # What a dying node says last; no setting of Ray's keeps it from the screen.
    ray._private.worker.print_to_stdstream = lambda *_, **__: None
    return ray


def nodes(ray: Any) -> tuple[Node, ...]:
    """Return the machines that are there now."""
    return tuple(
        Node(
            each["NodeID"],
            each["NodeManagerAddress"],
            int(each["Resources"].get("CPU", 0)),
            int(each["Resources"].get("GPU", 0)),
        )
        for each in ray.nodes()
        if each["Alive"]
    )


def lay_out(plan: DevicePlan, found: Sequence[Node]) -> tuple[Slot, ...]:
    """Return the slots that trials will hold on the cluster.

    With GPUs as on one machine, and no trial over two nodes where one node has room for it.
    Without, each node's CPUs are divided among ``trials_per_device`` slots. Raises InputError
    when ``per_trial`` is more than all nodes have.
    """
    if any(node.gpus for node in found):
        having = [node for node in found if node.gpus]
        whole = sum(node.gpus // plan.processes * plan.processes for node in having)
        gpus = range(whole or sum(node.gpus for node in having))
        cores = sum(node.cpus for node in having)
        return _slots.lay_out(plan, tuple(str(number) for number in gpus), cores)
    cpus = [node.cpus for node in found if node.cpus]
    wanted = plan.processes * plan.at_once
    threads = plan.threads or max(1, min(cpus, default=1) // wanted)
    room = [each // threads for each in cpus]
    count = sum(min(plan.at_once, each // plan.processes) for each in room)
    count = count or sum(room) // plan.processes
    if count == 0:
        raise InputError(
            f"a trial of {plan.processes} processes with {threads} threads needs more CPUs than "
            f"the cluster has: {sum(cpus)} on {len(cpus)} nodes"
        )
    return tuple(Slot(index, (), threads, plan.processes) for index in range(count))


def on_each_node(ray: Any, ask: Callable[..., Any], *arguments: Any) -> list[tuple[Node, Any]]:
    """Return every node with what ``ask`` answers there, or with the error that it raised."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    asked = []
    for node in nodes(ray):
        there = NodeAffinitySchedulingStrategy(node.id, soft=False)
        task = ray.remote(ask).options(num_cpus=0, max_retries=0, scheduling_strategy=there)
        asked.append((node, task.remote(*arguments)))
    answers = []
    for node, reference in asked:
        try:
            answers.append((node, ray.get(reference, timeout=ANSWER_SECONDS)))
        except ray.exceptions.RayError as error:
            answers.append((node, error))
    return answers


def check(ray: Any, folder: Path, reads: Sequence[Path]) -> None:
    """Raise InputError, naming node and folder, where a node does not see what this machine sees.

    A file that is written here must be found in ``folder`` on every node.
    """
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / f".seen-{uuid.uuid4().hex}"
    marker.touch()
    try:
        found = on_each_node(ray, _missing, str(marker), [str(path) for path in reads])
    finally:
        marker.unlink()
    problems = [_problem(node, answer, folder) for node, answer in found if answer is not None]
    if problems:
        raise InputError(problems)


def _missing(marker: str, reads: Sequence[str]) -> str | None:
    """Runs on a node: the first folder that is not there as it is on the asking machine."""
    if not (Path(marker).exists() and os.access(Path(marker).parent, os.W_OK)):
        return str(Path(marker).parent)
    return next((path for path in reads if not Path(path).exists()), None)


def _problem(node: Node, answer: Any, folder: Path) -> Problem:
    name = f"the Ray node {node.address}"
    if isinstance(answer, Exception):
        why = str(answer).strip().rpartition("\n")[2]
        return Problem(
            f"{name} can't run automl: {why}",
            hint="every node needs the same Python with automl[ray] installed",
        )
    if answer == str(folder):
        return Problem(
            f"{name} does not see the run folder {folder}, or may not write there",
            hint="--run-dir with a folder on a disk that all nodes share, under the same path",
        )
    return Problem(
        f"{name} does not see {answer}",
        hint="keep models on a disk that all nodes share (HF_HOME for those of the hub)",
    )
