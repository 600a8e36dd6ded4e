"""Parallel coordinates: a line a configuration, an axis a setting, the value on the last axis.

On a phone the axes lie one under another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from automl.exporters._units import setting
from automl.plan import Scalar
from automl.reporting.figures._chart import WIDE, Frame, dense, told
from automl.reporting.scales import Scale, label, spreads
from automl.reporting.story import Story
from automl.reporting.svg import Anchor, shortened
from automl.search.trial import StudyTrial

MOST = {True: 7, False: 6}
"""Settings with an axis, on a desk and on a phone; the most important ones."""
_BESIDE = 0.03
_RANKS = 5
"""Shades from the worst fifth of the configurations to the best."""
Place = Scalar | None


@dataclass(frozen=True, slots=True)
class Axis:
    """One setting: its name, each shown trial's place from 0 to 1, and what to write where."""

    name: str
    places: tuple[float | None, ...]
    marks: tuple[tuple[float, str], ...]


def caption(story: Story) -> str:
    """Return how to read it."""
    varied, shown = _varied(story, _shown(story)), MOST[True]
    said = "A line is a configuration; the stronger, the better. Only what was varied has an axis"
    if len(varied) > shown:
        said += f", and of {len(varied)} settings the {shown} that matter most as far as is known"
    return f"{said}. A setting that a configuration does not use is passed at the end of its axis."


def draw(story: Story, width: float) -> Frame | None:
    """Return the figure; None where there are not two configurations that differ."""
    trials = _shown(story)
    names = _varied(story, trials)[: MOST[width == WIDE]]
    if len(trials) < 2 or not names:
        return None
    aside = _aside(story, trials)
    axes = [_axis(name, [_setting(trial, name) for trial in trials], aside) for name in names]
    axes.append(_axis(story.goal.metric, [story.value(trial) for trial in trials]))
    lies = width < WIDE
    frame = Frame(width, 34 + 62.0 * len(axes) if lies else 320, left=14, top=4)
    spots = [_spot(frame, index, len(axes), lies) for index in range(len(axes))]
    _lines(frame, story, trials, axes, spots)
    room = abs(spots[1].at - spots[0].at)
    for index, (axis, spot) in enumerate(zip(axes, spots, strict=True)):
        _labels(frame, axis, spot, room, last=index == len(axes) - 1)
    return frame


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an axis runs: ``at`` across it, along it from ``start`` to ``end``."""

    at: float
    start: float
    end: float
    lies: bool

    def point(self, place: float) -> tuple[float, float]:
        """Return the point of a place from 0 to 1."""
        along = self.start + place * (self.end - self.start)
        return (along, self.at) if self.lies else (self.at, along)


def _spot(frame: Frame, index: int, count: int, lies: bool) -> Spot:
    if lies:
        return Spot(frame.top + 34 + 62.0 * index, frame.left + 8, frame.right - 8, True)
    left, right = frame.left + 44, frame.right - 44
    at = left + (right - left) * index / max(1, count - 1)
    return Spot(at, frame.drawing.height - 24, frame.top + 36, False)


def _shown(story: Story) -> list[StudyTrial]:
    return [t for t in story.trials if t.repeat_of is None and story.value(t) is not None]


def _setting(trial: StudyTrial, name: str) -> Place:
    if name == "candidate":
        return trial.configuration.candidate
    return trial.configuration.hyperparameters.get(name)


def _varied(story: Story, trials: Sequence[StudyTrial]) -> list[str]:
    """The settings with more than one value, the most important first where that is known."""
    names = {name for trial in trials for name in trial.configuration.hyperparameters}
    varied = [
        name
        for name in ("candidate", *sorted(names))
        if len({_setting(trial, name) for trial in trials} - {None}) > 1
    ]
    known = list(story.importance.ranked) if story.importance else []
    return sorted(varied, key=lambda name: known.index(name) if name in known else len(known))


def _aside(story: Story, trials: Sequence[StudyTrial]) -> list[float]:
    """How far each line passes beside a choice, so that lines alike do not hide each other."""
    sign = 1 if story.goal.direction == "maximize" else -1
    order = sorted(range(len(trials)), key=lambda at: sign * (story.value(trials[at]) or 0.0))
    middle = (len(order) - 1) / 2
    found = [0.0] * len(order)
    for rank, at in enumerate(order):
        found[at] = _BESIDE * (rank - middle) / max(1.0, middle)
    return found


def _axis(name: str, values: Sequence[Place], aside: Sequence[float] = ()) -> Axis:
    numbers = [
        float(value)
        for value in values
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    if len(numbers) == sum(value is not None for value in values) and len(set(numbers)) > 2:
        log = spreads(numbers)
        scale = Scale(min(numbers), max(numbers), 0.08, 1.0, log)
        places = tuple(None if value is None else scale(float(value)) for value in values)
        ends = (min(numbers), max(numbers))
        return Axis(name, places, tuple((scale(end), label(end)) for end in ends))
    kinds = sorted({setting(value) for value in values if value is not None}, key=_natural)
    step = 0.86 / max(1, len(kinds) - 1)
    place = {kind: 0.11 + step * index for index, kind in enumerate(kinds)}
    if len(kinds) == 1:
        place = {kinds[0]: 0.54}
    return Axis(
        name,
        tuple(
            None if value is None else place[setting(value)] + beside
            for value, beside in zip(values, aside or [0.0] * len(values), strict=True)
        ),
        tuple((at, kind) for kind, at in place.items()),
    )


def _natural(text: str) -> tuple[int, float, str]:
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text


def _lines(
    frame: Frame,
    story: Story,
    trials: Sequence[StudyTrial],
    axes: Sequence[Axis],
    spots: Sequence[Spot],
) -> None:
    """The worst first, so that the best lie on top."""
    sign = 1 if story.goal.direction == "maximize" else -1
    order = sorted(range(len(trials)), key=lambda at: sign * (story.value(trials[at]) or 0.0))
    for rank, at in enumerate(order):
        shade = rank * _RANKS // len(order)
        best = story.best is not None and trials[at].number == story.best.number
        points = [
            spot.point(axis.places[at] or 0.0) for axis, spot in zip(axes, spots, strict=True)
        ]
        style = "coord wins" if best else f"coord r{shade}{' faint' * dense(story)}"
        frame.drawing.path(points, style, told(story, trials[at]), trials[at].number)


def _labels(frame: Frame, axis: Axis, spot: Spot, room: float, *, last: bool) -> None:
    frame.drawing.line(*spot.point(0.0), *spot.point(1.0), "axis")
    name, style = shortened(axis.name, 200 if spot.lies else 0.88 * room - 8), "label strong halo"
    if spot.lies:
        frame.drawing.text(frame.left, spot.at - 12, name, style)
    else:
        frame.drawing.text(spot.at, frame.top + 14, name, style, "middle")
    for place, text in axis.marks[:8]:
        x, y = spot.point(place)
        if spot.lies:
            anchor: Anchor = "start" if place < 0.2 else "end" if place > 0.8 else "middle"
            frame.drawing.text(x, y + 15, shortened(text, 110), "tick halo", anchor)
        else:
            frame.drawing.text(
                x + 7, y + 3.5, shortened(text, 46 if last else room - 16), "tick halo"
            )
