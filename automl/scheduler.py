"""Trials over device slots: start, listen, pause, retry, stop. The only loop.

Reads what workers say from their files, asks the study what to do, and answers with requests in
the trials' folders. Knows nothing of models or data: what a trial is told to do is made by the
function it is given.
"""

from __future__ import annotations

import math
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from automl import documents
from automl.events import (
    CandidateRetired,
    Failed,
    FailureKind,
    Finished,
    Paused,
    Reported,
    RunEvent,
    Stopped,
    Tail,
    TrialEnded,
    TrialEvent,
    TrialSaid,
    TrialStarted,
)
from automl.executors import Executor, Handle, Slot
from automl.jobs import TrialSpec, tail
from automl.rundir import RunDir
from automl.search.study import Evaluation, Study, StudyTrial

Outcome = Literal["trials", "time", "interrupted", "no_candidates"]
Reason = Literal["pruned", "time", "interrupted", "timeout", "hang", "not_a_number"]
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
SPEND_SECONDS = 10.0
"""How often the search time spent is recorded; what a kill -9 of the parent can lose."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When to end: totals of trials and seconds, seconds of one trial, silence that is a hang."""

    trials: int | None = None
    seconds: float | None = None
    trial_seconds: float | None = None
    hang_seconds: float = 900.0
    grace_seconds: float = 120.0
    """How long a worker may take to answer a request before it is killed."""


@dataclass(slots=True)
class _Attempt:
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


@dataclass(slots=True)
class Scheduler:
    """Runs a study's trials until its limits are reached; ``run`` may be called once."""

    study: Study
    executor: Executor
    slots: Sequence[Slot]
    rundir: RunDir
    limits: Limits
    specify: Callable[[StudyTrial, Slot], TrialSpec]
    listen: Callable[[RunEvent], None] = lambda _: None
    interrupts: Callable[[], int] = lambda: 0
    """How often the user has asked to stop: once means save and leave, twice means at once."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _running: list[_Attempt] = field(default_factory=list)
    _queue: list[int] = field(default_factory=list)
    _tails: dict[int, Tail] = field(default_factory=dict)
    _failures: Counter[tuple[int, FailureKind]] = field(default_factory=Counter)
    _closing: Reason | None = None
    _began: float = 0.0
    _spent_before: float = 0.0
    _spent_at: float = 0.0

    def run(self) -> Outcome:
        """Run until the budget is spent, nothing is left to try, or the user asks to stop."""
        self._began = self._spent_at = self.clock()
        self._spent_before = self.study.seconds
        try:
            self._catch_up()
            while True:
                for attempt in list(self._running):
                    self._hear(attempt)
                    self._collect(attempt)
                self._watch()
                if not self._fill() and not self._running:
                    return self._outcome()
                self.sleep(0.05)
        finally:
            self._kill_all()
            self.study.spend(self._spent())

    # -- starting ---------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Take in what workers said after the last run's parent had died, and queue the rest."""
        known = {candidate.id for candidate in self.study.plan.candidates}
        for trial in self.study.trials:
            if trial.state != "running":
                continue
            self.executor.settle(self.rundir.trial(trial.number))
            last: TrialEvent | None = None
            for event in self._tail(trial.number).read():
                last = event
                if isinstance(event, Reported):
                    self._report(trial.number, event)
            if isinstance(last, Finished):
                self._end(trial.number, "complete")
            elif trial.configuration.candidate not in known:
                self._end(trial.number, "failed", "lost", "its candidate was left out since")
            else:
                self._queue.append(trial.number)

    def _fill(self) -> bool:
        """Start what can be started; return whether there was, or may still be, something to."""
        if self._closing is not None:
            return False
        taken = {attempt.slot.index for attempt in self._running}
        for slot in self.slots:
            if slot.index in taken:
                continue
            trial = self._next()
            if trial is None:
                return False
            self._start(trial, slot)
        return True

    def _next(self) -> StudyTrial | None:
        if self._queue:
            return self.study.trials[self._queue.pop(0)]
        if self.limits.trials is not None and len(self.study.trials) >= self.limits.trials:
            return None
        return self.study.ask()

    def _start(self, trial: StudyTrial, slot: Slot) -> None:
        trial = self.study.attempt(trial.number)
        folder = self.rundir.trial(trial.number)
        folder.root.mkdir(parents=True, exist_ok=True)
        folder.clear_request()
        documents.write(folder.spec, self.specify(trial, slot))
        handle = self.executor.start(folder, slot)
        now = self.clock()
        self._running.append(
            _Attempt(trial, slot, handle, self._tail(trial.number), started=now, heard=now)
        )
        self.listen(
            TrialStarted(
                trial.number,
                trial.configuration.candidate,
                trial.configuration.hyperparameters,
                trial.attempts,
                slot.label,
                time.time(),
            )
        )

    def _tail(self, number: int) -> Tail:
        return self._tails.setdefault(number, Tail(self.rundir.trial(number).metrics))

    # -- listening --------------------------------------------------------------------------

    def _hear(self, attempt: _Attempt) -> None:
        for event in attempt.tail.read():
            attempt.heard = self.clock()
            attempt.last = event
            self.listen(TrialSaid(attempt.trial.number, event, time.time()))
            if isinstance(event, Reported):
                self._judge(attempt, event)

    def _judge(self, attempt: _Attempt, event: Reported) -> None:
        if not math.isfinite(event.metrics[self.study.plan.goal.metric]):
            self._ask(attempt, "not_a_number")
        elif self._report(attempt.trial.number, event) == "stop":
            self._ask(attempt, "pruned")

    def _report(self, number: int, event: Reported) -> str:
        value = event.metrics[self.study.plan.goal.metric]
        if not math.isfinite(value):
            return "stop"
        return self.study.report(
            number, Evaluation(event.evaluation, event.samples, value), event.seconds
        )

    def _collect(self, attempt: _Attempt) -> None:
        """If the attempt's process has ended, decide what that means for its trial."""
        code = attempt.handle.poll()
        if code is None:
            return
        self._hear(attempt)
        self._running.remove(attempt)
        if code != 0 or attempt.slot.processes > 1:
            attempt.handle.kill()
        number = attempt.trial.number
        match attempt.last:
            case Finished():
                self._end(number, "complete")
            case Stopped() if attempt.asked == "pruned":
                self._end(number, "pruned")
            case Stopped() if attempt.asked in ("timeout", "not_a_number"):
                self._end(number, "failed", attempt.asked, _why(attempt))
            case Paused() if code == 0 and self._closing is not None:
                self.listen(
                    TrialEnded(number, "paused", None, f"saved ({self._closing})", time.time())
                )
            case Paused() if code == 0:
                self._queue.append(number)
            case Failed(kind=kind, message=message):
                self._failed(attempt, kind, message)
            case _:
                self._vanished(attempt, code)

    def _vanished(self, attempt: _Attempt, code: int) -> None:
        """The process ended without saying how: killed by us, by the system, or crashed hard."""
        if attempt.asked in ("time", "interrupted"):
            self.listen(
                TrialEnded(
                    attempt.trial.number,
                    "paused",
                    None,
                    "killed; continues from its last checkpoint",
                    time.time(),
                )
            )
        elif attempt.asked == "pruned":
            self._end(attempt.trial.number, "pruned")
        elif attempt.asked in ("hang", "timeout", "not_a_number"):
            self._failed(attempt, attempt.asked, _why(attempt))
        else:
            log = self.rundir.trial(attempt.trial.number).log
            last = tail(log, 1) or "it printed nothing"
            how = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            self._failed(attempt, "lost" if code < 0 else "crash", f"worker {how}: {last}")

    def _failed(self, attempt: _Attempt, kind: FailureKind, message: str) -> None:
        number = attempt.trial.number
        self._failures[number, kind] += 1
        batch = int(attempt.trial.configuration.hyperparameters.get("batch_size", 1))
        again, micro_batch = retry(
            kind, self._failures[number, kind], attempt.trial.micro_batch, batch
        )
        if again:  # at once, or in the next run when this one is closing
            self.study.shrink(number, micro_batch)
            self._queue.insert(0, number)
            self.listen(TrialEnded(number, "paused", None, f"{message}; trying again", time.time()))
        else:
            self._end(number, "failed", kind, message)

    def _end(
        self,
        number: int,
        state: Literal["complete", "pruned", "failed"],
        failure: FailureKind | None = None,
        message: str = "",
    ) -> None:
        before = set(self.study.retired())
        if state != "failed" and not self.study.trials[number].evaluations:
            state, failure, message = "failed", "crash", "it ended without an evaluation"
        trial = self.study.tell(number, state, failure, message)
        value = trial.value(self.study.plan.goal.direction)
        self.listen(TrialEnded(number, state, value, message, time.time()))
        for candidate, reason in self.study.retired().items():
            if candidate not in before:
                self.listen(CandidateRetired(candidate, reason, time.time()))
        self._sweep()

    def _sweep(self) -> None:
        """Delete what can no longer be continued (checkpoints) or win (models)."""
        best = self.study.best()
        for trial in self.study.trials:
            if trial.state == "running":
                continue
            folder = self.rundir.trial(trial.number)
            shutil.rmtree(folder.checkpoints, ignore_errors=True)
            if best is None or trial.number != best.number:
                shutil.rmtree(folder.best, ignore_errors=True)

    # -- watching ---------------------------------------------------------------------------

    def _watch(self) -> None:
        interrupts = self.interrupts()
        if interrupts >= 2:
            self._closing = "interrupted"
            self._kill_all()
            return
        if interrupts == 1 and self._closing != "interrupted":
            self._close("interrupted")
        if self._closing is None and self._time_is_up():
            self._close("time")
        for attempt in list(self._running):
            self._watch_attempt(attempt)
        if self.clock() - self._spent_at > SPEND_SECONDS:
            self._spent_at = self.clock()
            self.study.spend(self._spent())

    def _time_is_up(self) -> bool:
        """Time is up once something can win: a first evaluation is waited for."""
        if self.limits.seconds is None or self._spent() < self.limits.seconds:
            return False
        return self.study.best() is not None or not self._running

    def _watch_attempt(self, attempt: _Attempt) -> None:
        now = self.clock()
        limit = self.limits.trial_seconds
        if attempt.asked is not None:
            if now - attempt.asked_at > self.limits.grace_seconds:
                attempt.handle.kill()
        elif limit is not None and attempt.trial.seconds + now - attempt.started > limit:
            self._ask(attempt, "timeout")
        elif now - attempt.heard > self.limits.hang_seconds:
            attempt.asked, attempt.asked_at = "hang", now
            attempt.handle.kill()

    def _close(self, reason: Reason) -> None:
        self._closing = reason
        for attempt in self._running:
            if attempt.asked is None:
                self._ask(attempt, reason)

    def _ask(self, attempt: _Attempt, reason: Reason) -> None:
        attempt.asked, attempt.asked_at = reason, self.clock()
        what: Literal["pause", "stop"] = "pause" if reason in ("time", "interrupted") else "stop"
        self.rundir.trial(attempt.trial.number).request(what)

    def _kill_all(self) -> None:
        for attempt in self._running:
            attempt.handle.kill()
        self._running.clear()

    # -- answers ----------------------------------------------------------------------------

    def _spent(self) -> float:
        return self._spent_before + self.clock() - self._began

    def _outcome(self) -> Outcome:
        if self._closing in ("time", "interrupted"):
            return self._closing
        return "trials" if self.study.live_candidates() else "no_candidates"


def _why(attempt: _Attempt) -> str:
    texts = {
        "timeout": "it took longer than budget.trial_time",
        "hang": "it said nothing for too long",
        "not_a_number": "its metric is not a finite number",
    }
    return texts[attempt.asked or "hang"]
