"""How the winner was chosen, as the card and the result screen tell it. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from automl.plan import Direction


@dataclass(frozen=True, slots=True)
class Confirmed:
    """One configuration that was trained with several seeds; the original comes first."""

    candidate: str
    trials: tuple[int, ...]
    values: tuple[float, ...]
    """Best evaluation of the goal's metric on validation, trial by trial."""

    @property
    def mean(self) -> float:
        """Mean over all its seeds: what decides."""
        return fmean(self.values)

    @property
    def repeated(self) -> float:
        """Mean over the repeats alone, which were not picked by their value."""
        return fmean(self.values[1:])


@dataclass(frozen=True, slots=True)
class Point:
    """One configuration before several objectives."""

    trial: int
    """The trial that tried it first."""
    candidate: str
    values: Mapping[str, float]
    """Each objective's value; means where it was repeated."""
    front: bool
    """Whether no other feasible configuration is at least as good in every objective."""
    feasible: bool
    chosen: bool


@dataclass(frozen=True, slots=True)
class Soup:
    """What averaging the weights of models of one architecture came to.

    Members were chosen on one half of validation; ``single`` (the winner alone) and ``average`` are
    the goal's metric on the other half.
    """

    offered: tuple[tuple[int, int], ...]
    """(trial, evaluations) of each model that might have been a member, the winner first."""
    members: tuple[int, ...]
    single: float
    average: float
    accepted: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """What there is to tell besides the trials themselves."""

    confirmed: tuple[Confirmed, ...] = ()
    """The repeated configurations, the best mean first."""
    optimism: float | None = None
    """How much better the originals of ``confirmed`` looked than their repeats, on average, in the
    goal's metric; below zero where the repeats did better. Null without repeats."""
    points: tuple[Point, ...] = ()
    """Every configuration, the best first; empty with one objective."""
    soup: Soup | None = None
    """Null where there were not two models to average."""
    ended: str = ""
    """Why the search ended, in words; empty where that is not known."""

    def of(self, trial: int) -> Confirmed | None:
        """Return the repeated configuration that ``trial`` belongs to."""
        return next((one for one in self.confirmed if trial in one.trials), None)


def optimism(confirmed: tuple[Confirmed, ...], direction: Direction) -> float | None:
    """Return ``Choice.optimism`` of these configurations."""
    if not confirmed:
        return None
    sign = 1 if direction == "maximize" else -1
    return fmean(sign * (one.values[0] - one.repeated) for one in confirmed)
