"""The report's figures, one module each: it draws a story at any width, or has nothing to show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from automl.reporting.figures import (
    curves,
    devices,
    history,
    importance,
    parallel,
    pareto,
    rungs,
)
from automl.reporting.figures._chart import NARROW, WIDE, Frame
from automl.reporting.story import Story


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the page; ``absent`` says why it is not there, empty: nothing is said."""

    name: str
    title: str
    draw: Callable[[Story, float], Frame | None]
    caption: Callable[[Story], str]
    coloured: bool = True
    """Whether colours stand for candidates."""
    absent: str = ""


FIGURES = (
    Figure("history", "Optimisation history", history.draw, history.caption,
           absent="No trial has a value yet."),
    Figure("pareto", "What can be had", pareto.draw, pareto.caption),
    Figure("curves", "Learning curves", curves.draw, curves.caption),
    Figure("rungs", "Rungs and promotions", rungs.draw, rungs.caption),
    Figure("importance", "What made the difference", importance.draw, importance.caption, False,
           absent="Too few configurations came equally far to say which settings made the "
           "difference: at least ten are needed."),
    Figure("parallel", "Configurations", parallel.draw, parallel.caption, False),
    Figure("devices", "Time line of devices", devices.draw, devices.caption),
)  # fmt: skip
"""In the order of the page."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure as the page shows it; without one of the two drawings there is neither."""

    figure: Figure
    caption: str
    wide: str
    narrow: str


def drawn(story: Story) -> list[Drawn]:
    """Return the figures that have something to show, or something to say of why not."""
    found = []
    for figure in FIGURES:
        wide, narrow = (_rendered(figure, story, width) for width in (WIDE, NARROW))
        if wide and narrow:
            found.append(Drawn(figure, figure.caption(story), wide, narrow))
        elif figure.absent:
            found.append(Drawn(figure, figure.absent, "", ""))
    return found


def _rendered(figure: Figure, story: Story, width: float) -> str:
    frame = figure.draw(story, width)
    if frame is None:
        return ""
    style = "wide" if width == WIDE else "narrow"
    return frame.drawing.render(
        f"{figure.name}-{style}", figure.title, figure.caption(story), style
    )
