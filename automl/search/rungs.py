"""Which trials go on past their rungs: asynchronous successive halving with continuation.

Pure functions over trials (Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning).
A trial waits at each rung it comes to; one in ``eta`` of those that came to a rung goes on. Within
a candidate trials are compared at equal samples. Candidates differ in what a sample costs them, so
across candidates a trial must also hold its own at equal seconds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from automl.plan import Plan
from automl.search.trial import StudyTrial

Verdict = Literal["continue", "pause", "stop"]
Values = Callable[[StudyTrial], Sequence[float]]
"""``values`` under one plan, remembered."""
Came = dict[tuple[str, int], list[tuple[float, int, StudyTrial]]]
"""Who came to a candidate's rung, the best first: value (negated), number, trial."""
MOST_PAUSED = 16
"""Checkpoints kept for trials that wait. A trial that 16 others at its rung are ahead of goes on
only once 51 have come there (``eta`` 3), more than most studies ever start; a checkpoint takes
three times the model's bytes."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is still to come, as far as it is known."""

    more: int | None = None
    """How many configurations may still be started; null: no end in sight."""
    spare: bool = False
    """Whether slots have nothing better to do than to continue any trial that waits."""
    busy: frozenset[int] = frozenset()
    """Trials whose process has not left yet: they are neither continued nor given up."""
    fits: Callable[[StudyTrial], bool] = lambda _: True
    """Whether the trial can come to its next rung, or its end, in the time left."""
    moves: Callable[[StudyTrial], bool] = lambda _: True
    """Whether it can at least come to its next evaluation."""
    quick: Callable[[StudyTrial], bool] = lambda _: False
    """Whether it comes to its next rung, or its end, sooner than it could leave and come back."""
    urgent: bool = False
    """Whether one more configuration would leave too little time to bring any to its end."""


@dataclass(frozen=True, slots=True)
class Place:
    """A trial's place at one rung: counted from 0, among those of its candidate that came there."""

    trial: StudyTrial
    rung: int
    rank: int
    reached: int
    value: float
    """The best value up to the rung; larger is better, whatever the goal's direction."""

    def shortfall(self, eta: int) -> int:
        """How many more trials must come to the first rung for this one to go on, about."""
        return int((eta * (self.rank + 1) - self.reached) * eta**self.rung)


def levels(trial: StudyTrial, plan: Plan) -> tuple[int, ...]:
    """Return the samples at which the trial is compared: the plan's rungs short of its end.

    None for probes and repeats, nor under a strategy without rungs.
    """
    if plan.search.strategy != "promotion" or not trial.searched:
        return ()
    epochs = trial.configuration.hyperparameters.get("epochs")
    rungs = plan.search.rungs
    if not isinstance(epochs, int | float):
        return rungs
    return tuple(level for level in rungs if level < epochs * plan.data.rows["train"])


def values(trial: StudyTrial, plan: Plan) -> list[float]:
    """Return the trial's best value up to each rung it came to, larger always better."""
    sign = 1 if plan.goal.direction == "maximize" else -1
    found: list[float] = []
    samples = [evaluation.samples for evaluation in trial.evaluations]
    for level in levels(trial, plan):
        if not samples or samples[-1] < level:
            break
        upto = bisect_right(samples, level - 1) + 1
        found.append(max(sign * evaluation.value for evaluation in trial.evaluations[:upto]))
    return found


def ahead(trial: StudyTrial, plan: Plan) -> tuple[int, ...]:
    """Return the rungs at which the trial still has to wait."""
    return tuple(level for level in levels(trial, plan) if level > trial.passed)


def reached(trial: StudyTrial, plan: Plan) -> int:
    """Return the samples of the highest rung that the trial was evaluated at; 0: none yet."""
    return max((level for level in levels(trial, plan) if level <= trial.samples), default=0)


def is_undecided(trial: StudyTrial, plan: Plan) -> bool:
    """Whether the trial has come to a rung and has not been told yet what to do there."""
    return trial.state == "running" and not trial.paused and reached(trial, plan) > trial.passed


def champion(trials: Sequence[StudyTrial], plan: Plan, outlook: Outlook) -> StudyTrial | None:
    """Return the trial that runs to its end next, while none has: it is not paused any more.

    Whenever the study is stopped, something has then been trained as far as it goes. It is the best
    of the first ``eta`` that came to a rung; of fewer, where nothing more is to come or time is
    short. None once a trial is complete.
    """
    if any(trial.state == "complete" and trial.searched for trial in trials):
        return None
    mine = [trial for trial in trials if trial.state != "failed" and trial.searched]
    came = [trial for trial in mine if reached(trial, plan)]
    going = [trial for trial in came if trial.state == "running"]
    chosen = any(trial.passed for trial in going) or len(came) >= plan.search.eta
    if not going or not (chosen or outlook.more == 0 or outlook.urgent):
        return None
    sign = 1 if plan.goal.direction == "maximize" else -1
    return max(
        going,
        key=lambda one: (
            one.passed,
            reached(one, plan),
            sign * (one.value(plan.goal.direction) or 0.0),
            -one.number,
        ),
    )


def decide(
    trials: Sequence[StudyTrial],
    plan: Plan,
    number: int,
    outlook: Outlook,
    known: Values | None = None,
) -> Verdict:
    """Say what a trial does at the rung it has come to.

    Going on at once costs no restart, so it goes on wherever it may, though another that waits may
    be ahead of it; and where leaving would take longer than going on.
    """
    trial = trials[number]
    trials = [replace(t, paused=True) if t.number == number else t for t in trials]
    outlook = replace(outlook, busy=outlook.busy - {number})
    going = promotable(trials, plan, replace(outlook, spare=False), known)
    going += promotable(trials, plan, outlook, known)[:1] if outlook.spare else []
    if number in {trial.number for trial in going}:
        return "continue"
    if number in {trial.number for trial in hopeless(trials, plan, outlook, known)}:
        return "stop"
    return "continue" if outlook.quick(trial) else "pause"


def promotable(
    trials: Sequence[StudyTrial], plan: Plan, outlook: Outlook, known: Values | None = None
) -> list[StudyTrial]:
    """Return the waiting trials that may go on: the highest rung first, then the best value.

    One in ``eta`` of those at a rung may; at least one where nothing more is to come. Where none
    may, a candidate's best trial gets the benefit of the doubt: see ``_guarded``. The champion
    comes before all. With time to spare the others follow, last those that will only come to their
    next evaluation.
    """
    came = _came(trials, plan, known)
    every = _waiting(trials, came, plan, outlook)
    places = [place for place in every if outlook.fits(place.trial)]
    best, eta, last = champion(trials, plan, outlook), plan.search.eta, outlook.more == 0
    quota = [
        place
        for place in places
        if place.rank < _quota(place.reached, eta, last) and not _is_beaten(place, trials, plan)
    ]
    found = [place for place in every if place.trial is best]
    found += [place for place in _ordered(quota) if place not in found]
    if not found:
        found = _ordered(_guarded(places, came, trials, plan))
    if outlook.spare:
        found += [place for place in _ordered(places) if place not in found]
        found += [p for p in _ordered(every) if p not in found and outlook.moves(p.trial)]
    return [place.trial for place in found]


def hopeless(
    trials: Sequence[StudyTrial], plan: Plan, outlook: Outlook, known: Values | None = None
) -> list[StudyTrial]:
    """Return the waiting trials that will not go on any more, and those too many to be kept.

    A trial is given up once it would be outside the quota of its rung even if none of those to
    come were better; of more than ``MOST_PAUSED`` the least promising are.
    """
    came = _came(trials, plan, known)
    best = champion(trials, plan, outlook)
    places = [p for p in _waiting(trials, came, plan, outlook) if p.trial is not best]
    lost: list[Place] = []
    if outlook.more is not None and not outlook.spare:
        coming = _coming(trials, came, plan, outlook.more)
        lost = [p for p in places if p.rank >= _last_quota(p, coming, plan.search.eta)]
        if outlook.more == 0 and not any(_is_under_way(trial) for trial in trials):
            always = replace(outlook, fits=lambda _: True)
            going = {trial.number for trial in promotable(trials, plan, always, known)}
            lost = [place for place in places if place.trial.number not in going]
    kept = [place for place in places if place not in lost]
    kept.sort(key=lambda place: (place.shortfall(plan.search.eta), place.trial.number))
    return [place.trial for place in (*lost, *kept[MOST_PAUSED:])]


def _came(trials: Sequence[StudyTrial], plan: Plan, known: Values | None) -> Came:
    """Who came to each candidate's rungs. Failed ones never came anywhere."""
    found: Came = {}
    for trial in trials:
        if trial.state != "failed":
            name = trial.configuration.candidate
            for rung, value in enumerate(known(trial) if known else values(trial, plan)):
                found.setdefault((name, rung), []).append((-value, trial.number, trial))
    for group in found.values():
        group.sort()
    return found


def _waiting(trials: Sequence[StudyTrial], came: Came, plan: Plan, outlook: Outlook) -> list[Place]:
    """The places at which trials wait that can be continued now."""
    found = []
    for trial in trials:
        if not trial.paused or trial.state != "running" or trial.number in outlook.busy:
            continue
        rung = _height(trial, plan)
        group = came.get((trial.configuration.candidate, rung), ())
        for rank, (value, number, _) in enumerate(group):
            if number == trial.number:
                found.append(Place(trial, rung, rank, len(group), -value))
    return found


def _height(trial: StudyTrial, plan: Plan) -> int:
    return sum(level <= trial.samples for level in levels(trial, plan)) - 1


def _ordered(places: Iterable[Place]) -> list[Place]:
    return sorted(places, key=lambda place: (-place.rung, -place.value, place.trial.number))


def _quota(count: int, eta: int, last: bool) -> int:
    return max(1, count // eta) if last else count // eta


def _is_beaten(place: Place, trials: Sequence[StudyTrial], plan: Plan) -> bool:
    """Whether too many trials were better by the seconds that this one has spent.

    Only where there are several candidates: one candidate's trials are compared at equal samples.
    """
    if len(plan.candidates) == 1:
        return False
    sign = 1 if plan.goal.direction == "maximize" else -1
    spent = place.trial.evaluations[-1].seconds
    compared = better = 0
    for other in trials:
        if other.state == "failed" or not other.searched:
            continue
        values = [sign * e.value for e in other.evaluations if e.seconds <= spent]
        compared += bool(values)
        better += bool(values) and max(values) > place.value
    return better >= max(1, compared // plan.search.eta)


def _guarded(
    places: Iterable[Place], came: Came, trials: Sequence[StudyTrial], plan: Plan
) -> list[Place]:
    """The best of each candidate at a rung that fewer than ``eta`` of its trials came to.

    A large model is slow to start with: judged by equal seconds none of its trials might ever go
    on. Rationed to one in ``eta`` configurations, so that candidates that do not deserve it cannot
    use up the budget.
    """
    if len(plan.candidates) == 1:
        return []
    eta = plan.search.eta
    helped = [
        place
        for place, group in came.items()
        if len(group) < eta
        and any(trial.passed >= levels(trial, plan)[place[1]] for *_, trial in group)
    ]
    if (len(helped) + 1) * eta > sum(trial.searched for trial in trials):
        return []
    return [place for place in places if place.rank == 0 and place.reached < eta]


def _is_under_way(trial: StudyTrial) -> bool:
    return trial.state == "running" and trial.searched and not trial.paused


def _coming(
    trials: Sequence[StudyTrial], came: Came, plan: Plan, more: int
) -> dict[tuple[str, int], int]:
    """How many trials may yet come to each candidate's rungs.

    For the first rung a bound; for those above what is to be expected, since how often the leading
    third changes is not known beforehand.
    """
    count = {place: len(group) for place, group in came.items()}
    found: dict[tuple[str, int], int] = {}
    for candidate in {trial.configuration.candidate for trial in trials}:
        mine = [t for t in trials if t.configuration.candidate == candidate and _is_under_way(t)]
        arriving = more
        for rung in range(len(plan.search.rungs)):
            on_the_way = sum(_height(trial, plan) < rung for trial in mine)
            found[candidate, rung] = on_the_way + arriving
            total = count.get((candidate, rung), 0) + found[candidate, rung]
            above = count.get((candidate, rung + 1), 0) + on_the_way
            arriving = max(0, max(1, total // plan.search.eta) - above)
    return found


def _last_quota(place: Place, coming: dict[tuple[str, int], int], eta: int) -> int:
    more = coming[place.trial.configuration.candidate, place.rung]
    return max(1, (place.reached + more) // eta)
