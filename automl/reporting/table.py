"""The report's table of trials: every trial, every setting that varies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from automl.compiler import objectives
from automl.exporters import TrialSummary
from automl.exporters._units import cost, duration, setting
from automl.reporting.figures._chart import stands
from automl.reporting.story import Story


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell shows, what it sorts by (null: what it shows), and its class."""

    text: str
    sort: float | str | None = None
    style: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head."""

    name: str
    number: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One trial."""

    trial: int
    won: bool
    cells: tuple[Cell, ...]


Make = Callable[[int, TrialSummary], Cell]


def rows(story: Story) -> tuple[list[Column], list[Row]]:
    """Return the columns that say anything, and a row for each trial."""
    made = [
        (Column(name, number), [make(at, table) for at, table in enumerate(story.tables)])
        for name, number, make in _columns(story)
    ]
    kept = [(column, cells) for column, cells in made if any(cell.text for cell in cells)]
    best = None if story.best is None else story.best.number
    return [column for column, _ in kept], [
        Row(table.number, table.number == best, tuple(cells[at] for _, cells in kept))
        for at, table in enumerate(story.tables)
    ]


def _columns(story: Story) -> Iterator[tuple[str, bool, Make]]:
    yield "Trial", True, lambda _, one: _number(str(one.number), one.number)
    yield "State", False, lambda at, _: Cell(stands(story, story.trials[at]), style="o")
    yield story.goal.metric, True, lambda _, one: _value(one.value, lambda v: f"{v:.4f}")
    quantities = dict.fromkeys([*story.goal.also, *sorted(objectives.quantities(story.goal))])
    for name in quantities:
        yield name, True, _measured(story, name)
    yield "Candidate", False, lambda _, one: Cell(one.configuration.candidate, style="m")
    for name in story.varied:
        yield name, True, _setting(name)
    yield (
        "Samples",
        True,
        lambda _, one: _value(one.curve[-1][0] if one.curve else None, lambda v: f"{v:,.0f}"),
    )
    yield "Time", True, lambda _, one: _number(duration(one.seconds), one.seconds)
    yield "Attempts", True, lambda at, _: _attempts(story.trials[at].attempts)
    yield "Repeat of", True, lambda _, one: _value(one.repeat_of, lambda v: f"{v:.0f}")
    yield "Note", False, lambda _, one: Cell(_note(one), style="w")


def _note(one: TrialSummary) -> str:
    return "; ".join(
        [*([one.message] if one.message else []), *(f"breaks {x}" for x in one.broken)]
    )


def _number(text: str, value: float) -> Cell:
    return Cell(text, value, "n")


def _attempts(count: int) -> Cell:
    """One attempt is nothing to speak of."""
    return _number(str(count), count) if count > 1 else Cell("", "", "n")


def _value(value: float | None, shown: Callable[[float], str]) -> Cell:
    return Cell("", "", "n") if value is None else _number(shown(value), value)


def _measured(story: Story, name: str) -> Make:
    """A cost, or a further metric at the trial's best evaluation."""
    from automl.search.choice import values

    def cell(at: int, one: TrialSummary) -> Cell:
        known = {**values(story.trials[at], story.goal), **one.costs}
        return _value(known.get(name), lambda value: cost(name, value))

    return cell


def _setting(name: str) -> Make:
    def cell(_: int, one: TrialSummary) -> Cell:
        value = one.configuration.hyperparameters.get(name)
        if value is None:
            return Cell("", "", "n")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return Cell(setting(value), float(value) if number else None, "n")

    return cell
