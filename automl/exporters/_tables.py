"""The model card's tables: results, classes, candidates, data. Turns a delivery into Markdown.

Each function returns one table (or an empty string when there is nothing to show); the prose
around it is the template's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from automl import tasks
from automl.exporters import Delivery, TrialSummary
from automl.exporters._delivery_tables import explains
from automl.exporters._markdown import code, folded, long_table, plain, table
from automl.exporters._paths import origin
from automl.exporters._units import checked, count, duration, setting
from automl.jobs import ImportanceResult, Interval, SplitScore
from automl.plan import SPLITS, Candidate
from automl.tasks import _chat

CANDIDATE = "candidate"
"""What the choice of a candidate is called among the settings."""
SHOWN_CLASSES = 30
"""Tables by class list all of up to this many, else the weakest and the strongest."""
_WEAKEST, _STRONGEST = 12, 4


def results(delivery: Delivery) -> str:
    """Every metric on the test split with its interval, the floor's beside it.

    And the base model's as it came, where it could do the task.
    """
    before = delivery.untrained.splits["test"] if delivery.untrained else None
    came = before.metrics if before else None
    won, floor = delivery.score.splits["test"], delivery.floor.splits["test"]
    known = [metric.name for metric in tasks.get(delivery.plan.task).metrics]
    ordered = [name for name in known if name in won.metrics]
    ordered += sorted(name for name in won.metrics if name not in known)
    without = delivery.score.plain.get("test", {})
    rows = []
    for name in ordered:
        shown = code(name)
        rows.append(
            (
                f"**{shown}** (the goal)" if name == delivery.plan.goal.metric else shown,
                f"**{won.metrics[name]:.3f}**",
                _interval(won.intervals.get(name)),
                *([_value(without[name])] if without else []),
                _value(floor.metrics.get(name)),
                _interval(floor.intervals.get(name)),
                *([] if came is None else [_value(came.get(name))]),
            )
        )
    header = ["Metric", "This model", "95% interval"]
    header += ["Without thresholds"] if without else []
    header += ["Baseline", "95% interval"]
    if before is not None:
        fewer = "" if before.rows == won.rows else f" ({before.rows} rows)"
        header.append(f"Before training{fewer}")
    return table(header, rows, right=range(1, len(header)))


def checks(delivery: Delivery) -> str:
    """The recipe's checks, as the test split answered them."""
    if not delivery.checks:
        return ""
    rows = [
        (
            plain(check.expression),
            checked(check.expression, check.actual),
            "skipped" if check.skipped else "passed" if check.passed else "**missed**",
            plain(check.detail, 300),
        )
        for check in delivery.checks
    ]
    return table(("Check", "Is", "", ""), rows, right=(1,))


def classes(delivery: Delivery) -> str:
    """Precision, recall and F1 by class; of many classes, the weakest and the strongest."""
    score = delivery.score.splits["test"]
    if not score.per_class:
        return ""
    ranked = sorted(score.per_class, key=lambda label: (score.per_class[label]["f1"], label))
    shown = list(score.per_class)
    if len(ranked) > SHOWN_CLASSES:
        shown = [*ranked[:_WEAKEST], *ranked[-_STRONGEST:]]
    rows = [_class_row(label, score) for label in shown]
    if len(ranked) > len(shown):
        rows.insert(_WEAKEST, _between(ranked[_WEAKEST:-_STRONGEST], score))
    header = ("Class", "Precision", "Recall", "F1", score.unit.capitalize())
    return long_table(f"{len(ranked)} classes", header, rows, right=(1, 2, 3, 4))


def mistakes(delivery: Delivery) -> str:
    """The worst mistakes on the test split; of classes the most confident ones."""
    examples = delivery.score.splits["test"].examples
    if not examples:
        return ""
    if "label" not in examples[0]:
        return _as_told(examples)
    shown = [name for name in ("label", "predicted", "score") if name in examples[0]]
    task = tasks.get(delivery.plan.task)
    roles = [role.name for role in task.inputs if role.name != "text"]
    rows = [
        (plain(_texts(example, roles), 220), *(_shown(example[name]) for name in shown))
        for example in examples
    ]
    titles = {
        "label": "True class" if delivery.plan.data.labels else "True",
        "predicted": "Predicted",
        "score": "Score",
    }
    numbers = [
        place for place, name in enumerate(shown, 1) if not isinstance(examples[0][name], str)
    ]
    return table((task.thing.capitalize(), *(titles[name] for name in shown)), rows, right=numbers)


def _shown(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else plain(str(value), 220)


def samples(delivery: Delivery) -> str:
    """What the model said to a few test rows, beside what stands there."""
    return _as_told(delivery.score.samples)


def _as_told(examples: Sequence[Mapping[str, Any]]) -> str:
    """Return a table with a column for each of the examples' keys."""
    if not examples:
        return ""
    numbers = [at for at, value in enumerate(examples[0].values()) if isinstance(value, float)]
    header = [plain(name.strip("_").replace("_", " ").capitalize()) for name in examples[0]]
    rows = [[_cell(value) for value in example.values()] for example in examples]
    return table(header, rows, right=numbers)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    said = _chat.value(value)
    if isinstance(said, list) and said and all(isinstance(each, dict) for each in said):
        said = " / ".join(str(each.get("content", each)) for each in said)
    return plain(said, 220)


def _texts(example: Mapping[str, Any], roles: Sequence[str]) -> str:
    """Return what the example gives the model: its text, or several in the roles' order."""
    return " / ".join(str(example[role]) for role in ("text", *roles) if role in example)


def splits(delivery: Delivery) -> str:
    """Rows by split, and by class where the classes are few enough."""
    data = delivery.plan.data
    used = [split for split in SPLITS if split in data.rows]
    rows: list[Sequence[str]] = [("**All rows**", *(f"{data.rows[split]:,}" for split in used))]
    counts = data.profile.class_counts
    if len(data.labels) <= SHOWN_CLASSES and counts.get("train"):
        rows += [
            (plain(label), *(f"{counts.get(split, {}).get(label, 0):,}" for split in used))
            for label in data.labels
        ]
    elif data.labels and counts.get("train"):
        rows += [
            (
                f"{what} of the {len(data.labels)} classes",
                *(
                    f"{of([counts.get(split, {}).get(label, 0) for label in data.labels]):,.0f}"
                    for split in used
                ),
            )
            for what, of in (("Smallest", min), ("Median", median), ("Largest", max))
        ]
    header = ("", *(split.capitalize() for split in used))
    return long_table(f"Rows of {len(data.labels)} classes", header, rows, right=(1, 2, 3))


def candidates(delivery: Delivery) -> str:
    """What every candidate was given and reached, the best first, the refused ones last."""
    plan = delivery.plan
    sign = -1 if plan.goal.direction == "maximize" else 1
    lines = []
    for candidate in plan.candidates:
        mine = [t for t in delivery.trials if t.configuration.candidate == candidate.id]
        values = [trial.value for trial in mine if trial.value is not None]
        best = min(values, key=lambda value: sign * value, default=None)
        rank = float("inf") if best is None else sign * best
        lines.append(
            (
                rank,
                (
                    code(candidate.id),
                    _origin(candidate),
                    count(candidate.parameters),
                    plain(candidate.license or "not stated"),
                    str(sum(trial.repeat_of is None for trial in mine)),
                    _outcomes(mine),
                    _value(best),
                    duration(sum(trial.seconds for trial in mine)),
                ),
            )
        )
    header = (
        "Candidate",
        "From",
        "Parameters",
        "License",
        "Trials",
        "Of these",
        f"Best {code(plan.goal.metric)}",
        "Time",
    )
    ordered = [line for _, line in sorted(lines, key=lambda line: line[0])]
    return long_table(f"{len(ordered)} candidates", header, ordered, right=(2, 4, 6, 7))


def refused(delivery: Delivery) -> str:
    """The candidates that were not taken, and why."""
    if not delivery.plan.refused:
        return ""
    rows = [(plain(one.reference), plain(one.reason, 300)) for one in delivery.plan.refused]
    return long_table(f"{len(rows)} not taken", ("Not taken", "Why"), rows)


def hyperparameters(delivery: Delivery) -> str:
    """The winner's hyperparameters beside what was searched."""
    chosen, found = delivery.winner.configuration, delivery.importance
    searched_space = delivery.plan.candidate(chosen.candidate).space
    # of several by one name, the one whose conditions hold
    space = {
        one.name: one
        for one in sorted(searched_space, key=lambda p: p.holds(chosen.hyperparameters))
    }
    rows = []
    for name, value in sorted(chosen.hyperparameters.items()):
        searched = "fixed"
        if name in space and space[name].choices:
            searched = ", ".join(setting(choice) for choice in space[name].choices)
        elif name in space and space[name].low is not None and space[name].high is not None:
            low, high = setting(space[name].low or 0), setting(space[name].high or 0)
            searched = f"{low} to {high}" + (", logarithmic" if space[name].log else "")
        exact = f"{value:.6g}" if isinstance(value, float) else str(value)
        rows.append((code(name), code(exact), plain(searched), explains(found, name)))
    if found is None:
        return table(("Hyperparameter", "Value", "Searched"), [row[:3] for row in rows])
    every = plain(", ".join(one.id for one in delivery.plan.candidates))
    for name in found.shares:
        if name == CANDIDATE:
            rows.append((code(name), code(chosen.candidate), every, explains(found, name)))
        elif name not in chosen.hyperparameters:
            rows.append((code(name), "not used", "", explains(found, name)))
    rows.sort(key=lambda row: _place(row[0], found))
    return table(("Hyperparameter", "Value", "Searched", "Explains"), rows, right=(3,))


def _place(name: str, found: ImportanceResult) -> tuple[int, str]:
    """The most important settings first, then those that nothing is known of."""
    known = [code(each) for each in found.ranked]
    return (known.index(name) if name in known else len(known)), name


def versions(delivery: Delivery) -> str:
    """Package versions the plan was made under."""
    rows = [
        (plain(name), plain(version)) for name, version in sorted(delivery.plan.versions.items())
    ]
    return folded("Package versions", table(("Package", "Version"), rows)) if rows else ""


def _class_row(label: str, score: SplitScore) -> tuple[str, ...]:
    found = score.per_class[label]
    return (
        plain(label),
        *(f"{found[name]:.3f}" for name in ("precision", "recall", "f1")),
        f"{found['support']:,.0f}",
    )


def _between(labels: Sequence[str], score: SplitScore) -> tuple[str, ...]:
    found = [score.per_class[label] for label in labels]
    spans = (
        f"{min(one[name] for one in found):.2f} to {max(one[name] for one in found):.2f}"
        for name in ("precision", "recall", "f1")
    )
    return (
        f"*{len(labels)} classes between*",
        *spans,
        f"{sum(one['support'] for one in found):,.0f}",
    )


def _outcomes(trials: Sequence[TrialSummary]) -> str:
    states = [trial.state for trial in trials if trial.repeat_of is None]
    told = [f"{states.count(state)} {state}" for state in sorted(set(states))]
    repeats = len(trials) - len(states)
    told += [f"{repeats} repeat{'' if repeats == 1 else 's'}"] if repeats else []
    return ", ".join(told) or "none"


def _origin(candidate: Candidate) -> str:
    name = plain(origin(candidate))
    if candidate.source != "hub":
        version = f" {plain(candidate.revision)}" if candidate.revision else ""
        return f"{candidate.source} {name}{version}"
    commit = f" at {code(candidate.revision[:12])}" if candidate.revision else ""
    return f"[{name}](https://huggingface.co/{origin(candidate)}){commit}"


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"


def _value(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
