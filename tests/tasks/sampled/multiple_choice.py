"""Questions whose right choice has the word asked for; some have a choice more."""

from __future__ import annotations

import json

from tests.tasks.samples import CLASSES, ROWS, Sample


def _row(number: int) -> tuple[str, str, str]:
    asked = CLASSES[number % 3]
    others = [each for each in CLASSES if each != asked]
    choices = [f"this is {other}" for other in others][: 1 + (number % 2)]
    place = number % (len(choices) + 1)
    choices.insert(place, f"this is {asked}")
    return f"Which one says {asked}?", json.dumps(choices), str(place)


_QUESTIONS, _CHOICES, _ANSWERS = zip(*(_row(number) for number in range(ROWS)), strict=True)
SAMPLE = Sample(
    {"question": list(_QUESTIONS), "choices": list(_CHOICES), "answer": list(_ANSWERS)}, ()
)
