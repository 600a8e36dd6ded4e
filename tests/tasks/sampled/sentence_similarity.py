"""Pairs whose score is how many of their words they share."""

from __future__ import annotations

from tests.tasks.samples import CLASSES, ROWS, Sample


def pairs(rows: int) -> dict[str, list[str]]:
    """Return texts, and others about the same or about something else."""
    about = [(CLASSES[row % 3], CLASSES[(row + row // 3 % 2) % 3]) for row in range(rows)]
    return {
        "text": [f"a text about {one} and {row}" for row, (one, _) in enumerate(about)],
        "text_pair": [f"here is {other}, number {row}" for row, (_, other) in enumerate(about)],
    }


def scores(rows: int) -> list[float]:
    """Return 5 for texts about the same, 1 and a bit for others."""
    return [5.0 - (row // 3 % 2) * (3 + row / rows) for row in range(rows)]


SAMPLE = Sample({**pairs(ROWS), "score": scores(ROWS)}, ())
