"""Tags of sequences: where they make entities, what scheme they are in, what is wrong with them.

Pure. Entities are found as CoNLL's own scorer finds them, which seqeval and transformers'
pipelines follow: one begins at B-, and at I- where none of its type is open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from automl.tasks import Malformed

OUTSIDE = "O"
_CHUNK = re.compile(r"([BIESLUM])-(.*)", re.DOTALL)
_ALIKE = {"L": "E", "U": "S", "M": "I"}
"""Prefixes of BILOU and BMES, as BIOES has them."""

Tags = Sequence[str]
Entity = tuple[str, int, int]
"""Type, first position, and the position after the last."""


@dataclass(frozen=True, slots=True)
class Read:
    """Rows of tags brought to BIO (plain tags as they are), what was done, what is wrong."""

    rows: list[list[str]]
    notes: tuple[str, ...] = ()
    malformed: tuple[Malformed, ...] = ()


def is_chunked(tags: Iterable[str]) -> bool:
    """Return whether the tags say where entities begin and go on: some have B- or I- before them.

    ``E-``, ``S-`` and the like alone could be anything.
    """
    return any(tag[:2] in ("B-", "I-") and tag[2:] for tag in tags)


def kinds(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the entities' types; of plain tags, all but ``O``."""
    named = (label for label in labels if label != OUTSIDE)
    return tuple(dict.fromkeys(n[2:] for n in named) if is_chunked(labels) else named)


def entities(tags: Tags) -> list[Entity]:
    """Return the entities of tags in any scheme with prefixes, in their order."""
    found: list[Entity] = []
    opened: tuple[str, int] | None = None
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, kind = _parted(tag)
        begins = prefix in ("B", "S") or opened is None or opened[0] != kind
        if opened is not None and (kind is None or begins):
            found.append((opened[0], opened[1], place))
            opened = None
        if kind is not None and opened is None:
            opened = kind, place
        if opened is not None and prefix in ("E", "S"):
            found.append((opened[0], opened[1], place + 1))
            opened = None
    return found


def _parted(tag: str) -> tuple[str, str | None]:
    """Return prefix (of BIOES) and type; no type outside."""
    found = _CHUNK.fullmatch(tag)
    if found is None:
        return "", None
    return _ALIKE.get(found[1], found[1]), found[2]


def runs(tags: Tags) -> list[Entity]:
    """Return the stretches of one plain tag, those of ``O`` left out."""
    found: list[Entity] = []
    for place, tag in enumerate(tags):
        if tag == OUTSIDE:
            continue
        if found and found[-1][0] == tag and found[-1][2] == place:
            found[-1] = (tag, found[-1][1], place + 1)
        else:
            found.append((tag, place, place + 1))
    return found


def written(found: Iterable[Entity], length: int) -> list[str]:
    """Return the entities as BIO tags of a sequence of that length."""
    tags = [OUTSIDE] * length
    for kind, start, end in found:
        tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tags


def read(rows: Sequence[Tags]) -> Read:
    """Return the rows in BIO, whichever scheme they are in; plain tags are left as they are.

    Malformed is a tag without a type, one without a prefix among others with one, and an I- that
    follows another type where B- is used at the beginning of entities: one entity or two can't be
    told then.
    """
    every = set(chain.from_iterable(rows))
    if not is_chunked(every):
        return Read([list(row) for row in rows], _of_numbers(every))
    iob1 = _is_iob1(rows)
    wrong = tuple(
        Malformed(number, *found)
        for number, row in enumerate(rows)
        if (found := next(_faults(row, iob1), None))
    )
    made = [written(entities(row), len(row)) for row in rows]
    return Read(made, tuple(_changes(rows, every, iob1)), wrong)


def _of_numbers(every: set[str]) -> tuple[str, ...]:
    if every and all(tag.isdigit() for tag in every):
        return ("tags are numbers without names: they are scored one by one, not as entities",)
    return ()


def _is_iob1(rows: Sequence[Tags]) -> bool:
    """Return whether entities begin with I-, and with B- only right after one of their type."""
    plain = all(tag[:2] in ("B-", "I-", OUTSIDE) for row in rows for tag in row)
    starts = [place for row in rows for place in _beginnings(row)]
    return plain and any(first == "I" for first, _ in starts) and not any(
        first == "B" and not adjacent for first, adjacent in starts
    )  # fmt: skip


def _beginnings(row: Tags) -> Iterator[tuple[str, bool]]:
    """Yield how each entity begins: its prefix, and whether one of its type stands right before."""
    before: Entity | None = None
    for kind, start, end in entities(row):
        adjacent = before is not None and before[2] == start and before[0] == kind
        yield _parted(row[start])[0], adjacent
        before = (kind, start, end)


def _faults(row: Tags, iob1: bool) -> Iterator[tuple[str, str]]:
    for place, tag in enumerate(row):
        prefix, kind = _parted(tag)
        if tag != OUTSIDE and not kind:
            rule = f"tag {tag!r} at {place + 1} has no type" if prefix else (
                f"tag {tag!r} at {place + 1} has no B- or I- before it, as others have"
            )  # fmt: skip
            yield rule, f"write {OUTSIDE}, or B- and I- before a type"
        before = _parted(row[place - 1])[1] if place else None
        if prefix == "I" and not iob1 and before is not None and before != kind:
            yield (
                f"tag {tag!r} at {place + 1} follows {row[place - 1]!r}: one entity or two?",
                f"write B-{kind} for a new one, I-{before} for the same",
            )


def _changes(rows: Sequence[Tags], every: set[str], iob1: bool) -> Iterator[str]:
    others = sorted({tag[0] for tag in every if _CHUNK.fullmatch(tag)} - {"B", "I"})
    if others:
        yield f"tags with {', '.join(f'{each}-' for each in others)} were rewritten with B- and I-"
    late = [[first for first, _ in _beginnings(row) if first in ("I", "E")] for row in rows]
    count, where = sum(map(len, late)), sum(map(bool, late))
    if iob1:
        yield f"tags are IOB1: {count:,} entities that begin with I- were rewritten with B-"
    elif count:
        yield f"{count:,} entities in {where:,} rows began without B- and were given one"
