"""One process of a trial on a node of a cluster. Runs there, as a Ray actor.

The actor is the process's parent: when it ends, with the run that asked for it or with its node,
the process notices, saves and leaves.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from automl import events, jobs, machine, processes
from automl.events import Failed
from automl.executors import _launch, _processes
from automl.processes import Order
from automl.rundir import TrialDir

_SHIELD = ("/bin/sh", "-c", '"$0" "$@"; exit $?')
"""Between actor and worker: Ray ends an actor's children with it, before they could save."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which process of how many this is, its CPU threads, whether it has a GPU, and its part."""

    rank: int
    processes: int
    threads: int
    gpu: bool
    share: float = 1.0


class Rank:
    """Runs the worker of the trial in that folder, once."""

    def __init__(self, folder: str) -> None:
        self._trial = TrialDir(Path(folder))
        self._starting = threading.Lock()
        self._ended = False

    def meeting(self) -> tuple[str, int]:
        """Return where the trial's processes meet: this node's address, and a port free there."""
        with socket.socket() as found:
            found.bind(("", 0))
            return _address(), int(found.getsockname()[1])

    def run(self, place: Place, passed: Mapping[str, str], meeting: tuple[str, int]) -> int:
        """Run the worker and return its exit code, negative for a signal.

        ``passed`` comes on top of the node's own environment.
        """
        devices = _devices() if place.gpu else ()
        environment = processes.environment(place.threads, devices, place.share)
        environment |= passed
        environment |= _own(self._trial)
        if place.processes > 1:
            environment |= _together(place, meeting)
        order = Order(self._trial.spec, self._trial.log, environment)
        kills = machine.oom_kills()
        with self._starting:
            if self._ended:
                return -signal.SIGKILL
            command = [*_SHIELD, *processes.command(self._trial.spec)]
            process = processes.run_command(command, order)
        code = process.wait()
        code = 128 - code if code > 128 else code
        if code == -signal.SIGKILL and not self._ended and machine.oom_kills() > kills:
            why = f"the system of {_address()} ended it for want of memory"
            events.append(self._trial.metrics, Failed("out_of_memory", why))
        return code

    def end(self) -> None:
        """End the worker, and all that it started, and wait until none is left."""
        with self._starting:
            self._ended = True
        _processes.end(self._trial.root)


def _devices() -> tuple[str, ...]:
    """The GPUs that were assigned to the actor."""
    return tuple(filter(None, os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")))


def _own(trial: TrialDir) -> dict[str, str]:
    me = psutil.Process()
    parent = jobs.Parent(me.pid, me.create_time())
    return {_processes.MARK: str(trial.root), **jobs.parent_environment(parent)}


def _together(place: Place, meeting: tuple[str, int]) -> dict[str, str]:
    """What torch.distributed and accelerate read; each process sees its own GPU alone."""
    address, port = meeting
    interface = _interface(_address())
    return {
        **_launch.launch_environment(("gpu",) if place.gpu else ()),
        "RANK": str(place.rank),
        "WORLD_SIZE": str(place.processes),
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "1",
        "MASTER_ADDR": address,
        "MASTER_PORT": str(port),
        # Without it gloo takes what the host's name stands for, which may be the loopback.
        **({"GLOO_SOCKET_IFNAME": interface} if interface else {}),
    }


def _address() -> str:
    """The node's address, as the cluster knows it."""
    from ray.util import get_node_ip_address

    return str(get_node_ip_address())


def _interface(address: str) -> str | None:
    """The network interface that has the address."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(each.address == address for each in addresses):
            return name
    return None
