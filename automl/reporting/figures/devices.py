"""Which slot was busy with which trial."""

from __future__ import annotations

from automl.exporters._units import duration, share
from automl.reporting.figures._chart import Frame, colour, told
from automl.reporting.scales import Scale
from automl.reporting.story import Story
from automl.reporting.svg import LETTER
from automl.reporting.timeline import LOST, RUNNING, Span

_ROW = 46.0
_UNITS = ((3600.0, "h"), (60.0, "min"), (1.0, "s"))
_OUTCOMES = {
    "complete": "",
    "pruned": "early",
    "failed": "broken",
    "paused": "early",
    LOST: "broken",
}


def caption(story: Story) -> str:
    """Return how to read it."""
    said = (
        "A bar is a trial in a slot; pale ones ended early or were put aside, outlined ones failed "
        "or were cut off."
    )
    if story.timeline.joints:
        said += " Dotted lines: the run was stopped and continued; the time between is left out."
    if story.plan.devices.executor == "ray":
        said += " On a cluster, slots stand for its devices."
    return said


def draw(story: Story, width: float) -> Frame | None:
    """Return the figure; None where no event tells of a trial."""
    found = story.timeline
    if not found.spans:
        return None
    lanes = found.lanes
    frame = Frame(width, 46 + _ROW * len(lanes), left=14, top=4)
    unit, name = next((one for one in _UNITS if found.seconds >= 3 * one[0]), _UNITS[-1])
    across = Scale(0, found.seconds / unit, frame.left, frame.right)
    frame.across(across, f"search time, {name}", grid=True)
    for joint in found.joints:
        x = across(joint / unit)
        frame.drawing.line(x, frame.top, x, frame.bottom, "rung", "stopped and continued here")
    for index, lane in enumerate(lanes):
        top = frame.top + _ROW * index
        frame.drawing.text(frame.left, top + 14, lane, "label strong")
        busy = f"busy {share(min(1.0, found.busy(lane)))}"
        frame.drawing.text(frame.right, top + 14, busy, "tick", "end")
        for span in found.spans:
            if span.lane == lane:
                _bar(frame, story, span, across, unit, top + 20)
    return frame


def _bar(frame: Frame, story: Story, span: Span, across: Scale, unit: float, top: float) -> None:
    if span.trial >= len(story.trials):
        return
    trial = story.trials[span.trial]
    start, end = across(span.start / unit), across(span.end / unit)
    lasted = duration(span.end - span.start)
    attempt = f", attempt {span.attempt}" if span.attempt > 1 else ""
    tip = told(story, trial, f"{span.outcome} after {lasted}{attempt}")
    outcome = "" if span.outcome == RUNNING else _OUTCOMES.get(span.outcome, "")
    style = f"span {colour(story, trial)} {outcome}".strip()
    frame.drawing.box(start, top, max(1.5, end - start - 1.5), 18, style, tip, span.trial)
    number = str(span.trial)
    if end - start > len(number) * LETTER + 8:
        frame.drawing.text((start + end) / 2, top + 13, number, f"on {outcome}".strip(), "middle")
