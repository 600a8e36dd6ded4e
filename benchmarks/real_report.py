"""What ``real.py`` measured: the table of ratios, and the anytime curves."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

HEAD = (
    "| task, seed | trials | script: s | script: test | ours reaches it: s | share of time "
    "| stays from: s | ours at equal time | difference |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def points(ours: dict) -> list[tuple[float, float]]:
    """Return (seconds, test score) of each incumbent, the exported model last."""
    found = [(each["seconds"], each["test"]) for each in ours["incumbents"]]
    return [*found, (ours["final"]["seconds"], ours["final"]["test"])]


def reached(curve: list[tuple[float, float]], score: float) -> float | None:
    """Return when an incumbent first had that score."""
    return next((seconds for seconds, value in curve if value >= score), None)


def stays(curve: list[tuple[float, float]], score: float) -> float | None:
    """Return from when on every incumbent had that score."""
    since = None
    for seconds, value in reversed(curve):
        if value < score:
            break
        since = seconds
    return since


def at(curve: list[tuple[float, float]], seconds: float) -> float:
    """Return the incumbent's score at that time; 0 before the first."""
    return next((value for when, value in reversed(curve) if when <= seconds), 0.0)


def comparisons(rows: list[dict]) -> list[dict]:
    """Return, by seed and number of trials, both arms' figures."""
    found = []
    for row in rows:
        curve = points(row["ours"])
        for after in row["script"]["after"]:
            when = reached(curve, after["test"])
            equal = at(curve, after["wall"])
            found.append(
                {
                    "seed": row["seed"],
                    "trials": after["trials"],
                    "wall": after["wall"],
                    "test": after["test"],
                    "reached": when,
                    "share": math.inf if when is None else when / after["wall"],
                    "stays": stays(curve, after["test"]),
                    "equal": equal,
                    "difference": equal - after["test"],
                }
            )
    return found


def table(task: str, rows: list[dict]) -> str:
    """Return a Markdown table: a line a seed and number of trials, then their medians."""
    found = comparisons(rows)
    lines = [HEAD, *(_line(task, each) for each in found)]
    for trials in sorted({each["trials"] for each in found}):
        mine = [each for each in found if each["trials"] == trials]
        lines.append(
            f"| **{task}, median** | {trials} | {_median(mine, 'wall'):.0f} "
            f"| {_median(mine, 'test'):.4f} | | **{_share(_median(mine, 'share'))}** | "
            f"| {_median(mine, 'equal'):.4f} | **{_median(mine, 'difference'):+.4f}** |"
        )
    costs = (
        f"{arm} {statistics.median(row[key]['wall'] for row in rows):.0f} s wall, "
        f"{statistics.median(row[key]['cpu'] for row in rows):.0f} s CPU"
        for arm, key in (("script", "script"), ("ours", "ours"))
    )
    return "\n".join([*lines, "", f"Whole processes, median: {'; '.join(costs)}."])


def _line(task: str, each: dict) -> str:
    return (
        f"| {task}, {each['seed']} | {each['trials']} | {each['wall']:.0f} "
        f"| {each['test']:.4f} | {_seconds(each['reached'])} | {_share(each['share'])} "
        f"| {_seconds(each['stays'])} | {each['equal']:.4f} | {each['difference']:+.4f} |"
    )


def plot(task: str, rows: list[dict], path: Path) -> None:
    """Draw test score over wall time: a step line for each run of ours, dots for the script."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for index, row in enumerate(rows):
        curve = points(row["ours"])
        label = {"label": "ours, its best by validation so far"} if index == 0 else {}
        axes.step(*zip(*curve, strict=True), where="post", color="#1f6feb", alpha=0.8, **label)
        for after in row["script"]["after"]:
            first = index == 0 and after is row["script"]["after"][0]
            label = {"label": "Trainer + Optuna, at its end (trials)"} if first else {}
            axes.plot(after["wall"], after["test"], "o", color="#c2410c", **label)
            axes.annotate(
                str(after["trials"]),
                (after["wall"], after["test"]),
                textcoords="offset points",
                xytext=(5, -11),
                fontsize=8,
                color="#c2410c",
            )
    axes.set_xlabel("seconds since the process started")
    axes.set_ylabel("macro F1 on test")
    axes.set_title(f"{task}: two candidates, same rows, threads and ranges", fontsize=10)
    axes.set_xlim(left=0)
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _seconds(value: float | None) -> str:
    return "not reached" if value is None else f"{value:.0f}"


def _share(value: float) -> str:
    return "–" if math.isinf(value) else f"{value:.2f}"


def _median(found: list[dict], key: str) -> float:
    return statistics.median(each[key] for each in found)
