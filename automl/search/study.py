"""The study: ask for a configuration, report evaluations, tell ends, name the best.

One controller owns it, or each of several machines in its turn. What happens is written to the
journal first; what to do next is decided by pure functions over the trials (``proposals``,
``rungs``, ``choice``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from automl.events import FailureKind
from automl.plan import Configuration, Plan
from automl.search import choice, proposals, rungs, space, stopping, strategies
from automl.search.feed import Feed
from automl.search.journal import Journal
from automl.search.memo import PerTrial
from automl.search.portfolio import Portfolio
from automl.search.proposals import Accept
from automl.search.pruning import Pruning
from automl.search.rungs import Outlook, Verdict
from automl.search.shared import Overtaken, SharedLog
from automl.search.trial import Evaluation, State, StudyTrial

__all__ = [
    "RETIRE_AFTER",
    "Evaluation",
    "Outlook",
    "Overtaken",
    "State",
    "Study",
    "StudyTrial",
    "Verdict",
]

RETIRE_AFTER = 3
REHEARSED = 16
"""Draws until a sampler no longer draws at random for want of trials."""
Answer = TypeVar("Answer")


class Study:
    """All trials of one run folder. Numbers count from 0 in the order they were asked for."""

    def __init__(
        self,
        log: Path | SharedLog,
        plan: Plan,
        starts: Sequence[Configuration] = (),
        floor: float | None = None,
        unable: Sequence[str] = (),
    ) -> None:
        """Open (or create) the journal: a file, or a log that several machines share.

        ``starts`` are configurations that similar studies found good; they are tried early.
        ``floor`` is the value of a model without a neural network, where it is known. ``unable``
        are candidates of the plan that this machine cannot train, though others may.
        """
        self.plan = plan
        self.unable = frozenset(unable)
        self._portfolio = Portfolio(plan, starts, floor)
        self._log = log
        self.open()

    def open(self) -> None:
        """Read the journal from its beginning, forgetting what is not in it."""
        self._journal = Journal(self._log, self.plan.name, self.plan.goal.direction)
        self._trials = self._journal.trials
        self._pruning = Pruning(self.plan, self._trials)
        self._feed = Feed(self.plan, self._journal.states)
        self._values = PerTrial(lambda trial: rungs.values(trial, self.plan))
        self._changes = 0
        self._best: tuple[int, StudyTrial | None] | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the study alone, with all that other machines have made of it taken in.

        Everything is recorded at its end, or nothing is: then ``Overtaken`` is raised, and the
        study must be opened again. A study that is not shared is always held.
        """
        with self._journal.turn() as changed:
            if changed:
                self._take_in(changed)
            yield

    def in_turn(self, what: Callable[[], Answer]) -> Answer:
        """Return what ``what`` returns in a turn; called again where others have overtaken it."""
        while True:
            try:
                with self.turn():
                    return what()
            except Overtaken:
                self.open()

    def _take_in(self, changed: Mapping[int, StudyTrial]) -> None:
        for number, trial in changed.items():
            self._trials[number : number + 1] = [trial]
        self._changes += 1
        self._pruning = Pruning(self.plan, self._trials)
        if self.plan.search.sampler == "nsga2":
            self._feed = Feed(self.plan, self._journal.states)

    @contextmanager
    def searching(self) -> Iterator[None]:
        """Be seen by the other machines that share the study, if any do, and count the time."""
        with self._log.presence(True) if isinstance(self._log, SharedLog) else nullcontext():
            yield

    @property
    def shared(self) -> bool:
        """Whether several machines work on it."""
        return isinstance(self._log, SharedLog)

    @property
    def box(self) -> str:
        """This machine's name in a shared study; empty otherwise."""
        return self._log.box if isinstance(self._log, SharedLog) else ""

    def is_elsewhere(self, trial: StudyTrial) -> bool:
        """Whether another machine, which is alive, is at work on the trial."""
        mine = trial.box in ("", self.box) or trial.state != "running"
        return not mine and isinstance(self._log, SharedLog) and self._log.is_alive(trial.box)

    def elsewhere(self) -> frozenset[int]:
        """Return the trials that other machines are at work on."""
        return frozenset(trial.number for trial in self._trials if self.is_elsewhere(trial))

    def untrainable(self) -> frozenset[int]:
        """Return the trials that only other machines can go on with."""
        return frozenset(
            trial.number
            for trial in self._trials
            if trial.state == "running" and trial.configuration.candidate in self.unable
        )

    def orphan(self) -> StudyTrial | None:
        """Return a trial that was begun and nobody is at work on, if there is one."""
        if not self.shared:
            return None
        able = {candidate.id for candidate in self.plan.candidates} - self.unable
        for trial in self._trials:
            left = trial.state == "running" and not trial.paused and trial.box != self.box
            if left and trial.configuration.candidate in able and not self.is_elsewhere(trial):
                return trial
        return None

    def release(self, number: int) -> None:
        """Let any machine go on with the trial; what it continues from is where all see it."""
        if self._trials[number].box:
            self._set(number, box="")

    @property
    def trials(self) -> tuple[StudyTrial, ...]:
        """All trials, by number."""
        return tuple(self._trials)

    @property
    def seconds(self) -> float:
        """Search seconds spent by all runs of this study so far."""
        return self._journal.seconds

    def attribute(self, key: str) -> Any:
        """Return an attribute of the study; None where it has none of that name."""
        return self._journal.attributes.get(key)

    def set_attribute(self, key: str, value: Any) -> None:
        """Record an attribute of the study: what can be written as JSON."""
        self._journal.set_attribute(key, value)

    @property
    def ended(self) -> str:
        """Why the search ended, in words; empty while it has not."""
        return str(self._journal.attributes.get("ended", ""))

    def end(self, reason: str) -> None:
        """Record why the search ended."""
        self._journal.set_attribute("ended", reason)

    def spend(self, seconds: float) -> None:
        """Record the search seconds spent so far, in all."""
        self._journal.spend(seconds)

    def live_candidates(self) -> tuple[str, ...]:
        """Return the ids of the plan's candidates that are not retired, and that this machine can
        train."""
        without = self.unable.union(self.retired())
        return tuple(c.id for c in self.plan.candidates if c.id not in without)

    def retired(self) -> dict[str, str]:
        """Return candidates that failed ``RETIRE_AFTER`` times for one cause, with the reason."""
        causes = Counter(
            (trial.configuration.candidate, trial.failure)
            for trial in self._trials
            if trial.state == "failed" and trial.failure is not None
        )
        return {
            candidate: f"{count} trials ended with {str(cause).replace('_', ' ')}"
            for (candidate, cause), count in causes.items()
            if count >= RETIRE_AFTER
        }

    def ask(self, accept: Accept = lambda _: True) -> StudyTrial | None:
        """Return a new running trial, recorded, or None when nothing is left to try.

        Starting points come first, each candidate's best bet before all others. The draw depends on
        the seed, the trial's number and the history alone, so an interrupted study goes on as it
        would have. A configuration that ``accept`` refuses is not tried now.
        """
        live = self.live_candidates()
        drawn = proposals.propose(self._portfolio, self._trials, live, accept, self._feed)
        if drawn is None:
            return None
        trial = self._add(StudyTrial(len(self._trials), drawn), live)
        if self.plan.search.sampler == "nsga2":  # what cmaes leaves is a pickle: not kept
            self._journal.set(trial.number, "sampler", dict(self._feed.state(trial.number)))
        return trial

    def rehearse(self) -> None:
        """Draw some configurations for nothing: the first draws load libraries.

        Done before a turn, while no other machine waits for it to end.
        """
        live, feed, made = self.live_candidates(), Feed(self.plan), list[StudyTrial]()
        for number in range(REHEARSED):
            drawn = proposals.propose(self._portfolio, made, live, lambda _: True, feed)
            if drawn is None:
                break
            found = (Evaluation(1, 1, number / REHEARSED),)
            made.append(StudyTrial(number, drawn, "complete", found))

    def settled(self) -> str | None:
        """Return why nothing more is likely to be gained, in words; see ``stopping``."""
        live = self.live_candidates()
        tried = self._feed.tried(self._trials)
        left = self._portfolio.untried(live, tried, self._trials)
        return stopping.settled(self._trials, self.plan, live, len(left), self._feed)

    def repeat(self, number: int) -> StudyTrial:
        """Return a new running trial of the same configuration with a training seed of its own."""
        original = self._trials[number]
        times = sum(trial.repeat_of == number for trial in self._trials)
        seed = strategies.seed(self.plan, "repeat", number, times)
        trial = StudyTrial(
            len(self._trials), original.configuration, seed=seed, repeat_of=original.number
        )
        return self._add(trial, self.live_candidates())

    def report(
        self,
        number: int,
        evaluation: Evaluation,
        seconds: float,
        costs: Mapping[str, float] | None = None,
        outlook: Outlook | None = None,
    ) -> Verdict:
        """Record an evaluation and say whether the trial should go on, wait or stop.

        At a rung the ``outlook`` decides with the other trials. An evaluation that was recorded
        before (a resumed worker repeats those after its checkpoint) changes nothing; the answer is
        the one that was given, unless none was.
        """
        trial = self._running(number)
        if all(evaluation.number > known.number for known in trial.evaluations):
            self._record(trial, replace(evaluation, seconds=seconds), costs or {})
            if self._pruning.report(self._trials[number]) == "stop":
                return "stop"
        return self.judge(number, outlook)

    def judge(self, number: int, outlook: Outlook | None = None) -> Verdict:
        """Say what a trial does at the rung it has come to, and remember the answer.

        It continues where it is at none, and without an outlook to judge by.
        """
        trial = self._running(number)
        if trial.paused:
            return "pause"
        if not rungs.is_undecided(trial, self.plan):
            return "continue"
        if outlook is None:
            return "continue"
        verdict = rungs.decide(self._trials, self.plan, number, outlook, self._values)
        if verdict == "continue":
            self._set(number, passed=rungs.reached(trial, self.plan))
        elif verdict == "pause":
            self._set(number, paused=True)
        return verdict

    def paused(self) -> tuple[StudyTrial, ...]:
        """Return the trials that wait at a rung, by number."""
        return tuple(t for t in self._trials if t.paused and t.state == "running")

    def promote(self, outlook: Outlook | None = None) -> StudyTrial | None:
        """Return the waiting trial that may go on now, if any; ``attempt`` lets it."""
        if not any(trial.paused for trial in self._trials):
            return None
        found = rungs.promotable(self._trials, self.plan, outlook or Outlook(), self._values)
        return found[0] if found else None

    def hopeless(self, outlook: Outlook | None = None) -> tuple[StudyTrial, ...]:
        """Return the waiting trials that will not go on any more; the caller tells their end."""
        if not any(trial.paused for trial in self._trials):
            return ()
        return tuple(rungs.hopeless(self._trials, self.plan, outlook or Outlook(), self._values))

    def saved(self, number: int, size: int) -> None:
        """Record the bytes of the checkpoint that a waiting trial left."""
        self._set(number, checkpoint_bytes=size)

    def attempt(self, number: int) -> StudyTrial:
        """Record that another attempt of the trial starts, past all rungs it was evaluated at."""
        trial = self._running(number)
        passed = max(trial.passed, rungs.reached(trial, self.plan))
        changes: dict[str, Any] = {"attempts": trial.attempts + 1}
        if passed != trial.passed:
            changes["passed"] = passed
        if trial.paused:
            changes["paused"] = False
        if trial.box != self.box:
            changes["box"] = self.box
        return self._keep(replace(self._set(number, **changes), checkpoint_bytes=0))

    def shrink(self, number: int, micro_batch: int | None) -> None:
        """Record the micro-batch that the trial's next attempt uses."""
        self._set(number, micro_batch=micro_batch)

    def in_full_precision(self, number: int) -> None:
        """Record that the trial's next attempts train in fp32."""
        self._set(number, full_precision=True)

    def tell(
        self,
        number: int,
        state: Literal["complete", "pruned", "failed"],
        failure: FailureKind | None = None,
        message: str = "",
    ) -> StudyTrial:
        """Record the end of a trial. A trial without an evaluation can only have failed."""
        trial = self._running(number)
        value = trial.value(self.plan.goal.direction)
        if value is None and state != "failed":
            raise ValueError(f"trial {number} has no evaluation and cannot be {state}")
        if failure is not None:
            self._set(number, failure=failure)
        if message:
            self._set(number, message=message)
        self._journal.tell(number, state, value)
        self._pruning.tell(number, state, value)
        trial = replace(
            trial, state=state, failure=failure, message=message, paused=False, checkpoint_bytes=0
        )
        self._keep(trial)
        return trial

    def best(self) -> StudyTrial | None:
        """Return the trial that would win now, of the plan's candidates; see ``choice``."""
        if self._best is None or self._best[0] != self._changes:
            known = {candidate.id for candidate in self.plan.candidates}
            mine = [trial for trial in self._trials if trial.configuration.candidate in known]
            self._best = (self._changes, choice.choose(mine, self.plan.goal))
        return self._best[1]

    def _add(self, trial: StudyTrial, live: Sequence[str]) -> StudyTrial:
        encoded = space.encode(self.plan, live, trial.configuration)
        self._journal.add(trial, encoded)
        self._pruning.add(trial)
        self._trials.append(trial)
        self._changes += 1
        return trial

    def _record(
        self, trial: StudyTrial, evaluation: Evaluation, costs: Mapping[str, float]
    ) -> None:
        self._journal.report(trial.number, evaluation, trial)
        every = (*trial.evaluations, evaluation)
        self._keep(replace(trial, evaluations=every, seconds=evaluation.seconds))
        if costs:
            self._set(trial.number, costs=dict(costs))

    def _set(self, number: int, **changes: Any) -> StudyTrial:
        """Change a running trial, in the journal first."""
        trial = self._running(number)
        for key, value in changes.items():
            self._journal.set(number, key, value)
        return self._keep(replace(trial, **changes))

    def _keep(self, trial: StudyTrial) -> StudyTrial:
        self._trials[trial.number] = trial
        self._changes += 1
        return trial

    def _running(self, number: int) -> StudyTrial:
        trial = self._trials[number]
        if trial.state != "running":
            raise ValueError(f"trial {number} has ended: {trial.state}")
        return trial
