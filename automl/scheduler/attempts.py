"""One process (or group) at work on one trial: its state, and what its end means. Decides nothing
about other trials."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from automl.events import Failed, FailureKind, Finished, Paused, Stopped, Tail, TrialEvent
from automl.executors import Handle, Slot
from automl.processes import tail
from automl.search.study import StudyTrial

Reason = Literal["rung", "pruned", "time", "interrupted", "timeout", "hang", "not_a_number"]
"""Why a worker was asked to leave."""
PAUSES: tuple[Reason, ...] = ("rung", "time", "interrupted")
RETRIES: dict[FailureKind, int] = {
    "crash": 1,
    "lost": 3,
    "hang": 1,
    "out_of_memory": 6,
    "not_a_number": 0,
    "timeout": 0,
    "bad_candidate": 0,
}
"""How often a trial is tried again after each kind of failure."""
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
    tail: Tail
    started: float
    heard: float
    asked: Reason | None = None
    asked_at: float = 0.0
    last: TrialEvent | None = None
    saved_bytes: int = 0


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
            return End("failed", kind, message)
    return _vanished(attempt, code, log)


def _vanished(attempt: Attempt, code: int, log: Path) -> End:
    """The process ended without saying how: killed by us, by the system, or crashed hard."""
    if attempt.asked in PAUSES:
        return End("killed")
    if attempt.asked == "pruned":
        return End("pruned")
    if attempt.asked in ("hang", "timeout", "not_a_number"):
        return End("failed", attempt.asked, _WHY[attempt.asked])
    last = tail(log, 1) or "it printed nothing"
    how = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return End("failed", "lost" if code < 0 else "crash", f"worker {how}: {last}")


def retry(
    kind: FailureKind, failures: int, micro_batch: int | None, batch: int
) -> tuple[bool, int | None]:
    """Decide whether a trial is tried again and with which micro-batch.

    ``failures`` counts this trial's failures of that kind, this one included. Out of memory halves
    the micro-batch: gradients accumulate to the same effective batch.
    """
    if failures > RETRIES[kind]:
        return False, micro_batch
    if kind != "out_of_memory":
        return True, micro_batch
    half = (micro_batch or batch) // 2
    return half >= 1, half
