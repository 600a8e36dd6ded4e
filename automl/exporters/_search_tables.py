"""The model card's tables of the search: what was screened, repeated, traded off, and is within
its limits. Each returns Markdown, or an empty string when there is nothing to show.
"""

from __future__ import annotations

from automl.compiler.limits import parse
from automl.exporters import Delivery, TrialSummary
from automl.exporters._markdown import code, plain, table
from automl.exporters._units import cost, duration
from automl.plan import Goal

MOST_POINTS = 12
"""Configurations that are off the front are only listed while there are few."""


def screening(delivery: Delivery) -> str:
    """Frozen encoders compared before any was fine-tuned, the best first."""
    rows = [
        (
            str(one.rank),
            plain(one.reference),
            f"{one.score:.3f}",
            str(one.layer),
            plain(one.reason) if one.kept else f"left out: {plain(one.reason)}",
        )
        for one in sorted(delivery.plan.screening, key=lambda one: one.rank)
    ]
    if not rows:
        return ""
    return table(("Rank", "Frozen encoder", "Score", "Best layer", ""), rows, right=(0, 2, 3))


def ladder(delivery: Delivery) -> str:
    """What each step gained on validation: baseline, frozen encoder, fine-tuning, averaging."""
    rows = [row for row in (_floor(delivery), _untrained(delivery), _probe(delivery)) if row]
    winner = delivery.winner
    found = delivery.choice.of(winner.number)
    if not winner.probe and winner.value is not None:
        rows.append((f"Fine-tuned (trial {winner.number})", winner.value, winner.seconds))
    if found:
        rows.append((f"Its configuration, mean of {len(found.values)} seeds", found.mean, None))
    soup, scored = delivery.choice.soup, delivery.score.splits.get("validation")
    if soup and soup.accepted and scored:
        value = scored.metrics[delivery.plan.goal.metric]
        rows.append((f"Average of {len(soup.members)} models", value, None))
    if len(rows) < 2:
        return ""
    shown = [
        (what, f"{value:.3f}", "" if seconds is None else duration(seconds))
        for what, value, seconds in rows
    ]
    return table(("", f"{code(delivery.plan.goal.metric)} on validation", "Time"), shown, (1, 2))


def _floor(delivery: Delivery) -> tuple[str, float, float | None] | None:
    split = delivery.floor.splits.get("validation")
    if split is None:
        return None
    value = split.metrics[delivery.plan.goal.metric]
    return f"Baseline: {plain(delivery.floor.description)}", value, delivery.floor.seconds


def _untrained(delivery: Delivery) -> tuple[str, float, float | None] | None:
    if delivery.untrained is None:
        return None
    value = delivery.untrained.splits["validation"].metrics[delivery.plan.goal.metric]
    name = code(delivery.winner.configuration.candidate)
    return f"{name} as it comes", value, delivery.untrained.seconds


def _probe(delivery: Delivery) -> tuple[str, float, float | None] | None:
    probes = [trial for trial in delivery.trials if trial.probe and trial.state == "complete"]
    best = max(
        probes, key=lambda trial: _sign(delivery.plan.goal) * (trial.value or 0.0), default=None
    )
    if best is None or best.value is None:
        return None
    what = f"Frozen {code(best.configuration.candidate)} with a linear head (trial {best.number})"
    return what, best.value, best.seconds


def _sign(goal: Goal) -> int:
    return 1 if goal.direction == "maximize" else -1


def confirmed(delivery: Delivery) -> str:
    """The configurations that were trained with several seeds, the best mean first."""
    if not delivery.choice.confirmed:
        return ""
    rows = []
    for one in delivery.choice.confirmed:
        won, first = delivery.winner.number in one.trials, str(one.trials[0])
        rows.append(
            (
                f"**{first}**" if won else first,
                code(one.candidate),
                f"{one.values[0]:.3f}",
                ", ".join(f"{value:.3f}" for value in one.values[1:]),
                f"**{one.mean:.3f}**" if won else f"{one.mean:.3f}",
            )
        )
    header = ("Trial", "Candidate", "First seen", "With new seeds", "Mean")
    return table(header, rows, right=(0, 2, 3, 4))


def front(delivery: Delivery) -> str:
    """What can be had with several objectives: the front, best by the goal first."""
    points = delivery.choice.points
    if len(points) > MOST_POINTS:
        points = tuple(one for one in points if one.front or one.chosen)
    if not points:
        return ""
    names = list(points[0].values)
    rows = [
        (
            f"**{one.trial}**" if one.chosen else str(one.trial),
            code(one.candidate),
            *(cost(name, one.values[name]) for name in names),
            standing(one.front, one.feasible, one.chosen),
        )
        for one in points
    ]
    right = range(2, 2 + len(names))
    return table(("Trial", "Candidate", *map(code, names), ""), rows, right=right)


def standing(front: bool, feasible: bool, chosen: bool) -> str:
    """Return how a configuration stands before several objectives, in a word or two."""
    if chosen:
        return "exported" if front else "exported, off the front"
    if not feasible:
        return "breaks a limit"
    return "on the front" if front else ""


def limits(delivery: Delivery) -> str:
    """The goal's limits and what the model that leaves measures."""
    rows = []
    for text in delivery.plan.goal.subject_to:
        limit = parse(text)
        value = delivery.score.costs.get(limit.quantity)
        kept = "" if value is None else "kept" if limit.holds(value) else "**broken**"
        shown = "not measured" if value is None else cost(limit.quantity, value)
        rows.append((plain(text), shown, kept, _outside(delivery.trials, limit.text)))
    return table(("Limit", "Is", "", "Trials it ruled out"), rows, right=(1, 3)) if rows else ""


def _outside(trials: tuple[TrialSummary, ...], limit: str) -> str:
    return str(sum(limit in trial.broken for trial in trials))
