"""What the search did, told from the study: its trials, and how the winner was chosen."""

from __future__ import annotations

from collections.abc import Mapping

from automl.exporters import TrialSummary
from automl.exporters._choice import Choice, Confirmed, Point, Soup, optimism
from automl.plan import Goal, Plan
from automl.search.choice import Contender, broken, contenders, costs, pareto
from automl.search.study import Study
from automl.search.trial import StudyTrial


def summaries(study: Study) -> tuple[TrialSummary, ...]:
    """Return every trial as tables and cards show it, by number."""
    measured = costs(study.trials)
    return tuple(summary(trial, study.plan.goal, measured[trial.number]) for trial in study.trials)


def summary(trial: StudyTrial, goal: Goal, measured: Mapping[str, float]) -> TrialSummary:
    """Return one trial as tables and cards show it; one that has not ended is ``paused``.

    ``measured`` are its costs, as ``choice.costs`` settles them.
    """
    return TrialSummary(
        number=trial.number,
        configuration=trial.configuration,
        state="paused" if trial.state == "running" else trial.state,
        value=trial.value(goal.direction),
        seconds=trial.seconds,
        curve=tuple((e.samples, e.value) for e in trial.evaluations),
        message=trial.message,
        costs=dict(measured),
        broken=broken(measured, goal),
        repeat_of=trial.repeat_of,
    )


def choice(study: Study, winner: StudyTrial, soup: Soup | None) -> Choice:
    """Return how ``winner`` was chosen among the trials of the plan's candidates."""
    goal = study.plan.goal
    mine = of_the_plan(study.trials, study.plan)
    found = sorted(contenders(mine, goal), key=lambda one: _rank(one, goal))
    repeated = tuple(_confirmed(one, goal) for one in found if one.confirmed and one.feasible)
    front = {trial.number for trial in pareto(mine, goal)}
    points = tuple(_point(one, goal, front, winner) for one in found if _measured(one, goal))
    return Choice(
        confirmed=repeated,
        optimism=optimism(repeated, goal.direction),
        points=points if goal.also else (),
        soup=soup,
        ended=study.ended,
    )


def of_the_plan(trials: tuple[StudyTrial, ...], plan: Plan) -> tuple[StudyTrial, ...]:
    """Return the trials of candidates that the plan still has."""
    known = {candidate.id for candidate in plan.candidates}
    return tuple(trial for trial in trials if trial.configuration.candidate in known)


def _rank(one: Contender, goal: Goal) -> tuple[float, int]:
    value = one.values[goal.metric]
    return -value if goal.direction == "maximize" else value, one.original.number


def _confirmed(one: Contender, goal: Goal) -> Confirmed:
    values = (trial.value(goal.direction) for trial in one.trials)
    return Confirmed(
        one.original.configuration.candidate,
        tuple(trial.number for trial in one.trials),
        tuple(value for value in values if value is not None),
    )


def _measured(one: Contender, goal: Goal) -> bool:
    return all(name in one.values for name in (goal.metric, *goal.also))


def _point(one: Contender, goal: Goal, front: set[int], winner: StudyTrial) -> Point:
    return Point(
        trial=one.original.number,
        candidate=one.original.configuration.candidate,
        values={name: one.values[name] for name in (goal.metric, *goal.also)},
        front=one.original.number in front,
        feasible=one.feasible,
        chosen=winner in one.trials,
    )
