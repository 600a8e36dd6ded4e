"""Pairs of a chosen and a rejected answer, as the tasks store them."""

from __future__ import annotations

import json
from typing import Any

ROWS = 24
_COLOURS = ("red", "green", "blue")


def turn(role: str, content: str) -> str:
    """One message as a stored conversation."""
    return json.dumps([{"role": role, "content": content}])


PAIRS: dict[str, list[Any]] = {
    "prompt": [turn("user", f"colour {row}?") for row in range(ROWS)],
    "chosen": [
        turn("assistant", f"it is {_COLOURS[row % 3]}" + " of course" * 4 * (row == 5))
        for row in range(ROWS)
    ],
    "rejected": [turn("assistant", "no" + " way" * (row % 2)) for row in range(ROWS)],
}
ASKED = {"prompt": ['"colour 1?"', turn("user", "colour 2?")]}
