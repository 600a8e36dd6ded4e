"""A comparison as one HTML page, in the report's own style. It runs no script at all."""

from __future__ import annotations

from pathlib import Path

from automl import documents
from automl.reporting.comparison import Comparison, Run
from automl.reporting.figures._chart import NARROW, WIDE
from automl.reporting.page import environment, stylesheet
from automl.reporting.scales import Scale, label, spanning
from automl.reporting.svg import Drawing, shortened

_ROW = 44.0


def write(found: Comparison, target: Path) -> Path:
    """Write the page and return where it lies."""
    from markupsafe import Markup

    drawing = "".join(_intervals(found, width) for width in (WIDE, NARROW))
    page = (
        environment()
        .get_template("compare.html.jinja")
        .render(
            found=found,
            figure=Markup(drawing),
            style=Markup(stylesheet()),
        )
    )
    path = target.expanduser().absolute()
    documents.write_bytes(path, page.encode())
    return path


def _intervals(found: Comparison, width: float) -> str:
    """Draw the goal's metric of each run with its interval; empty where they can't be compared."""
    if not found.comparable:
        return ""
    metric = found.runs[0].plan.goal.metric
    values = [end for run in found.runs for end in _ends(run, metric)]
    drawing = Drawing(width, _ROW * len(found.runs) + 40)
    scale = spanning(values, 16, width - 16, room=0.15)
    bottom = drawing.height - 34
    for tick in scale.ticks(4 if width < WIDE else 8):
        drawing.line(scale(tick), 4, scale(tick), bottom, "grid")
        drawing.text(scale(tick), bottom + 15, label(tick), "tick", "middle")
    drawing.line(8, bottom, width - 8, bottom, "axis")
    drawing.text(width / 2, bottom + 31, metric, "name", "middle")
    for index, run in enumerate(found.runs):
        _interval(drawing, run, metric, scale, 8 + _ROW * index)
    style = "wide" if width == WIDE else "narrow"
    told = ", ".join(f"{run.name} {_ends(run, metric)[0]:.4f}" for run in found.runs)
    return drawing.render(f"compare-{style}", f"{metric} on the same test rows", told, style)


def _interval(drawing: Drawing, run: Run, metric: str, scale: Scale, top: float) -> None:
    value, *ends = _ends(run, metric)
    tip = f"{run.name}: {metric} {value:.4f}"
    drawing.text(8, top + 11, shortened(run.name, drawing.width - 90), "label strong halo")
    drawing.text(drawing.width - 8, top + 11, f"{value:.4f}", "tick halo", "end")
    if ends:
        drawing.line(scale(ends[0]), top + 25, scale(ends[1]), top + 25, "interval", tip)
    drawing.dot(scale(value), top + 25, 6, "point", tip)


def _ends(run: Run, metric: str) -> tuple[float, ...]:
    """The value, then its interval's ends where it has one."""
    assert run.test is not None
    interval = run.test.intervals.get(metric)
    value = run.test.metrics[metric]
    return (value,) if interval is None else (value, interval.low, interval.high)
