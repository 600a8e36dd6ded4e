"""Trials on the machines of a Ray cluster: an actor for each process, placed together.

The run folder is the wire, as on one machine: all nodes must see it. Ray starts and ends processes
and says which are lost; nothing of a trial passes through it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl import events
from automl.events import Failed
from automl.executors import Executor, Slot, _cluster, _processes
from automl.executors._rank import Place, Rank
from automl.forkserver import LOST
from automl.plan import DevicePlan
from automl.processes import Order
from automl.rundir import TrialDir

PASSED = ("AUTOML_", "HF_", "NCCL_", "GLOO_", "TORCH_")
"""Beginnings of the environment variables that go to every node; the others are the node's own."""
END_SECONDS = 20.0
"""What ending the processes of a trial may take."""
PEER_SECONDS = 30.0
"""When one process of several has failed: how long is waited for what became of the others, since
the first to fail is often not the cause. Ray takes this long to know that a node is lost."""
_LOOK_SECONDS = 0.1


@dataclass(slots=True)
class RayHandle:
    """The actors of one attempt, and what each will answer: its process's exit code."""

    trial: TrialDir
    ray: Any
    group: Any
    ranks: list[Any]
    codes: list[Any]
    code: int | None = None
    _placed: bool = field(default=False, init=False)
    _failed_at: float | None = field(default=None, init=False)

    def poll(self) -> int | None:
        """Return the exit code once all have ended well, or one has not; LOST with its node."""
        if self.code is None:
            try:
                self._look()
            except (self.ray.exceptions.RayError, ConnectionError) as error:
                self._leave(LOST)
                self._say_lost(str(error).strip().rpartition("\n")[2])
        return self.code

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        while (code := self.poll()) is None:
            time.sleep(_LOOK_SECONDS)
        return code

    def kill(self) -> None:
        """End every process of the trial, on whichever node."""
        if self.code is None:
            self._leave(LOST)

    def waits(self) -> bool:
        """Return whether the cluster has no room for the trial yet."""
        if not self._placed and self.code is None:
            with contextlib.suppress(self.ray.exceptions.RayError, ConnectionError):
                state = self.ray.util.placement_group_table(self.group).get("state")
                self._placed = state not in ("PENDING", "PREPARED")
        return not self._placed

    def _look(self) -> None:
        done, running = self.ray.wait(self.codes, num_returns=len(self.codes), timeout=0)
        codes = [int(code) for code in self.ray.get(done)]
        failed = [code for code in codes if code != 0]
        if not running:
            self._leave(min(failed, default=0))
        elif failed:
            self._failed_at = self._failed_at or time.monotonic()
            if time.monotonic() - self._failed_at > PEER_SECONDS:
                self._leave(min(failed))

    def _say_lost(self, why: str) -> None:
        """In the trial's own words, since it can't: what its other processes said is not why."""
        message = f"its process or node was lost: {' '.join(why.split())}"[:300]
        with self.trial.log.open("a") as log:
            log.write(f"{message}\n")
        events.append(self.trial.metrics, Failed("lost", message))

    def _leave(self, code: int) -> None:
        """End what is left of the trial and give back its place."""
        # With the cluster gone its actors are, and their processes notice.
        with contextlib.suppress(self.ray.exceptions.RayError, ConnectionError):
            if not self.waits():
                ends = [rank.end.remote() for rank in self.ranks]
                self.ray.wait(ends, num_returns=len(ends), timeout=END_SECONDS)
            for rank in self.ranks:
                self.ray.kill(rank)
            self.ray.util.remove_placement_group(self.group)
        self.code = code


@dataclass(frozen=True, slots=True)
class RayExecutor:
    """Starts each trial where the cluster has room for it."""

    name: str = "ray"

    def slots(self, plan: DevicePlan, folder: Path, reads: Sequence[Path]) -> tuple[Slot, ...]:
        """Connect to the cluster, and lay trials over its nodes, which must see the folders."""
        ray = _cluster.connect(plan.address or "auto")
        _cluster.check(ray, folder, reads)
        return _cluster.lay_out(plan, _cluster.nodes(ray))

    def settle(self, trial: TrialDir) -> None:
        """Give orphans of the trial, on any node, time to save and leave; then end the rest."""
        _cluster.on_each_node(_cluster.connect("auto"), _processes.outlast, trial.root)

    def start(self, trial: TrialDir, slot: Slot) -> RayHandle:
        """Ask for a place for the trial's processes, which start when there is one."""
        ray = _cluster.connect("auto")
        share = {"GPU": slot.share} if slot.devices else {"CPU": float(slot.threads)}
        group = _group(ray, share, slot.processes)
        ranks = [_actor(ray, trial, group, share, rank) for rank in range(slot.processes)]
        return RayHandle(trial, ray, group, ranks, _run(ranks, slot))

    def start_job(self, order: Order, slot: Slot) -> RayHandle:
        """Start the job as if it were a trial: its folder looks the same."""
        return self.start(TrialDir(order.spec.parent), slot)


def _group(ray: Any, share: dict[str, float], count: int) -> Any:
    """A place for all processes: on one node if any is large enough, else on as few as can be."""
    (what, each), *_ = share.items()
    sizes = [node.gpus if what == "GPU" else node.cpus for node in _cluster.nodes(ray)]
    strategy = "STRICT_PACK" if max(sizes, default=0) >= each * count else "PACK"
    return ray.util.placement_group([dict(share)] * count, strategy=strategy)


def _actor(ray: Any, trial: TrialDir, group: Any, share: dict[str, float], rank: int) -> Any:
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    kind = ray.remote(Rank).options(
        num_cpus=share.get("CPU", 0),
        num_gpus=share.get("GPU", 0),
        max_concurrency=2,  # one call runs the process, another ends it
        scheduling_strategy=PlacementGroupSchedulingStrategy(group, rank),
    )
    return kind.remote(str(trial.root))


def _run(ranks: list[Any], slot: Slot) -> list[Any]:
    """Tell each actor to run its process, and where they meet, once the first one has said so."""
    passed = {name: value for name, value in os.environ.items() if name.startswith(PASSED)}
    meeting = ranks[0].meeting.remote()
    return [
        rank.run.remote(
            Place(number, slot.processes, slot.threads, bool(slot.devices), slot.share),
            passed,
            meeting,
        )
        for number, rank in enumerate(ranks)
    ]


EXECUTOR: Executor = RayExecutor()
