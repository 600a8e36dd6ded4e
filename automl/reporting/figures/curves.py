"""Learning curves: the goal's metric on validation while each trial was trained."""

from __future__ import annotations

from automl.reporting.figures._chart import WIDE, Frame, colour, dense, told
from automl.reporting.scales import Scale, spanning
from automl.reporting.story import Story
from automl.search.trial import StudyTrial


def caption(story: Story) -> str:
    """Return how to read it."""
    said = "A curve that stops in a ring was ended early or waits."
    if story.plan.search.rungs:
        said += " Dotted lines are rungs, where trials are compared and the best go on."
    return said


def draw(story: Story, width: float) -> Frame | None:
    """Return the figure; None where nothing was evaluated."""
    drawn = [trial for trial in story.trials if trial.evaluations]
    if not drawn:
        return None
    frame = Frame(width, 320 if width == WIDE else 280)
    seen = [one for trial in drawn for one in trial.evaluations]
    floors = [] if story.floor is None else [story.floor]
    up = spanning([*(one.value for one in seen), *floors], frame.bottom, frame.top)
    across = Scale(0, max(one.samples for one in seen), frame.left, frame.right - 8)
    frame.up(up)
    frame.across(across, "training samples seen")
    for rung in story.plan.search.rungs:
        if rung <= across.high:
            frame.drawing.line(
                across(rung), frame.top, across(rung), frame.bottom, "rung", f"rung at {rung:,}"
            )
    best = story.best.number if story.best else -1
    for trial in sorted(drawn, key=lambda one: one.number == best):
        _curve(frame, story, trial, across, up)
    if story.floor is not None:
        frame.level(up(story.floor), f"baseline {story.floor:.3f}", "floor")
    return frame


def _curve(frame: Frame, story: Story, trial: StudyTrial, across: Scale, up: Scale) -> None:
    points = [(across(one.samples), up(one.value)) for one in trial.evaluations]
    wins = story.best is not None and trial.number == story.best.number
    kind = "wins" if wins else "faint" if dense(story) else ""
    style = f"curve {colour(story, trial)} {kind}".strip()
    if len(points) > 1:
        frame.drawing.path(points, style, told(story, trial), trial.number)
    end = "full" if trial.state == "complete" else "hollow"
    size = 4.5 if wins else 2.0 if dense(story) else 3.2
    frame.drawing.dot(
        *points[-1], size, f"{end} {colour(story, trial)}", told(story, trial), trial.number
    )
    if wins:
        frame.drawing.dot(*points[-1], size + 4, "ring")
