"""Divides rows into train, validation and test as a pure function of what they say and a seed.

Rows that must stay together form a unit: equal texts (letter case and spacing aside), and equal
groups where rows are grouped. A unit's side follows from a hash of its content, so the order of
rows does not matter and added rows move few others. Knows texts as keys; no file, no Arrow.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from automl.data.part import listed

HELD_OUT = ("test", "validation")
"""In the order in which they take their rows; train keeps the rest."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Rows that stay together: their indices, how many of each class, and its place in line."""

    rows: tuple[int, ...]
    classes: Mapping[str, int]
    main_class: str
    """The class most rows have; the first by name among equals."""
    held: frozenset[str]
    """All classes of its rows, where a row has several too."""
    rank: bytes


@dataclass(frozen=True, slots=True)
class Division:
    """The split of each row, in the order of the rows, and what a person should know of it."""

    sides: tuple[str, ...]
    warnings: tuple[str, ...]


def same_text(text: str) -> str:
    """Return the text without letter case and spacing; equal results count as one text."""
    return " ".join(text.casefold().split())


def divide(
    texts: Sequence[str],
    classes: Sequence[str] | None,
    groups: Sequence[str | None] | None,
    shares: Mapping[str, float],
    seed: int,
    several: Sequence[Sequence[str]] | None = None,
) -> Division:
    """Return the side of each row; ``shares`` gives ``validation`` and ``test`` of all rows.

    ``several`` are all classes of each row where it may have any number; ``classes`` then follow
    from it: a row counts as one of the class that is rarest, as the rare ones are hard to spread.

    ``texts`` are ``same_text`` keys. Each class keeps at least one unit in train, and with
    classes each share holds within one row of its part of every class, as far as units can be
    divided; with ``groups`` (null: belongs to none) shares and classes are met approximately.
    """
    if several is not None:
        classes = _rarest(several)
    names = classes if classes is not None else [""] * len(texts)
    held = several if several is not None else [[name] for name in names]
    units = _units(texts, names, held, groups, seed)
    sides: dict[int, str] = {}
    pick = _pick_grouped if groups is not None else _pick_by_class
    for split in HELD_OUT:
        if split in shares:
            left = [place for place in range(len(units)) if place not in sides]
            for place in pick(units, left, shares[split], seed):
                sides[place] = split
    _give_back(units, sides)
    found = ["train"] * len(texts)
    for place, split in sides.items():
        for row in units[place].rows:
            found[row] = split
    return Division(tuple(found), _warnings(found, held, units, shares, classes is not None))


def _rarest(several: Sequence[Sequence[str]]) -> list[str]:
    """Return each row's class with the fewest rows, the first by name; empty where it has none."""
    counts = Counter(name for names in several for name in names)
    return [min(names, key=lambda name: (counts[name], name), default="") for names in several]


def _units(
    texts: Sequence[str],
    classes: Sequence[str],
    held: Sequence[Sequence[str]],
    groups: Sequence[str | None] | None,
    seed: int,
) -> list[Unit]:
    """Return the units in the order of their rank, which content and seed alone decide."""
    keys = texts if groups is None else _joined(texts, groups)
    members: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        members[key].append(row)
    units = [_unit(rows, classes, held, _rank(key, seed)) for key, rows in members.items()]
    return sorted(units, key=lambda unit: unit.rank)


def _unit(
    rows: Sequence[int], classes: Sequence[str], held: Sequence[Sequence[str]], rank: bytes
) -> Unit:
    counts = Counter(classes[row] for row in rows)
    main = min(counts, key=lambda name: (-counts[name], name))
    every = frozenset(name for row in rows for name in held[row])
    return Unit(tuple(rows), counts, main, every, rank)


def _joined(texts: Sequence[str], groups: Sequence[str | None]) -> list[str]:
    """Return a key per row, equal for rows linked through equal groups or equal texts.

    Union-find over text and group nodes; the smallest node names its set, whatever the order.
    """
    parent: dict[str, str] = {}

    def top(node: str) -> str:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for text, group in zip(texts, groups, strict=True):
        one = top(f"text {text}")
        if group is not None:
            low, high = sorted((one, top(f"group {group}")))
            parent[high] = low
    return [top(f"text {text}") for text in texts]


def _rank(key: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{key}".encode()).digest()


def _pick_by_class(
    units: Sequence[Unit], left: Sequence[int], share: float, seed: int
) -> Iterable[int]:
    """Yield the units of ``left`` that go to a split: each class's first ones, up to its quota.

    The last unit of a class in line is never taken.
    """
    lines: dict[str, list[int]] = defaultdict(list)
    for place in left:
        lines[units[place].main_class].append(place)
    sizes: Counter[str] = Counter()
    for unit in units:
        sizes[unit.main_class] += len(unit.rows)
    room = {
        name: sum(len(units[place].rows) for place in line[:-1]) for name, line in lines.items()
    }
    quotas = _quotas({name: sizes[name] * share for name in lines}, room, seed)
    for name, line in lines.items():
        taken = 0
        for place in line[:-1]:
            size = len(units[place].rows)
            # A unit goes in while that brings the count nearer to the quota.
            if taken + size / 2 > quotas[name]:
                break
            taken += size
            yield place


def _quotas(wanted: Mapping[str, float], room: Mapping[str, int], seed: int) -> dict[str, int]:
    """Return whole numbers near ``wanted`` with its rounded sum, by largest remainder.

    No class gets more than ``room``; equal remainders are ordered by a hash, not by name.
    """
    quotas = {name: min(int(part), room[name]) for name, part in wanted.items()}
    missing = round(sum(wanted.values())) - sum(quotas.values())
    by_remainder = sorted(
        wanted, key=lambda name: (quotas[name] - wanted[name], _rank(f"class {name}", seed))
    )
    for name in by_remainder:
        if missing > 0 and quotas[name] < room[name]:
            quotas[name] += 1
            missing -= 1
    return quotas


def _pick_grouped(
    units: Sequence[Unit], left: Sequence[int], share: float, seed: int
) -> Iterable[int]:
    """Yield units in line whose rows are mostly still wanted by class; at least one if several.

    Where every unit is too large for its share, the smallest is taken.
    """
    wanted: Counter[str] = Counter()
    for unit in units:
        wanted.update(unit.classes)
    open_ = {name: count * share for name, count in wanted.items()}
    target = sum(open_.values())
    taken: list[int] = []
    size = 0
    for place in left:
        unit = units[place]
        useful = sum(min(count, max(open_[name], 0.0)) for name, count in unit.classes.items())
        fits = size + len(unit.rows) / 2 <= target
        if fits and useful * 2 >= len(unit.rows) and len(taken) + 1 < len(left):
            taken.append(place)
            size += len(unit.rows)
            for name, count in unit.classes.items():
                open_[name] -= count
    if not taken and len(left) > 1:
        taken = [min(left, key=lambda place: (len(units[place].rows), units[place].rank))]
    return taken


def _give_back(units: Sequence[Unit], sides: dict[int, str]) -> None:
    """Return units to train until every class is there, taking each missing class's last one."""
    held: dict[str, list[int]] = defaultdict(list)
    for place, unit in enumerate(units):
        for name in unit.held:
            held[name].append(place)
    for name in sorted(held):
        if all(place in sides for place in held[name]):
            del sides[held[name][-1]]


def _warnings(
    sides: Sequence[str],
    held: Sequence[Sequence[str]],
    units: Sequence[Unit],
    shares: Mapping[str, float],
    classified: bool,
) -> tuple[str, ...]:
    found = []
    for split in (name for name in HELD_OUT if name in shares):
        size, wanted = sides.count(split), shares[split] * len(sides)
        if abs(size - wanted) > max(1.0, wanted / 4):
            biggest = max(len(unit.rows) for unit in units)
            found.append(
                f"{split} holds {size} rows where {wanted:.0f} were asked for: rows that must "
                f"stay together come in up to {biggest}"
            )
        present = {
            name for names, side in zip(held, sides, strict=True) if side == split for name in names
        }
        if classified and (absent := sorted({name for names in held for name in names} - present)):
            found.append(f"{split} has no row of {len(absent)} classes: {listed(absent)}")
    distinct = Counter(name for unit in units for name in unit.held)
    if classified and (small := sorted(name for name, count in distinct.items() if count < 3)):
        found.append(
            f"{len(small)} classes have fewer than 3 distinct rows, too few for every split: "
            f"{listed(small)}"
        )
    return tuple(found)
