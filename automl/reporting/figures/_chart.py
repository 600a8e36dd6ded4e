"""What the figures share: a frame with two axes, a trial's colour and what is said of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from automl.exporters._units import duration, setting
from automl.reporting.scales import Scale, label
from automl.reporting.story import Story
from automl.reporting.svg import LETTER, Drawing
from automl.search.trial import StudyTrial

WIDE, NARROW = 760.0, 360.0
"""Figures are drawn for a desk and for a phone, so that type is as large on both."""
DENSE = 150
"""Trials from which on marks are small and lines faint."""
COLOURS = 8
"""The ninth candidate has the first one's colour again."""


def colour(story: Story, trial: StudyTrial) -> str:
    """Return the class that colours a trial by its candidate."""
    return f"c{story.candidates.index(trial.configuration.candidate) % COLOURS}"


def told(story: Story, trial: StudyTrial, *more: str) -> str:
    """Return what is said of a trial that is pointed at."""
    value = story.value(trial)
    found = "no value" if value is None else f"{story.goal.metric} {value:.4f}"
    again = f", repeat of {trial.repeat_of}" if trial.repeat_of is not None else ""
    values = trial.configuration.hyperparameters
    settings = ", ".join(
        f"{name} {setting(values[name])}" for name in story.varied if name in values
    )
    lines = (
        f"Trial {trial.number}{again}: {found}",
        trial.configuration.candidate,
        f"{stands(story, trial)}, {duration(trial.seconds)}",
        settings,
        *more,
    )
    return "\n".join(line for line in lines if line)


def stands(story: Story, trial: StudyTrial) -> str:
    """Return how a trial stands, in a word or two."""
    if trial.state == "pruned":
        return "ended early"
    if trial.state != "running":
        return trial.state
    if trial.paused:
        return f"waits at {trial.samples:,} samples"
    return "running" if story.state == "running" else "waits"


def dense(story: Story) -> bool:
    """Return whether there are too many trials to draw each of them boldly."""
    return len(story.trials) >= DENSE


def mark(drawing: Drawing, story: Story, trial: StudyTrial, x: float, y: float) -> None:
    """Draw a trial: filled when complete, hollow when not, a diamond when it repeats another.

    The one whose model leaves has a ring.
    """
    radius = 2.8 if dense(story) else 4.5
    filled = "full" if trial.state == "complete" else "hollow"
    style = f"{filled} {colour(story, trial)}"
    draw = drawing.dot if trial.repeat_of is None else drawing.diamond
    draw(x, y, radius, style, told(story, trial), trial.number)
    if story.best is not None and trial.number == story.best.number:
        drawing.dot(x, y, radius + 4, "ring")


class Frame:
    """A drawing with room for two axes, and its scales."""

    def __init__(
        self, width: float, height: float, *, left: float = 46, right: float = 14, top: float = 12
    ) -> None:
        self.drawing = Drawing(width, height, tips=width == WIDE)
        self.left, self.right = left, width - right
        self.top, self.bottom = top, height - 40

    def up(self, scale: Scale, grid: bool = True) -> None:
        """Draw the axis upward: grid lines and their values."""
        for value in scale.ticks(5):
            y = scale(value)
            if grid:
                self.drawing.line(self.left, y, self.right, y, "grid")
            self.drawing.text(self.left - 8, y + 3.5, label(value), "tick", "end")

    def across(
        self,
        scale: Scale,
        title: str,
        said: Callable[[float], str] = label,
        ticks: Sequence[float] | None = None,
        grid: bool = False,
    ) -> None:
        """Draw the axis across under the frame, with what it is."""
        self.drawing.line(self.left, self.bottom, self.right, self.bottom, "axis")
        about = 4 if self.drawing.width < WIDE else 8
        for value in scale.ticks(about) if ticks is None else ticks:
            x = scale(value)
            if grid:
                self.drawing.line(x, self.top, x, self.bottom, "grid")
            self.drawing.text(x, self.bottom + 15, said(value), "tick", "middle")
        self.drawing.text((self.left + self.right) / 2, self.bottom + 32, title, "name", "middle")

    def level(self, y: float, text: str, style: str) -> None:
        """Draw a line across with a label on its right end."""
        self.drawing.line(self.left, y, self.right, y, style)
        above = y - 5 if y > self.top + 14 else y + 13
        self.drawing.text(self.right, above, text, f"{style} tag", "end")


def widest(texts: Sequence[str]) -> float:
    """Return the room that the widest of the texts takes in small type."""
    return max((len(text) for text in texts), default=0) * LETTER


def whole(low: float, high: float, about: int) -> list[float]:
    """Return whole numbers to name between two."""
    least = max(1.0, (high - low) / about)
    power = 10 ** math.floor(math.log10(least))
    step = int(next(part * power for part in (1, 2, 5, 10) if part * power >= least))
    return [float(value) for value in range(int(low), int(high) + 1, step)]
