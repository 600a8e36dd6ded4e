"""The report as one HTML file that loads nothing: text, style, drawings and a small script in it.

Everything a run named is escaped; the only script that may run is the file's own, by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import TYPE_CHECKING, Any

from automl import tasks
from automl.exporters._energy import energy_text, mass_text
from automl.exporters._paths import shortened
from automl.exporters._units import checked, duration
from automl.reporting import figures, headline, table
from automl.reporting.figures._chart import COLOURS
from automl.reporting.story import Story

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_FAILURES = 12
"""Failed trials whose log is shown."""
_STYLES = {
    "finished": "finished",
    "running": "running",
    "checks missed": "missed",
    "failed": "missed",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed trial and the end of its log."""

    trial: int
    candidate: str
    message: str
    log: str


def render(story: Story, now: float, version: str) -> str:
    """Return the page; ``now`` is its date, seconds since 1970."""
    from markupsafe import Markup

    script = _file("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    drawn = figures.drawn(story)
    return (
        environment()
        .get_template("report.html.jinja")
        .render(
            page=_page(story, now, [(one.figure.name, one.figure.title) for one in drawn]),
            figures=drawn,
            style=Markup(stylesheet()),
            script=Markup(script),
            script_hash=f"sha256-{digest}",
            version=version,
        )
    )


def environment() -> Environment:
    """Return what fills the pages in; all that is put into one is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("automl.reporting", ""),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def stylesheet() -> str:
    """Return the pages' style: light and dark, for desks, phones and paper."""
    return _file("report.css")


def _file(name: str) -> str:
    return resources.files("automl.reporting").joinpath(name).read_text(encoding="utf-8")


def _page(story: Story, now: float, drawn: list[tuple[str, str]]) -> dict[str, Any]:
    from markupsafe import Markup

    first = headline.headline(story)
    columns, rows = table.rows(story)
    failures = list(_failures(story))
    checks = _checks(story)
    results = _results(story)
    sections = [("checks", "Checks")] if checks else []
    sections += [("results", "Results")] if results else []
    sections += [*drawn, *([("failures", "Failures")] if failures else [])]
    scored = story.result.score.splits["test"].rows if story.result else 0
    return {
        "name": story.plan.name,
        "task": tasks.get(story.plan.task).name.replace("-", " "),
        "state": story.state[0].upper() + story.state[1:],
        "state_style": _STYLES.get(story.state, "stopped"),
        "value": first.value,
        "metric": first.metric,
        "value_is": first.value_is,
        "said": shortened(first.said),
        "warnings": [shortened(one) for one in first.warnings],
        "verdict": Markup(headline.interval(story)),
        "facts": list(headline.facts(story)),
        "sections": [*sections, ("cost", "Cost"), ("trials", "Trials")],
        "checks": checks,
        "results": results,
        "test_rows": f"{scored:,}",
        "legend": [(f"c{at % COLOURS}", name) for at, name in enumerate(story.candidates)],
        "failures": failures[:MOST_FAILURES],
        "more_failures": max(0, len(failures) - MOST_FAILURES),
        "costs": list(_costs(story)),
        "columns": columns,
        "rows": rows,
        "made": f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M} UTC",
    }


@dataclass(frozen=True, slots=True)
class Check:
    """One check as a row: what was asked, what was found, and how it ended."""

    expression: str
    found: str
    outcome: str
    detail: str


def _checks(story: Story) -> list[Check]:
    return [
        Check(
            one.expression,
            checked(one.expression, one.actual),
            "skipped" if one.skipped else "passed" if one.passed else "missed",
            one.detail,
        )
        for one in (story.result.checks if story.result else ())
    ]


def _results(story: Story) -> list[list[str]]:
    """Every metric on test with its interval, the baseline's beside it; the first row is names."""
    if story.result is None:
        return []
    test, floor = (found.splits["test"] for found in (story.result.score, story.result.floor))
    before = story.result.untrained
    rows = [["Metric", "This model", "95% interval", "Baseline"]]
    if before is not None:
        rows[0].append("As it came")
    goal = story.goal.metric
    for name in sorted(test.metrics, key=lambda name: (name != goal, name)):
        interval = test.intervals.get(name)
        between = f"{interval.low:.4f} to {interval.high:.4f}" if interval else ""
        row = [name, f"{test.metrics[name]:.4f}", between, _known(floor.metrics.get(name))]
        if before is not None:
            row.append(_known(before.splits["test"].metrics.get(name)))
        rows.append(row)
    return rows


def _known(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _failures(story: Story) -> Iterator[Failure]:
    for trial in story.trials:
        if trial.state == "failed":
            message = trial.message or trial.failure or "failed"
            candidate = trial.configuration.candidate
            yield Failure(trial.number, candidate, message, story.logs.get(trial.number, ""))


def _costs(story: Story) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and note of all that the search took."""
    budget = story.plan.budget.seconds
    limit = f"of {duration(budget)}" if budget else "no limit of time"
    yield "Search, wall clock", duration(story.seconds), f"{limit}; {story.ended or 'not over'}"
    spent = sum(trial.seconds for trial in story.trials)
    lost = sum(trial.seconds for trial in story.trials if trial.state == "failed")
    note = f"{duration(lost)} of it in trials that failed" if lost else "training and evaluation"
    yield "Trials, added up", duration(spent), note
    found = story.energy
    if found is None:
        return
    hours = f"{found.device_seconds / 3600:.3g}"
    yield f"{found.kind} hours", hours, f"{found.kind}s held by trials, start-up left out"
    power = f"× {found.watts:.3g} W a {found.kind} ({found.watts_source}), cooling left out"
    yield "Energy, estimated", energy_text(found.kilowatt_hours), power
    grid = f"× {found.grams_per_kwh:.3g} g/kWh ({found.grams_source})"
    yield "CO2e, estimated", mass_text(found.grams), grid
