"""The loop: reads what workers say from their files, asks the study, answers with requests.

Knows nothing of models or data: what a trial is told to do is made by the function it is given.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from automl import documents
from automl.compiler.layout import Need
from automl.errors import StorageLost
from automl.events import (
    CandidateRetired,
    FailureKind,
    Finished,
    Reported,
    RunEvent,
    Saved,
    SearchProgressed,
    Started,
    Tail,
    TrialEnded,
    TrialEvent,
    TrialSaid,
    TrialStarted,
)
from automl.executors import Executor, Slot
from automl.jobs import TrialSpec
from automl.plan import Configuration
from automl.rundir import RunDir
from automl.scheduler.attempts import PAUSES, Attempt, End, Reason, end_of, retry
from automl.scheduler.hours import Hours, Limits
from automl.scheduler.pool import Pool
from automl.search import forecast, rungs, upkeep
from automl.search.study import Evaluation, Outlook, Overtaken, Study, StudyTrial, Verdict

Outcome = Literal[
    "trials", "time", "settled", "interrupted", "no_candidates", "disk_full", "device_lost"
]
LEAVING: tuple[Reason, ...] = ("interrupted", "disk_full", "device_lost")
"""Reasons to end the run as it is, to be continued."""
LEFT_OUT = "its candidate was left out since"
SPEND_SECONDS = 10.0
"""How often the search time spent is recorded; what a kill -9 of the parent can lose."""
SLEEP_SECONDS = 0.05
LOOK_SECONDS = 0.5
"""How often a study that others write too is looked at while nothing happens here."""


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
    predict: forecast.Predict = forecast.unknown
    """What a trial's training will take; corrected by what is seen."""
    does_not_fit: Callable[[Configuration, int, Slot], None] = lambda *_: None
    """Hears how many rows at once were too many for a configuration on a slot."""
    possible: Callable[[Configuration], bool] = lambda _: True
    """Whether a configuration may fit: false where not even one row of its kind did."""
    needs: Mapping[str, Need] = field(default_factory=dict)
    """Candidate → what its trials take of the slots; one, whole, where it is not there."""
    gone: Callable[[Slot], Sequence[str]] = lambda _: ()
    """Which of a slot's devices are there no more; asked when a process has broken down."""
    remove: Callable[[Path], None] = upkeep.delete
    """Deletes a folder of a trial, wherever it was put."""
    _hours: Hours = field(init=False)
    _upkeep: upkeep.Upkeep = field(init=False)
    _running: list[Attempt] = field(default_factory=list)
    _queue: list[int] = field(default_factory=list)
    _tails: dict[int, Tail] = field(default_factory=dict)
    _failures: Counter[tuple[int, FailureKind]] = field(default_factory=Counter)
    _held: frozenset[int] = frozenset()
    """Trials that the user has put aside."""
    _pool: Pool = field(init=False)
    _closing: Reason | None = None
    _over: tuple[Outcome, str] | None = None
    """Why nothing new can be started any more: the outcome, and in words."""
    _settled: str | None = None
    """Why nothing more is likely to be gained, as long as that holds."""
    _repeats: list[int] | None = None
    """Trials still to be repeated; null while searching."""
    _said: SearchProgressed | None = None
    _spent_at: float = 0.0
    _looked_at: float = -math.inf

    def __post_init__(self) -> None:
        """Begin with all slots free."""
        self._pool = Pool(self.slots, self.needs)

    @property
    def at_once(self) -> int:
        """How many trials run at once, about."""
        return self._pool.at_once

    def run(self) -> Outcome:
        """Run until the budget is spent, nothing is left to try, or the user asks to stop."""
        self._hours = Hours(self.study, self.limits, self.at_once, self.clock, self.predict)
        self._upkeep = upkeep.Upkeep(self.rundir, self.remove)
        self._spent_at = self.clock()
        try:
            with self.study.searching():
                while True:
                    try:
                        return self._run()
                    except Overtaken:
                        self._start_over()
        except StorageLost:
            self._save_and_leave()
            raise
        finally:
            self._kill_all()
            self.study.spend(self._hours.spent)

    def _run(self) -> Outcome:
        for trial in self._begun_here():
            self.executor.settle(self.rundir.trial(trial.number))
        with self.study.turn():
            self._catch_up()
            self._tidy()
        while True:
            if self._is_due():
                with self.study.turn():
                    if self._turn():
                        return self._outcome()
            self.sleep(SLEEP_SECONDS)

    def _is_due(self) -> bool:
        """Whether to take a turn: always, unless others wait for theirs and nothing is new here."""
        if not self.study.shared:
            return True
        waited = self.clock() - self._looked_at
        return waited > LOOK_SECONDS or any(
            attempt.tail.has_more() or attempt.handle.poll() is not None
            for attempt in self._running
        )

    def _turn(self) -> bool:
        """Hear what was said, decide, start what can be started; return whether all is over."""
        self._looked_at = self.clock()
        if self.study.shared:
            self._hours.count_anew()
            self._leave_to_others()
        for attempt in list(self._running):
            self._hear(attempt)
            self._collect(attempt)
        self._watch()
        if self._fill() or self._running:
            return False
        if self._closing in LEAVING:
            return True
        return not self.study.elsewhere() and not self._confirm()

    def _leave_to_others(self) -> None:
        """End the attempts whose trials others have taken over, or ended, in this one's silence."""
        for attempt in list(self._running):
            trial = self.study.trials[attempt.trial.number]
            if trial.state != "running" or trial.box != self.study.box:
                attempt.handle.kill()
                self._running.remove(attempt)
                self._pool.give(attempt.slot)
                self._say_paused(trial.number, "goes on elsewhere: nothing was heard of this run")
        self._queue = [n for n in self._queue if self.study.trials[n].box == self.study.box]

    def _start_over(self) -> None:
        """Begin again from what is recorded: others wrote while this run's words were lost."""
        self._kill_all()
        self._queue.clear()
        self._tails.clear()
        self.study.open()

    # -- starting ---------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Take in what workers said after the last run's parent had died, and queue the rest."""
        known = {candidate.id for candidate in self.study.plan.candidates}
        for trial in self._begun_here():
            last: TrialEvent | None = None
            verdict: Verdict = "continue"
            for event in self._tail(trial.number).read():
                last = event
                if isinstance(event, Reported):
                    verdict = self._report(trial.number, event)
            if isinstance(last, Finished):
                self._end(trial.number, "complete")
            elif verdict == "stop":
                self._end(trial.number, "pruned")
            elif trial.configuration.candidate not in known:
                self._end(trial.number, "failed", "lost", LEFT_OUT)
            elif self.study.trials[trial.number].paused:
                self.study.release(trial.number)
            else:
                self._queue.append(trial.number)
        for trial in self.study.trials:
            left = trial.state == "running" and not self.study.is_elsewhere(trial)
            if left and trial.configuration.candidate not in known:
                self._end(trial.number, "failed", "lost", LEFT_OUT)

    def _begun_here(self) -> list[StudyTrial]:
        """The trials that an earlier run of this machine has left."""
        box = self.study.box
        return [t for t in self.study.trials if t.state == "running" and t.box == box]

    def _fill(self) -> bool:
        """Start what can be started; return whether there was, or may still be, something to."""
        if self._closing is not None:
            return False
        for number in list(self._queue):
            trial = self.study.trials[number]
            if number not in self._held and self._place(trial):
                self._queue.remove(number)
        while self._pool.has_room():
            found = self._next()
            if found is None:
                return bool(self._pool.waiting)
            if not self._place(found):
                if found.number in self._queue:
                    return True
                self._queue.append(found.number)
        return True

    def _place(self, trial: StudyTrial) -> bool:
        """Start the trial where there is room for it; return whether it need not be waited for."""
        candidate = trial.configuration.candidate
        if trial.state != "running":
            self._pool.leave(trial.number)
            return True
        if not self._pool.fits(candidate):
            message = f"no GPU that is left has room for {candidate}"
            self._pool.leave(trial.number)
            self._end(trial.number, "failed", "device_lost", message)
            return True
        slot = self._pool.take(trial.number, candidate)
        if slot is not None:
            self._start(trial, slot)
        return slot is not None

    def _next(self) -> StudyTrial | None:
        """What to start now besides what was interrupted: what may go on, or something new."""
        if orphan := self.study.orphan():
            return orphan
        if self._repeats is not None:
            return self._next_repeat(self._repeats)
        # Looked at anew each time: what was under way may have turned out better than expected.
        self._settled = self.study.settled()
        outlook = self._outlook()
        return (
            self.study.promote(replace(outlook, spare=False))
            or (self._new() if outlook.more != 0 else None)
            or self.study.promote(self._outlook())
        )

    def _new(self) -> StudyTrial | None:
        """A new configuration that comes to its first rung in the time left, if there is one."""
        refused = False

        def accept(configuration: Configuration) -> bool:
            nonlocal refused
            if not self.possible(configuration):
                return False
            fits = self._hours.fits(StudyTrial(-1, configuration))
            refused = refused or not fits
            return fits

        trial = self.study.ask(accept)
        if trial is None and refused:
            self._over = "time", "no other configuration would come to its first rung in time"
        elif trial is None:
            self._settled = "every configuration of the space has been tried"
        return trial

    def _start(self, trial: StudyTrial, slot: Slot) -> None:
        trial = self.study.attempt(trial.number)
        folder = self.rundir.trial(trial.number)
        folder.root.mkdir(parents=True, exist_ok=True)
        folder.clear_request()
        spec = self.specify(trial, slot)
        documents.write(folder.spec, spec)
        handle = self.executor.start(folder, slot)
        now = self.clock()
        rows = spec.micro_batch or int(spec.hyperparameters.get("batch_size", 0)) // slot.processes
        rounded = spec.precision != "fp32" and self.study.plan.devices.precision == "auto"
        tail = self._tail(trial.number)
        self._running.append(Attempt(trial, slot, handle, rows, tail, now, now, rounded=rounded))
        self.listen(
            TrialStarted(
                trial.number,
                trial.configuration.candidate,
                trial.configuration.hyperparameters,
                trial.attempts,
                slot.label,
                time.time(),
                trial.repeat_of,
            )
        )

    def _tail(self, number: int) -> Tail:
        return self._tails.setdefault(number, Tail(self.rundir.trial(number).metrics))

    # -- listening --------------------------------------------------------------------------

    def _hear(self, attempt: Attempt) -> None:
        for event in attempt.tail.read():
            attempt.heard = self.clock()
            attempt.last = event
            self.listen(TrialSaid(attempt.trial.number, event, time.time()))
            match event:
                case Reported():
                    self._judge(attempt, event)
                case Saved():
                    attempt.saved_bytes = event.bytes
                case Started():
                    self._hours.starts.append(attempt.heard - attempt.started)

    def _judge(self, attempt: Attempt, event: Reported) -> None:
        if not math.isfinite(event.metrics[self.study.plan.goal.metric]):
            self._ask(attempt, "not_a_number")
            return
        verdict = self._report(attempt.trial.number, event)
        if verdict == "stop":
            self._ask(attempt, "pruned")
        elif verdict == "pause":
            self._ask(attempt, "rung")
        elif event.rung and attempt.asked is None:
            self.rundir.trial(attempt.trial.number).request("continue")
        if event.rung:
            self._tidy()

    def _report(self, number: int, event: Reported) -> Verdict:
        goal = self.study.plan.goal
        value = event.metrics[goal.metric]
        if not math.isfinite(value):
            return "stop"
        also = {name: event.metrics[name] for name in goal.also if name in event.metrics}
        evaluation = Evaluation(event.evaluation, event.samples, value, also)
        outlook = self._outlook() if event.rung else None
        return self.study.report(number, evaluation, event.seconds, event.costs, outlook)

    def _outlook(self) -> Outlook:
        busy = self._held.union(attempt.trial.number for attempt in self._running)
        busy |= self._pool.waiting
        busy |= self.study.elsewhere() | self.study.untrainable()
        return self._hours.outlook(self._over is not None, self._settled is not None, busy)

    # -- endings ----------------------------------------------------------------------------

    def _collect(self, attempt: Attempt) -> None:
        """If the attempt's process has ended, decide what that means for its trial."""
        code = attempt.handle.poll()
        if code is None:
            return
        self._hear(attempt)
        self._running.remove(attempt)
        self._pool.give(attempt.slot)
        if code != 0 or attempt.slot.processes > 1:
            attempt.handle.kill()
        number = attempt.trial.number
        folder = self.rundir.trial(number)
        folder.clear_request()
        end = self._for_want_of_a_device(attempt, end_of(attempt, code, folder.log))
        match end.kind:
            case "complete" | "pruned":
                self._end(number, end.kind)
            case "failed":
                self._failed(attempt, end.failure, end.message)
            case "killed":
                self._say_paused(number, "killed; continues from its last checkpoint")
            case "left":
                self._left(attempt)

    def _for_want_of_a_device(self, attempt: Attempt, end: End) -> End:
        """The end, or what it must be put down to; a slot whose device is gone is used no more."""
        if end.kind != "failed" or end.failure not in ("crash", "lost", "hang"):
            return end
        gone = self.gone(attempt.slot)
        if not gone:
            return end
        self._pool.lose(gone)
        if self._pool.is_gone:
            self._close("device_lost")
        message = f"the GPU {', '.join(gone)} is there no more: {end.message}"
        return End("failed", "device_lost", message)

    def _left(self, attempt: Attempt) -> None:
        number = attempt.trial.number
        if attempt.asked is not None:
            self._hours.answers.append(self.clock() - attempt.asked_at)
        if self.study.trials[number].paused:
            self.study.saved(number, attempt.saved_bytes)
            self.study.release(number)
            self._say_paused(number, self._rung(number))
            self._tidy()
        elif self._closing is not None:
            self.study.release(number)
            self._say_paused(number, f"saved ({self._closing})")
        else:
            self._queue.append(number)
            if attempt.asked == "held":
                self._say_paused(number, "put aside by `automl pause`")

    def _rung(self, number: int) -> str:
        trial, plan = self.study.trials[number], self.study.plan
        levels = rungs.levels(trial, plan)
        return f"rung {sum(level <= trial.samples for level in levels)} of {len(levels)}"

    def _failed(self, attempt: Attempt, kind: FailureKind, message: str) -> None:
        number = attempt.trial.number
        if kind == "disk_full":
            self._say_paused(number, f"{message}; continues from its last checkpoint")
            self._close("disk_full")
            return
        self._failures[number, kind] += 1
        configuration, rows = attempt.trial.configuration, attempt.rows
        halve = kind == "out_of_memory"
        if halve:
            self.does_not_fit(configuration, rows, attempt.slot)
            if self._pool.widen(configuration.candidate, attempt.slot):
                halve, rows = False, 2 * rows
        if not retry(kind, self._failures[number, kind], rows, attempt.rounded):
            self._end(number, "failed", kind, message)
            return
        if halve:
            self.study.shrink(number, rows // 2)
        if kind == "not_a_number":
            self.study.in_full_precision(number)
            message = f"{message}; in fp32 from here"
        if self.study.trials[number].paused:  # it goes on when, and if, its turn comes
            self.study.release(number)
            self._say_paused(number, f"{message}; continues from its last checkpoint")
        else:  # at once, or in the next run when this one is closing
            self._queue.insert(0, number)
            self._say_paused(number, f"{message}; trying again")

    def _say_paused(self, number: int, message: str) -> None:
        self.listen(TrialEnded(number, "paused", None, message, time.time()))

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
        self._tell(number, state, failure, message)
        for candidate, reason in self.study.retired().items():
            if candidate not in before:
                self.listen(CandidateRetired(candidate, reason, time.time()))
        self._tidy()

    def _tell(
        self,
        number: int,
        state: Literal["complete", "pruned", "failed"],
        failure: FailureKind | None,
        message: str,
    ) -> None:
        trial = self.study.tell(number, state, failure, message)
        value = trial.value(self.study.plan.goal.direction)
        self.listen(TrialEnded(number, state, value, message, time.time()))

    def _tidy(self) -> None:
        """Give up what cannot go on any more, delete what cannot win any more, say what is left."""
        if self._repeats is None:
            for trial in self.study.hopeless(self._outlook()):
                message = f"not among the best at {self._rung(trial.number)}"
                self._tell(trial.number, "pruned", None, message)
        self._upkeep.sweep(self.study.trials, self.study.plan)
        self._hours.keep_for_repeats()
        self._say_progress()

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
        self._held = self.rundir.held()
        for attempt in list(self._running):
            if attempt.trial.number in self._held and attempt.asked is None:
                self._ask(attempt, "held")
            self._watch_attempt(attempt)
        if self.clock() - self._spent_at > SPEND_SECONDS:
            self._spent_at = self.clock()
            self.study.spend(self._hours.spent)

    def _time_is_up(self) -> bool:
        """Time is up once something can win: a first evaluation is waited for."""
        if not self._hours.are_over():
            return False
        return self._hours.something_wins() or not self._running

    def _watch_attempt(self, attempt: Attempt) -> None:
        now = self.clock()
        limit = self.limits.trial_seconds
        if attempt.handle.waits():
            attempt.started = attempt.heard = now
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

    def _ask(self, attempt: Attempt, reason: Reason) -> None:
        attempt.asked, attempt.asked_at = reason, self.clock()
        folder = self.rundir.trial(attempt.trial.number)
        folder.request("pause" if reason in PAUSES else "stop")

    def _kill_all(self) -> None:
        for attempt in self._running:
            attempt.handle.kill()
            self._pool.give(attempt.slot)
        self._running.clear()

    def _save_and_leave(self) -> None:
        """Have what runs saved although nothing can be recorded of it: the next run takes it in."""
        self._close("storage_lost")
        deadline = self.clock() + self.limits.grace_seconds
        while self.clock() < deadline and any(map(_is_at_work, self._running)):
            self.sleep(SLEEP_SECONDS)

    # -- the end ----------------------------------------------------------------------------

    def _confirm(self) -> bool:
        """Turn from searching to repeating the best; return whether there is something to repeat.

        The winner is chosen by the mean over seeds: the best of many single runs is flattered.
        """
        if self._repeats is not None or self._closing in LEAVING:
            return False
        outcome, words = self._how_it_ended()
        self._over = outcome, words + self._aside()
        self.study.spend(self._hours.spent)
        self.study.end(self._over[1])
        self._tidy()
        self._closing = None
        self._hours.searching = False
        trials = self.study.trials
        best = upkeep.unrepeated(trials, self.study.plan)
        self._repeats = [number for number in best if self._hours.repeats(trials[number])]
        self._say_progress()
        return bool(self._repeats)

    def _next_repeat(self, waiting: list[int]) -> StudyTrial | None:
        """The next repeat that comes to its end in the time left."""
        while waiting:
            original = self.study.trials[waiting.pop(0)]
            known = self.study.trials, self.study.plan
            if original.number in upkeep.unrepeated(*known) and self._hours.repeats(original):
                return self.study.repeat(original.number)
        return None

    def _how_it_ended(self) -> tuple[Outcome, str]:
        if self._closing == "time":
            return "time", "the time budget is used up"
        if not self.study.live_candidates():
            return "no_candidates", "every candidate was retired"
        if self._settled is not None:
            return "settled", self._settled
        if self._over is not None:
            return self._over
        if self._hours.startable() == 0:
            return "trials", f"all {self.limits.trials} trials have been made"
        return "time", "no trial would come to its next evaluation in the time left"

    def _aside(self) -> str:
        """The trials that the search ended without, since the user has put them aside."""
        trials = self.study.trials
        held = [n for n in sorted(self._held) if n < len(trials) and trials[n].state == "running"]
        if not held:
            return ""
        return f"; without trial {', '.join(map(str, held))}, put aside by `automl pause`"

    def _say_progress(self) -> None:
        """Say where the search stands, if a count has changed since it was last said."""
        phase: Literal["searching", "confirming", "over"] = "searching"
        if self._repeats is not None:
            phase = "confirming" if self._repeats or self._running else "over"
        found = SearchProgressed(
            phase,
            upkeep.counts(self.study.trials, self.study.plan),
            self._upkeep.bytes_in_use(self.study.trials),
            reason=self._over[1] if self._over else "",
        )
        if found != self._said:
            self._said = found
            self.listen(replace(found, seconds=self._hours.spent, time=time.time()))

    def _outcome(self) -> Outcome:
        match self._closing:
            case "interrupted" | "disk_full" | "device_lost":
                return self._closing
        self._say_progress()
        return (self._over or self._how_it_ended())[0]


def _is_at_work(attempt: Attempt) -> bool:
    try:
        return attempt.handle.poll() is None
    except StorageLost:  # it has left; what it left can't be copied
        return False
