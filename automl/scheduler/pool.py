"""The devices of a run, handed to trials by what each needs: part of one, one, or several.

Two designs were weighed: slots of fixed size, or shares handed out by demand. Fixed slots are too
small for the largest candidate or wasted on the smallest. Knows no trial but by its number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from automl.compiler.layout import Need
from automl.executors import Slot

WHOLE = Fraction(1)


@dataclass(slots=True)
class Pool:
    """What is free of ``slots``. A candidate without a need takes any one of them, whole.

    A trial that finds no room is waited for: the devices it is to have are kept for it as they
    become free, so that small ones that keep coming can't starve it.
    """

    slots: Sequence[Slot]
    needs: Mapping[str, Need] = field(default_factory=dict)
    _free: list[Fraction] = field(init=False)
    _taken: dict[int, dict[int, Fraction]] = field(default_factory=dict, init=False)
    """Index of a slot that was handed out → place among ``slots`` → share."""
    _kept: dict[int, tuple[int, ...]] = field(default_factory=dict, init=False)
    """Trial that waits → places that are kept for it."""
    _gone: set[int] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        """Begin with everything free."""
        self._free = [WHOLE] * len(self.slots)
        self.needs = dict(self.needs)

    @property
    def at_once(self) -> int:
        """How many trials run at once, on the average over the candidates."""
        counts = [
            max(1, len(need.gpus) // need.devices if need.devices > 1 else sum(need.gpus.values()))
            for need in self.needs.values()
        ]
        return round(sum(counts) / len(counts)) if counts else len(self.slots)

    @property
    def waiting(self) -> frozenset[int]:
        """Trials that wait for their devices."""
        return frozenset(self._kept)

    def has_room(self) -> bool:
        """Return whether anything could be started on what is free and not kept for others."""
        kept = {place for places in self._kept.values() for place in places}
        return any(
            place not in kept and place not in self._gone and free >= self._smallest(place)
            for place, free in enumerate(self._free)
        )

    def fits(self, candidate: str) -> bool:
        """Return whether a trial of the candidate can be started once all is free."""
        count, shares = self._wanted(candidate)
        return len(shares.keys() - self._gone) >= count

    def take(self, trial: int, candidate: str) -> Slot | None:
        """Return the trial's slot, or None where it must wait: devices are then kept for it."""
        count, shares = self._wanted(candidate)
        others = {p for number, places in self._kept.items() if number != trial for p in places}
        open_ = [place for place in shares if place not in self._gone | others]
        # Those with the most room first: trials spread before they share.
        open_.sort(key=lambda place: (-self._free[place], place))
        ready = [place for place in open_ if self._free[place] >= shares[place]]
        if len(ready) < count:
            if len(open_) >= count:
                mine = self._kept.get(trial, ())
                if len(set(mine) & set(open_)) < count:
                    self._kept[trial] = tuple(open_[:count])
            return None
        self._kept.pop(trial, None)
        return self._hand_out({place: shares[place] for place in ready[:count]})

    def leave(self, trial: int) -> None:
        """Keep nothing for the trial any more."""
        self._kept.pop(trial, None)

    def give(self, slot: Slot) -> None:
        """Take back what a trial held."""
        for place, share in self._taken.pop(slot.index).items():
            self._free[place] += share

    def lose(self, devices: Sequence[str]) -> None:
        """Use the ``devices`` no more: they are gone."""
        for place, slot in enumerate(self.slots):
            if set(slot.devices) & set(devices):
                self._gone.add(place)
        self._kept = {
            trial: places
            for trial, places in self._kept.items()
            if not self._gone.intersection(places)
        }

    @property
    def is_gone(self) -> bool:
        """Whether no device is left."""
        return len(self._gone) == len(self.slots)

    def widen(self, candidate: str, slot: Slot) -> bool:
        """Give trials of the candidate twice their part of a GPU; False: they have it whole.

        Those that were started since with more than the ``slot`` has have answered already.
        """
        need = self.needs.get(candidate)
        if need is None or slot.share == 1 or need.devices > 1:
            return False
        if any(1 / count <= slot.share for count in need.gpus.values()):
            wider = {gpu: max(1, count // 2) for gpu, count in need.gpus.items()}
            self.needs = {**self.needs, candidate: replace(need, gpus=wider)}
        return True

    def _wanted(self, candidate: str) -> tuple[int, dict[int, Fraction]]:
        """How many places a trial of the candidate wants, and its share of each it could have."""
        need = self.needs.get(candidate)
        if need is None:
            return 1, dict.fromkeys(range(len(self.slots)), WHOLE)
        shares = {
            place: Fraction(1, need.gpus[slot.devices[0]])
            for place, slot in enumerate(self.slots)
            if slot.devices and slot.devices[0] in need.gpus
        }
        return need.devices, shares

    def _smallest(self, place: int) -> Fraction:
        shares = [self._wanted(candidate)[1].get(place, WHOLE) for candidate in self.needs]
        return min(shares, default=WHOLE)

    def _hand_out(self, shares: dict[int, Fraction]) -> Slot:
        places = list(shares)
        first, share = self.slots[places[0]], shares[places[0]]
        for place, part in shares.items():
            self._free[place] -= part
        if shares == {places[0]: WHOLE} and first.index not in self._taken:
            slot = first
        else:
            index = next(i for i in range(len(self.slots) * 100) if i not in self._taken)
            slot = Slot(
                index,
                tuple(device for place in places for device in self.slots[place].devices),
                max(1, int(min(self.slots[place].threads for place in places) * share)),
                sum(self.slots[place].processes for place in places),
                first.share * float(share),
            )
        self._taken[slot.index] = shares
        return slot
