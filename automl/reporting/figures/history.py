"""Every trial's value in the order they were begun, and the best so far."""

from __future__ import annotations

from automl.reporting.figures._chart import WIDE, Frame, mark, told, whole
from automl.reporting.scales import Scale, spanning
from automl.reporting.story import Story
from automl.search.trial import StudyTrial


def caption(story: Story) -> str:
    """Return how to read it."""
    parts = ["Each mark is a trial; filled ones were trained to their end, hollow ones ended early "
             "or wait."]  # fmt: skip
    if any(trial.repeat_of is not None for trial in story.trials):
        parts.append("Diamonds train an earlier configuration again with another seed.")
    if any(story.value(trial) is None for trial in story.trials):
        parts.append("Crosses have no value.")
    if story.best is not None:
        leaves = "whose model leaves" if story.result else "that is the best so far"
        parts.append(f"The ring marks the one {leaves}.")
    return " ".join(parts)


def draw(story: Story, width: float) -> Frame | None:
    """Return the figure; None where no trial has a value."""
    values = [value for trial in story.trials if (value := story.value(trial)) is not None]
    if not values:
        return None
    frame = Frame(width, 300 if width == WIDE else 260)
    floors = [] if story.floor is None else [story.floor]
    up = spanning([*values, *floors], frame.bottom - 10, frame.top)
    last = max(1, story.trials[-1].number)
    across = Scale(0, last, frame.left + 12, frame.right - 12)
    frame.up(up)
    frame.across(
        across, "trial", ticks=whole(0, story.trials[-1].number, 12 if width == WIDE else 6)
    )
    _best_so_far(frame, story, across, up)
    for trial in story.trials:
        value = story.value(trial)
        if value is None:
            at = across(trial.number), frame.bottom - 8
            frame.drawing.cross(*at, 4, "failure", told(story, trial, trial.message), trial.number)
        else:
            mark(frame.drawing, story, trial, across(trial.number), up(value))
    if story.floor is not None:
        frame.level(up(story.floor), f"baseline {story.floor:.3f}", "floor")
    return frame


def _best_so_far(frame: Frame, story: Story, across: Scale, up: Scale) -> None:
    points: list[tuple[float, float]] = []
    best: float | None = None
    for trial in story.trials:
        value = _counted(story, trial)
        if value is not None and (best is None or story.better(value, best)):
            if best is not None:
                points.append((across(trial.number), up(best)))
            points.append((across(trial.number), up(value)))
            best = value
    if best is not None:
        points.append((frame.right - 12, up(best)))
        frame.drawing.path(points, "best")


def _counted(story: Story, trial: StudyTrial) -> float | None:
    """A repeat is no new find."""
    return None if trial.repeat_of is not None else story.value(trial)
