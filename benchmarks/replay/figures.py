"""From replayed studies to figures: regret over time, speed against random, bootstrap intervals.

Regret is normalised per task: 0 is the best value seen in a large random sample and all runs, 1 is
the sample's median (and anything worse, and holding nothing yet).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.replay.curves import EPOCHS
from benchmarks.replay.reference import Reference
from benchmarks.replay.runs import Run

UNITS = (1, 2, 4, 8, 12)
RESAMPLES = 2000
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figures:
    """Regrets of several arms on the same (task, seed) pairs.

    ``regrets[arm]`` is [pair, time], ``times`` in units. ``weights`` [resample, pair] are the
    paired bootstrap's: tasks are drawn with replacement, then seeds within each.
    """

    times: Array
    regrets: dict[str, Array]
    weights: Array

    def regret(self, arm: str, units: float) -> tuple[float, float, float]:
        """Return the mean regret after so many units, with its 95% interval."""
        return self._interval(self.regrets[arm][:, self._at(units)])

    def difference(self, arm: str, other: str, units: float) -> tuple[float, float, float]:
        """Return ``arm``'s mean regret less ``other``'s on the same pairs; below 0 is better."""
        at = self._at(units)
        return self._interval(self.regrets[arm][:, at] - self.regrets[other][:, at])

    def speed(self, arm: str, other: str = "random") -> tuple[float, float, float]:
        """Return how much sooner ``arm``'s mean curve comes to the end of ``other``'s.

        The end of ``other`` over the time that ``arm`` needs to be as good; 0 when it never is.
        """
        mine, theirs = self.regrets[arm], self.regrets[other]
        point = self._speeds(mine.mean(axis=0)[None], theirs.mean(axis=0)[None])[0]
        spread = self._speeds(self.weights @ mine, self.weights @ theirs)
        low, high = np.quantile(spread, [0.025, 0.975])
        return float(point), float(low), float(high)

    def _speeds(self, mine: Array, theirs: Array) -> Array:
        reached = mine <= theirs[:, -1:]
        first = self.times[reached.argmax(axis=1)]
        return np.where(reached.any(axis=1), self.times[-1] / first, 0.0)

    def _interval(self, values: Array) -> tuple[float, float, float]:
        low, high = np.quantile(self.weights @ values, [0.025, 0.975])
        return float(values.mean()), float(low), float(high)

    def _at(self, units: float) -> int:
        return int(np.searchsorted(self.times, units - 1e-9))


def figures(runs: Sequence[Run], reference: Reference, ceilings: dict[str, float]) -> Figures:
    """Return the figures of runs under one number of workers and one resume cost.

    ``ceilings`` is the best value of each task in all runs. Raises ValueError where an arm lacks a
    task or a seed that another one has.
    """
    units = runs[0].setting.units
    times = np.arange(1, round(units * EPOCHS) + 1) / EPOCHS
    pairs = sorted({(run.setting.task, run.setting.seed) for run in runs})
    found: dict[str, dict[tuple[str, int], Array]] = {}
    for run in runs:
        task = run.setting.task
        best = max(reference.best(task), ceilings[task])
        regret = (best - _values(run, times)) / (best - reference.median(task))
        found.setdefault(run.setting.arm, {})[task, run.setting.seed] = np.clip(regret, 0.0, 1.0)
    for arm, curves in found.items():
        if missing := [pair for pair in pairs if pair not in curves]:
            raise ValueError(f"{arm} lacks {missing[0]} and {len(missing) - 1} more")
    regrets = {arm: np.stack([curves[pair] for pair in pairs]) for arm, curves in found.items()}
    return Figures(times, regrets, _weights(pairs))


def _values(run: Run, times: Array) -> Array:
    """The incumbent's value at each time; minus infinity before the first evaluation."""
    index = np.searchsorted(np.asarray(run.times) - 1e-9, times, side="right")
    return np.concatenate([[-np.inf], run.values])[index]


def _weights(pairs: Sequence[tuple[str, int]]) -> Array:
    random = np.random.default_rng(0)
    tasks = sorted({task for task, _ in pairs})
    members = {task: [i for i, (other, _) in enumerate(pairs) if other == task] for task in tasks}
    weights = np.zeros((RESAMPLES, len(pairs)))
    for row in weights:
        for task in random.choice(tasks, len(tasks)):
            drawn = random.choice(members[str(task)], len(members[str(task)]))
            np.add.at(row, drawn, 1.0 / (len(tasks) * len(drawn)))
    return weights


def table(found: Figures, arms: Sequence[str]) -> str:
    """Return the figures as a Markdown table, arms in the order given."""
    against = [other for other in ("random", "tpe-hyperband") if other in found.regrets]
    shown = [units for units in UNITS if units <= found.times[-1] + 1e-9]
    last = shown[-1]
    head = ["arm", *map(str, shown), *(f"at {last}, less {o}" for o in against)]
    head += [f"times faster than {other} to its end" for other in against]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    for arm in (arm for arm in arms if arm in found.regrets):
        cells = [f"{found.regret(arm, units)[0]:.3f}" for units in shown]
        cells += [_spread(found.difference(arm, other, last), "+.3f") for other in against]
        cells += [_spread(found.speed(arm, other), ".1f", never="never") for other in against]
        lines.append("| " + " | ".join([arm, *cells]) + " |")
    return "\n".join(lines)


def _spread(values: tuple[float, float, float], form: str, never: str = "") -> str:
    """Point and interval in words; ``never`` stands for a speed of 0."""
    point, low, high = (never if never and not value else format(value, form) for value in values)
    return f"{point} ({low} to {high})"
