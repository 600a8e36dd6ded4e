"""The head of a report: how good, on which rows, and what is not to be overlooked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from automl.exporters import _verdict
from automl.exporters._energy import energy_text, mass_text
from automl.exporters._units import duration
from automl.reporting.figures._chart import NARROW, WIDE
from automl.reporting.scales import label, spanning
from automl.reporting.story import Result, Story
from automl.reporting.svg import LETTER, Drawing


@dataclass(frozen=True, slots=True)
class Headline:
    """One number (empty: there is none) with what it is, a sentence, and warnings."""

    value: str
    metric: str
    value_is: str
    said: str
    warnings: tuple[str, ...]


def headline(story: Story) -> Headline:
    """Return what the page says first."""
    if story.result is not None:
        return _scored(story, story.result)
    metric = f"{story.goal.metric} on validation"
    best = story.best
    value = None if best is None else story.value(best)
    if best is None or value is None:
        return Headline("", metric, "", _so_far(story), _worries(story))
    is_ = f"best so far: trial {best.number}, {best.configuration.candidate}"
    return Headline(f"{value:.3f}", metric, is_, _so_far(story), _worries(story))


def _scored(story: Story, result: Result) -> Headline:
    found = _verdict.verdict(result)
    trial = story.trials[result.trial]
    between = "" if found.interval is None else (
        f"95% interval {found.interval.low:.3f} to {found.interval.high:.3f}"
    )  # fmt: skip
    named = ", ".join(map(str, result.members))
    leaves = f"The average of trials {named}" if named else f"Trial {trial.number}"
    said = (
        f"{leaves}, {trial.configuration.candidate}. The baseline, "
        f"{result.floor.description}, reaches {found.floor:.3f}"
    )
    came = "" if found.untrained is None else f", the model as it came {found.untrained:.3f}"
    return Headline(
        f"{found.value:.3f}",
        f"{found.metric} on {result.score.splits['test'].rows:,} test rows",
        between,
        f"{said}{came}.",
        _verdict.warnings(result),
    )


def _so_far(story: Story) -> str:
    valued = sum(story.value(trial) is not None for trial in story.trials)
    tried = len(story.trials)
    begun = f"{tried} trial{'' if tried == 1 else 's'} begun, {valued} with a value. "
    stands = {
        "running": "The search goes on",
        "failed": f"The run failed: {story.ended or 'nothing could be trained'}",
    }
    waits = stands.get(story.state, "The run was stopped; the same command continues it")
    return f"{begun}{waits}. What leads has not been scored on the test split yet."


def _worries(story: Story) -> tuple[str, ...]:
    best = None if story.best is None else story.value(story.best)
    if best is None or story.floor is None or story.better(best, story.floor):
        return ()
    return (
        f"Nothing tried so far beats the baseline without a neural network: {story.goal.metric} "
        f"{story.floor:.3f} on validation.",
    )


def facts(story: Story) -> Iterator[tuple[str, str]]:
    """Yield what a reader wants to know next, a name and a value each."""
    tried = [trial for trial in story.trials if trial.repeat_of is None]
    budget = story.plan.budget.trials
    yield "Trials", f"{len(tried)} of {budget}" if budget else str(len(tried))
    if len(tried) < len(story.trials):
        yield "Repeats", str(len(story.trials) - len(tried))
    yield "Search time", duration(story.seconds)
    if story.energy is not None:
        hours = story.energy.device_seconds / 3600
        yield f"{story.energy.kind} hours", f"{hours:.3g}"
        yield "Energy, about", energy_text(story.energy.kilowatt_hours)
        yield "CO2e, about", mass_text(story.energy.grams)
    value = None if story.best is None else story.value(story.best)
    if story.result is not None and value is not None:
        yield "On validation", f"{value:.3f}"
    yield from _prediction(story)


def _prediction(story: Story) -> Iterator[tuple[str, str]]:
    costs = story.result.score.costs if story.result else {}
    if "latency_ms" in costs:
        yield "One row takes", f"{costs['latency_ms']:.3g} ms"


def interval(story: Story) -> str:
    """Return the test value with its interval beside baseline and base model, as drawings."""
    if story.result is None:
        return ""
    return "".join(_interval(story.result, width) for width in (WIDE, NARROW))


def _interval(result: Result, width: float) -> str:
    found = _verdict.verdict(result)
    others = [("baseline", found.floor)]
    others += [] if found.untrained is None else [("as it came", found.untrained)]
    ends = [] if found.interval is None else [found.interval.low, found.interval.high]
    scale = spanning(
        [found.value, *ends, *(value for _, value in others)], 40, width - 40, room=0.1
    )
    drawing = Drawing(width, 66 + 16 * (len(others) - 1))
    drawing.line(0, 30, width, 30, "axis")
    if found.interval is not None:
        drawing.line(scale(ends[0]), 30, scale(ends[1]), 30, "interval")
    drawing.dot(scale(found.value), 30, 7, "point")
    drawing.text(scale(found.value), 15, f"this model {found.value:.3f}", "label strong", "middle")
    for index, (name, value) in enumerate(others):
        x, text = scale(value), f"{name} {value:.3f}"
        drawing.line(x, 22, x, 42 + 16 * index, "floor")
        half = len(text) * LETTER / 2
        drawing.text(min(max(x, half), width - half), 55 + 16 * index, text, "floor tag", "middle")
    style = "wide" if width == WIDE else "narrow"
    told = ", ".join(f"{name} {label(value)}" for name, value in others)
    description = f"{found.metric} {found.value:.3f}, {told}"
    return drawing.render(f"interval-{style}", "The result and its interval", description, style)
