"""What each task has to offer, and what other tasks teach: best and median values, portfolios.

Both come from one random sample of configurations, scored on every task. A task's own scores never
take part in the portfolio used on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.replay.curves import Surrogate, draw

SAMPLE = 4000
PORTFOLIO = 8


@dataclass(frozen=True, slots=True)
class Reference:
    """``values[task]``: the best value of each sampled configuration, over its epochs."""

    rows: NDArray[np.float64]
    values: dict[str, NDArray[np.float64]]

    def best(self, task: str) -> float:
        """Return the best value of the sample."""
        return float(self.values[task].max())

    def median(self, task: str) -> float:
        """Return the value that half of all configurations reach."""
        return float(np.median(self.values[task]))

    def regrets(self, tasks: Sequence[str]) -> NDArray[np.float64]:
        """Return normalised regrets [configuration, task], from 0 (best) to 1 (median, worse)."""
        columns = [
            (self.best(task) - self.values[task]) / (self.best(task) - self.median(task))
            for task in tasks
        ]
        return np.clip(np.stack(columns, axis=1), 0.0, 1.0)

    def portfolio(self, task: str, teachers: Sequence[str]) -> NDArray[np.float64]:
        """Return the eight configurations that together serve the other tasks best, best first.

        Greedy: each is the one that lowers the mean over tasks of the least regret most (Feurer et
        al. 2022, Auto-sklearn 2.0).
        """
        regrets = self.regrets([other for other in teachers if other != task])
        least, chosen = np.ones(regrets.shape[1]), []
        for _ in range(PORTFOLIO):
            gains = np.minimum(regrets, least).mean(axis=1)
            chosen.append(int(gains.argmin()))
            least = np.minimum(least, regrets[chosen[-1]])
        return self.rows[chosen]

    def worst(self, task: str, teachers: Sequence[str]) -> NDArray[np.float64]:
        """Return the eight configurations that rank lowest on the other tasks, worst first."""
        others = [other for other in teachers if other != task]
        ranks = np.stack([self.values[other].argsort().argsort() for other in others], axis=1)
        return self.rows[ranks.mean(axis=1).argsort()[:PORTFOLIO]]


def reference(surrogate: Surrogate, tasks: Sequence[str], cache: Path) -> Reference:
    """Return the reference of ``tasks``, kept in the folder ``cache`` since it takes minutes."""
    rows, values = draw(SAMPLE, seed=20_000), {}
    for task in tasks:
        path = cache / f"reference-{task}-{SAMPLE}.npy"
        if not path.exists():
            parts = [surrogate.curves(task, part).max(axis=1) for part in np.array_split(rows, 40)]
            np.save(path, np.concatenate(parts))
        values[task] = np.load(path)
    return Reference(rows, values)
