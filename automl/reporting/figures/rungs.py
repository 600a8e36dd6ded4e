"""Who came to each rung, with which value, and who went on from there."""

from __future__ import annotations

from automl.reporting.figures._chart import Frame, colour, told
from automl.reporting.scales import Scale, spanning
from automl.reporting.story import Story
from automl.search.feed import at
from automl.search.rungs import levels
from automl.search.trial import StudyTrial

_ROW = 58.0


def caption(story: Story) -> str:
    """Return how to read it."""
    eta = story.plan.search.eta
    return (
        "A row is a rung, a number of training samples at which trials are compared; a mark is a "
        "trial at its best value by then. Filled marks went on from there, about one in "
        f"{eta}; hollow ones wait or were ended."
    )


def draw(story: Story, width: float) -> Frame | None:
    """Return the figure; None without rungs, or before any trial came to one."""
    rows = [(rung, _came(story, rung)) for rung in story.plan.search.rungs]
    rows = [(rung, came) for rung, came in rows if came]
    if story.plan.search.strategy != "promotion" or not rows:
        return None
    frame = Frame(width, 46 + _ROW * len(rows), left=14, top=4)
    values = [value for _, came in rows for _, value in came]
    across = spanning(values, frame.left + 8, frame.right - 8)
    frame.across(across, f"{story.goal.metric} on validation", grid=True)
    for index, (rung, came) in enumerate(reversed(rows)):
        _row(frame, story, rung, came, across, frame.top + _ROW * index)
    return frame


def _came(story: Story, rung: int) -> list[tuple[StudyTrial, float]]:
    """The trials that were compared at the rung, with their value there."""
    return [
        (trial, found.value)
        for trial in story.trials
        if rung in levels(trial, story.plan) and (found := at(trial, story.plan, rung)) is not None
    ]


def _row(
    frame: Frame,
    story: Story,
    rung: int,
    came: list[tuple[StudyTrial, float]],
    across: Scale,
    top: float,
) -> None:
    on = sum(_went_on(trial, rung) for trial, _ in came)
    waiting = sum(_waits(trial, rung) for trial, _ in came)
    counts = [f"{len(came)} came", f"{on} went on"]
    counts += [f"{waiting} {'waits' if waiting == 1 else 'wait'}"] if waiting else []
    frame.drawing.text(frame.left, top + 16, f"{rung:,} samples", "label strong")
    frame.drawing.text(frame.right, top + 16, " · ".join(counts), "tick", "end")
    y = top + 38
    frame.drawing.line(frame.left, y, frame.right, y, "grid")
    for trial, value in sorted(came, key=lambda one: _went_on(one[0], rung)):
        style = "full" if _went_on(trial, rung) else "hollow"
        tip = told(story, trial, f"{value:.4f} at {rung:,} samples")
        frame.drawing.dot(across(value), y, 5, f"{style} {colour(story, trial)}", tip, trial.number)


def _went_on(trial: StudyTrial, rung: int) -> bool:
    """Whether it was trained past the first evaluation at or after the rung, or let go on."""
    first = next((one.samples for one in trial.evaluations if one.samples >= rung), None)
    return trial.passed >= rung or (first is not None and trial.samples > first)


def _waits(trial: StudyTrial, rung: int) -> bool:
    return trial.state == "running" and trial.paused and not _went_on(trial, rung)
