"""The search in sentences, for the model card. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterator

from automl import tasks
from automl.exporters import Delivery, TrialSummary
from automl.exporters._markdown import code, plain
from automl.exporters._units import cost, duration


def summary(delivery: Delivery) -> str:
    """What was looked for, under which budget, and why the search ended."""
    plan = delivery.plan
    limits = [
        f"{plan.budget.trials} trials" if plan.budget.trials else "",
        duration(plan.budget.seconds) if plan.budget.seconds else "",
    ]
    budget = " or ".join(filter(None, limits)) or "without limit"
    kept = (
        f", keeping to {', '.join(map(plain, plan.goal.subject_to))}"
        if plan.goal.subject_to
        else ""
    )
    spent = duration(sum(trial.seconds for trial in delivery.trials))
    ended = f" Why it ended: {plain(delivery.choice.ended, 300)}." if delivery.choice.ended else ""
    return (
        f"{_counted(delivery)} in {duration(delivery.seconds)} (budget: {budget}; {spent} of trial "
        f"time) looked for the configuration that {_goal(delivery)} on the validation split{kept}."
        f"{ended}"
    )


def _counted(delivery: Delivery) -> str:
    repeats = sum(trial.repeat_of is not None for trial in delivery.trials)
    searched = len(delivery.trials) - repeats
    return f"{searched} trials" + (f" and {repeats} repeats" if repeats else "")


def _goal(delivery: Delivery) -> str:
    goal = delivery.plan.goal
    wishes = [f"{goal.direction}s {code(goal.metric)}"]
    wishes += [f"{direction}s {code(name)}" for name, direction in goal.also.items()]
    return " and ".join(filter(None, (", ".join(wishes[:-1]), wishes[-1])))


def methods(delivery: Delivery) -> list[str]:
    """How configurations were drawn and how long each was trained, a sentence or two a point."""
    return [*_drawing(delivery), *_training(delivery)]


def _drawing(delivery: Delivery) -> Iterator[str]:
    plan = delivery.plan
    started = sum(len(candidate.portfolio) for candidate in plan.candidates)
    drawn = f"{code(plan.search.sampler)}, seed {plan.search.seed}"
    if not started:
        yield f"Sampler {drawn}."
        return
    candidates = _number(len(plan.candidates), "candidate")
    yield f"Strong starting points come first ({started} for {candidates}), then sampler {drawn}."


def _training(delivery: Delivery) -> Iterator[str]:
    plan = delivery.plan.search
    searched = [trial for trial in _searched(delivery) if not trial.probe]
    complete = sum(trial.state == "complete" for trial in searched)
    how = f"Strategy {code(plan.strategy)}: "
    if plan.strategy == "promotion" and plan.rungs:
        counts = [sum(bool(t.curve) and t.curve[-1][0] >= r for t in searched) for r in plan.rungs]
        reached = ", ".join(
            f"{count} to {rung:,}" for count, rung in zip(counts, plan.rungs, strict=True)
        ).replace(" to", " came to", 1)
        how += (
            "trials wait at set numbers of training samples, and the most promising third goes on. "
            if plan.eta == 3
            else f"trials wait at set numbers of training samples; one in {plan.eta} goes on. "
        )
        yield f"{how}Of {len(searched)} trials, {reached}, and {complete} to the end."
    elif plan.strategy in ("median", "hyperband"):
        pruned = sum(trial.state == "pruned" for trial in searched)
        yield f"{how}{pruned} of {len(searched)} trials were ended early."
    else:
        yield f"{how}{complete} of {len(searched)} trials were trained to the end."


def _searched(delivery: Delivery) -> list[TrialSummary]:
    return [trial for trial in delivery.trials if trial.repeat_of is None]


def optimism(delivery: Delivery) -> str:
    """How much the values that the winner was picked by flatter; empty without repeats."""
    found = delivery.choice.optimism
    if found is None:
        return ""
    if found <= 0:
        return (
            "Trained again with new seeds, the best configurations did no worse than when they "
            f"were first seen ({-found:.3f} better on average)."
        )
    return (
        f"Trained again with new seeds, the best configurations did {found:.3f} worse on average "
        "than the value they had been picked by: so much does picking flatter."
    )


def soup(delivery: Delivery) -> str:
    """What averaging weights came to; empty where there was nothing to average."""
    found = delivery.choice.soup
    if found is None:
        return ""
    metric = code(delivery.plan.goal.metric)
    tried = f"Averaging the weights of up to {len(found.offered)} models of the winner's kind"
    if len(found.members) < 2:
        return f"{tried} gained nothing; the winner leaves alone."
    figures = (
        f"{metric} {found.average:.3f} on the half of validation that was held back from it, "
        f"against {found.single:.3f} for the winner alone"
    )
    if not found.accepted:
        return f"{tried} gave {figures}; the winner leaves alone."
    named = ", ".join(map(str, found.members))
    return (
        f"What is exported is the average of the weights of trials {named}: {figures} "
        "(greedy soup, Wortsman et al. 2022)."
    )


def preference(delivery: Delivery) -> str:
    """Why this configuration of the front was exported; empty with one objective."""
    goal = delivery.plan.goal
    if not goal.also:
        return ""
    if goal.prefer is None:
        return f"Exported is the one best by {code(goal.metric)}."
    return (
        f"Exported is the one best by {code(goal.prefer.metric)} of those whose "
        f"{code(goal.metric)} is at most {goal.prefer.within:g} from the best."
    )


def flattered(delivery: Delivery) -> str | None:
    """What to make of the winner's value on validation, for the card's limits."""
    winner, metric = delivery.winner, code(delivery.plan.goal.metric)
    if winner.value is None:
        return None
    searched = len(_searched(delivery))
    found = delivery.choice.of(winner.number)
    if found:
        return (
            f"The winner's {metric} on validation was {found.mean:.3f} on average over "
            f"{len(found.values)} seeds. It was chosen among {searched} trials on those very rows, "
            "which flatters it; go by the test split."
        )
    return (
        f"The winner's {metric} on validation was {winner.value:.3f}. It was chosen among "
        f"{searched} trials by that very number, which therefore flatters it; go by the test split."
    )


def costs(delivery: Delivery) -> str:
    """What prediction costs, measured with the model that leaves; empty where it was not."""
    found = delivery.score.costs
    if not found:
        return ""
    one = tasks.get(delivery.plan.task).thing
    named = {"latency_ms": f"for one {one} at a time (median)", "parameters": "parameters",
             "disk": "of weights"}  # fmt: skip
    return ", ".join(
        f"{cost(name, found[name])} {what}" for name, what in named.items() if name in found
    )


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
