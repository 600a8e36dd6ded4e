"""One process (or group) at work on one trial: its state, and what its end means. Decides nothing
about other trials."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from automl import machine
from automl.events import Failed, FailureKind, Finished, Paused, Stopped, Tail, TrialEvent
from automl.executors import Handle, Slot
from automl.processes import tail
from automl.search.study import StudyTrial

Reason = Literal[
    "rung",
    "held",
    "pruned",
    "time",
    "interrupted",
    "disk_full",
    "storage_lost",
    "device_lost",
    "timeout",
    "hang",
    "not_a_number",
]
"""Why a worker was asked to leave."""
PAUSES: tuple[Reason, ...] = (
    "rung",
    "held",
    "time",
    "interrupted",
    "disk_full",
    "storage_lost",
    "device_lost",
)
RETRIES: dict[FailureKind, int] = {
    "crash": 1,
    "lost": 3,
    "hang": 1,
    "out_of_memory": 6,
    "not_a_number": 0,
    "timeout": 0,
    "bad_candidate": 0,
    "disk_full": 0,
    "device_lost": 3,
}
"""How often a trial is tried again after each kind of failure. A full disk ends the run instead:
the trial goes on, as often as need be, when the run does."""
_WATCHDOG = "Watchdog caught collective operation timeout"
"""What NCCL prints before it ends a process that waits for another in vain; no exception comes."""
_LAST_LINES = 200
_WHY: dict[FailureKind, str] = {
    "timeout": "it took longer than budget.trial_time",
    "hang": "it said nothing for too long",
    "not_a_number": "its metric is not a finite number",
}


@dataclass(slots=True)
class Attempt:
    """One process (or group) at work on one trial."""

    trial: StudyTrial
    slot: Slot
    handle: Handle
    rows: int
    """Rows that one process takes at once; 0 where the trial trains on none."""
    tail: Tail
    started: float
    heard: float
    asked: Reason | None = None
    asked_at: float = 0.0
    last: TrialEvent | None = None
    saved_bytes: int = 0
    rounded: bool = False
    """Whether it trains in fewer bits than fp32 though the recipe did not ask for that."""
    oom_kills: int = field(default_factory=lambda: machine.oom_kills())
    """Those of the machine when the attempt began."""


@dataclass(frozen=True, slots=True)
class End:
    """What the end of an attempt means for its trial.

    ``left``: it saved and left; ``killed``: it was asked to, and died over it.
    """

    kind: Literal["complete", "pruned", "left", "killed", "failed"]
    failure: FailureKind = "crash"
    message: str = ""


def end_of(attempt: Attempt, code: int, log: Path) -> End:
    """Return what it means that the attempt's process has ended with ``code``."""
    match attempt.last:
        case Finished():
            return End("complete")
        case Stopped() if attempt.asked == "pruned":
            return End("pruned")
        case Stopped() if attempt.asked in ("timeout", "not_a_number"):
            return End("failed", attempt.asked, _WHY[attempt.asked])
        case Paused() if code == 0:
            return End("left")
        case Failed(kind=kind, message=message):
            return _for_want_of_room(log, End("failed", kind, message))
    return _for_want_of_room(log, _vanished(attempt, code, log))


def _for_want_of_room(log: Path, end: End) -> End:
    """The end, or what it must be put down to: where nothing can be written nothing can be said."""
    if end.kind != "failed" or end.failure not in ("crash", "lost"):
        return end
    if not machine.is_full(log.parent):
        return end
    return End("failed", "disk_full", f"no room is left on the disk; {end.message}")


def _vanished(attempt: Attempt, code: int, log: Path) -> End:
    """The process ended without saying how: killed by us, by the system, or crashed hard."""
    if attempt.asked in PAUSES:
        return End("killed")
    if attempt.asked == "pruned":
        return End("pruned")
    if attempt.asked in ("hang", "timeout", "not_a_number"):
        return End("failed", attempt.asked, _WHY[attempt.asked])
    if attempt.slot.processes > 1 and _WATCHDOG in tail(log, _LAST_LINES):
        return End("failed", "hang", "one of its processes kept the others waiting")
    # Of several processes the launcher ends, with a code of its own.
    killed = code == -signal.SIGKILL or attempt.slot.processes > 1
    if killed and machine.oom_kills() > attempt.oom_kills:
        return End("failed", "out_of_memory", "the system ended it for want of memory")
    last = tail(log, 1) or "it printed nothing"
    how = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return End("failed", "lost" if code < 0 else "crash", f"worker {how}: {last}")


def retry(kind: FailureKind, failures: int, rows: int, rounded: bool = False) -> bool:
    """Decide whether a trial is tried again.

    What is no number in fewer bits may be one in fp32, in which a ``rounded`` trial goes on.
    ``failures`` counts this trial's failures of that kind, this one included. Out of memory halves
    the ``rows`` that a process takes at once: gradients accumulate to the same effective batch.
    """
    if kind == "not_a_number":
        return rounded
    return failures <= RETRIES[kind] and (kind != "out_of_memory" or rows >= 2)
