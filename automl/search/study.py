"""The study: ask for a configuration, report evaluations, tell ends, name the best.

One controller owns it. Optuna draws from an in-memory copy under today's space; what happens is
written to the journal first, and the copy is rebuilt from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import optuna
from optuna.samplers import RandomSampler
from optuna.trial import TrialState, create_trial

from automl.events import FailureKind
from automl.plan import Configuration, Plan
from automl.search import space, strategies
from automl.search.journal import Journal

Verdict = Literal["continue", "stop"]
State = Literal["running", "complete", "pruned", "failed"]
RETIRE_AFTER = 3
_STATES: Mapping[State, TrialState] = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "running": TrialState.RUNNING,
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of a trial: its number from 1, training samples seen, the goal's metric."""

    number: int
    samples: int
    value: float


@dataclass(frozen=True, slots=True)
class StudyTrial:
    """One configuration over its whole life."""

    number: int
    configuration: Configuration
    state: State = "running"
    evaluations: tuple[Evaluation, ...] = ()
    seconds: float = 0.0
    """Training and evaluation seconds, over all attempts."""
    attempts: int = 0
    micro_batch: int | None = None
    failure: FailureKind | None = None
    message: str = ""

    def value(self, direction: str) -> float | None:
        """Return the best evaluation by ``direction``, or None before the first."""
        values = [evaluation.value for evaluation in self.evaluations]
        if not values:
            return None
        return max(values) if direction == "maximize" else min(values)


class Study:
    """All trials of one run folder. Numbers count from 0 in the order they were asked for."""

    def __init__(self, path: Path, plan: Plan) -> None:
        """Open (or create) the journal at ``path`` and rebuild the sampler's copy."""
        self.plan = plan
        self._journal = Journal(path, plan.name, plan.goal.direction)
        self._trials = [restore(trial) for trial in self._journal.trials]
        self._pruner = strategies.pruner(plan)
        self._live = self.live_candidates()
        self._copy = self._rebuilt()

    @property
    def trials(self) -> tuple[StudyTrial, ...]:
        """All trials, by number."""
        return tuple(self._trials)

    @property
    def seconds(self) -> float:
        """Search seconds spent by all runs of this study so far."""
        return float(self._journal.attributes.get("seconds", 0.0))

    def spend(self, seconds: float) -> None:
        """Record the search seconds spent so far, in all."""
        self._journal.set_attribute("seconds", seconds)

    def live_candidates(self) -> tuple[str, ...]:
        """Return the ids of the plan's candidates that are not retired."""
        retired = self.retired()
        return tuple(c.id for c in self.plan.candidates if c.id not in retired)

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

    def ask(self) -> StudyTrial | None:
        """Return a new running trial, recorded, or None when every candidate is retired.

        Each candidate's default configuration comes first. The draw depends on the seed, the
        trial's number and the history alone, so an interrupted study goes on as it would have.
        """
        live = self.live_candidates()
        if not live:
            return None
        if live != self._live:
            self._live = live
            self._copy = self._rebuilt()
        number = len(self._trials)
        tried = {trial.configuration.candidate for trial in self._trials}
        fresh = next((c for c in live if c not in tried), None)
        if fresh is not None:
            self._enqueue_default(fresh, live)
        drawn, configuration = self._draw(number)
        self._journal.add(
            drawn.params,
            drawn.distributions,
            {
                "candidate": configuration.candidate,
                "hyperparameters": dict(configuration.hyperparameters),
            },
        )
        trial = StudyTrial(number, configuration)
        self._trials.append(trial)
        self._views[number] = drawn
        return trial

    def report(self, number: int, evaluation: Evaluation, seconds: float) -> Verdict:
        """Record an evaluation and say whether the trial should go on.

        An evaluation that was recorded before (a resumed worker repeats those after its
        checkpoint) changes nothing and continues.
        """
        trial = self._running(number)
        if any(evaluation.number <= known.number for known in trial.evaluations):
            return "continue"
        samples = {str(e.number): e.samples for e in (*trial.evaluations, evaluation)}
        self._journal.set_trial_attribute(number, "samples", samples)
        self._journal.set_trial_attribute(number, "seconds", seconds)
        self._journal.report(number, evaluation.number, evaluation.value)
        self._trials[number] = replace(
            trial, evaluations=(*trial.evaluations, evaluation), seconds=seconds
        )
        view = self._view(number)
        view.report(evaluation.value, evaluation.number)
        return "stop" if view.should_prune() else "continue"

    def attempt(self, number: int) -> StudyTrial:
        """Record that another attempt of the trial starts."""
        trial = self._running(number)
        trial = replace(trial, attempts=trial.attempts + 1)
        self._journal.set_trial_attribute(number, "attempts", trial.attempts)
        self._trials[number] = trial
        return trial

    def shrink(self, number: int, micro_batch: int | None) -> None:
        """Record the micro-batch that the trial's next attempt uses."""
        self._journal.set_trial_attribute(number, "micro_batch", micro_batch)
        self._trials[number] = replace(self._running(number), micro_batch=micro_batch)

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
        if state == "failed":
            self._journal.set_trial_attribute(number, "failure", failure)
            self._journal.set_trial_attribute(number, "message", message)
        self._journal.tell(number, _STATES[state], value)
        self._copy.tell(number, value if state == "complete" else None, state=_STATES[state])
        trial = replace(trial, state=state, failure=failure, message=message)
        self._trials[number] = trial
        return trial

    def best(self) -> StudyTrial | None:
        """Return the best trial so far of the plan's candidates; see ``best_of``."""
        known = {candidate.id for candidate in self.plan.candidates}
        mine = [trial for trial in self._trials if trial.configuration.candidate in known]
        return best_of(mine, self.plan.goal.direction)

    def _running(self, number: int) -> StudyTrial:
        trial = self._trials[number]
        if trial.state != "running":
            raise ValueError(f"trial {number} has ended: {trial.state}")
        return trial

    def _draw(self, number: int) -> tuple[optuna.trial.Trial, Configuration]:
        self._copy.sampler = strategies.sampler(self.plan, number)
        drawn = self._copy.ask()
        configuration = space.suggest(drawn, self.plan, self._live)
        self._copy.sampler = RandomSampler()
        return drawn, configuration

    def _view(self, number: int) -> optuna.trial.Trial:
        """The trial in the sampler's copy; only a trial of an earlier run has to be made."""
        if number not in self._views:
            identifier = self._copy.get_trials(deepcopy=False)[number]._trial_id
            self._views[number] = optuna.trial.Trial(self._copy, identifier)
        return self._views[number]

    def _enqueue_default(self, candidate: str, live: tuple[str, ...]) -> None:
        configuration = space.default(self.plan.candidate(candidate))
        parameters = space.encode(self.plan, live, configuration)
        if parameters is None:
            raise ValueError(f"the default configuration of {candidate} lies outside its space")
        self._copy.enqueue_trial(
            space.clip(parameters, space.distributions(self.plan, live, candidate))
        )

    def _rebuilt(self) -> optuna.Study:
        """The sampler's copy: every trial under today's space, the others as failures."""
        self._views: dict[int, optuna.trial.Trial] = {}
        study = optuna.create_study(
            direction=self.plan.goal.direction,
            pruner=self._pruner,
            sampler=RandomSampler(),
        )
        for trial in self._trials:
            study.add_trial(self._recoded(trial))
        return study

    def _recoded(self, trial: StudyTrial) -> optuna.trial.FrozenTrial:
        live = self._live
        parameters = space.encode(self.plan, live, trial.configuration)
        if parameters is None:
            state = TrialState.RUNNING if trial.state == "running" else TrialState.FAIL
            return create_trial(state=state, params={}, distributions={})
        found = space.distributions(self.plan, live, trial.configuration.candidate)
        complete = trial.state == "complete"
        return create_trial(
            state=_STATES[trial.state],
            value=trial.value(self.plan.goal.direction) if complete else None,
            params=space.clip(parameters, found),
            distributions=found,
            intermediate_values={e.number: e.value for e in trial.evaluations},
        )


def best_of(trials: Iterable[StudyTrial], direction: str) -> StudyTrial | None:
    """Return the trial with the best evaluation, whatever it ended as; the earliest on a tie.

    Failed trials do not win: their best model may be what broke.
    """
    scored = [trial for trial in trials if trial.state != "failed" and trial.evaluations]
    sign = 1 if direction == "maximize" else -1
    return max(scored, key=lambda t: (sign * (t.value(direction) or 0.0), -t.number), default=None)


def restore(trial: optuna.trial.FrozenTrial) -> StudyTrial:
    """Return the trial that a journal's record stands for."""
    facts = trial.user_attrs
    samples = facts.get("samples", {})
    states = {value: key for key, value in _STATES.items()}
    return StudyTrial(
        number=trial.number,
        configuration=Configuration(facts["candidate"], facts["hyperparameters"]),
        state=states[trial.state],
        evaluations=tuple(
            Evaluation(step, int(samples.get(str(step), 0)), value)
            for step, value in sorted(trial.intermediate_values.items())
        ),
        seconds=float(facts.get("seconds", 0.0)),
        attempts=int(facts.get("attempts", 0)),
        micro_batch=facts.get("micro_batch"),
        failure=facts.get("failure"),
        message=facts.get("message", ""),
    )
