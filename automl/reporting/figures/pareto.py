"""Several objectives against each other: what can be had."""

from __future__ import annotations

from automl.compiler.limits import parse
from automl.exporters._units import cost
from automl.reporting.figures._chart import WIDE, Frame, colour, told
from automl.reporting.scales import Scale, spanning, spreads
from automl.reporting.story import Story
from automl.search.choice import Contender


def caption(story: Story) -> str:
    """Return how to read it."""
    others = list(story.goal.also)
    said = (
        "A mark is a configuration; filled ones lie on the front, where nothing better is to be "
        "had in one objective without giving up some of another."
    )
    if not all(one.feasible for one in story.contenders()):
        said += " Crosses break a limit."
    if len(others) > 1:
        said += f" The front is that of all {len(others) + 1} objectives; across is {others[0]}."
    return said


def draw(story: Story, width: float) -> Frame | None:
    """Return the goal's metric against the first further objective; None with one objective."""
    if not story.goal.also:
        return None
    across_name = next(iter(story.goal.also))
    metric = story.goal.metric
    shown = [
        one for one in story.contenders() if metric in one.values and across_name in one.values
    ]
    if not shown:
        return None
    frame = Frame(width, 330 if width == WIDE else 290)
    costs = [one.values[across_name] for one in shown]
    up = spanning([one.values[metric] for one in shown], frame.bottom - 6, frame.top)
    across = spanning(costs, frame.left, frame.right, log=spreads(costs))
    wanted = "larger" if story.goal.also[across_name] == "maximize" else "smaller"
    frame.up(up)
    frame.across(
        across, f"{across_name} ({wanted} is better)", lambda value: cost(across_name, value)
    )
    _limits(frame, story, across_name, across)
    front = story.front()
    _front(frame, [one for one in shown if one.original.number in front], story, across, up)
    for one in shown:
        _mark(frame, story, one, one.original.number in front, across(one.values[across_name]), up)
    return frame


def _mark(frame: Frame, story: Story, one: Contender, front: bool, x: float, up: Scale) -> None:
    y, trial = up(one.values[story.goal.metric]), one.original
    values = ", ".join(f"{name} {cost(name, value)}" for name, value in one.values.items())
    tip = told(story, trial, values, "" if one.feasible else "breaks a limit")
    if one.feasible:
        style = f"{'full' if front else 'hollow'} {colour(story, trial)}"
        frame.drawing.dot(x, y, 5, style, tip, trial.number)
    else:
        frame.drawing.cross(x, y, 4, f"failure {colour(story, trial)}", tip, trial.number)
    if story.best in one.trials:
        frame.drawing.dot(x, y, 9.5, "ring")


def _front(frame: Frame, front: list[Contender], story: Story, across: Scale, up: Scale) -> None:
    """Draw how good the goal's metric can be had at a value across, or at a better one."""
    name, direction = next(iter(story.goal.also.items()))
    ordered = sorted(front, key=lambda one: one.values[name], reverse=direction == "maximize")
    points: list[tuple[float, float]] = []
    for one in ordered:
        x, y = across(one.values[name]), up(one.values[story.goal.metric])
        if points:
            points.append((x, points[-1][1]))
        points.append((x, y))
    if len(points) > 1:
        frame.drawing.path(points, "best")


def _limits(frame: Frame, story: Story, name: str, across: Scale) -> None:
    for limit in map(parse, story.goal.subject_to):
        if limit.quantity == name and across.low <= limit.threshold <= across.high:
            x = across(limit.threshold)
            frame.drawing.line(x, frame.top, x, frame.bottom, "floor")
            frame.drawing.text(x - 5, frame.top + 10, limit.text, "floor tag", "end")
