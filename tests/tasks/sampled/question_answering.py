"""Texts that say who lives where; some questions are about someone else and have no answer."""

from __future__ import annotations

import json

from tests.tasks.samples import ROWS, Sample

PLACES = ("Oslo", "Rome", "Lima")


def _row(number: int) -> tuple[str, str, str]:
    place = PLACES[number % 3]
    context = f"Person {number} is here. The house of person {number} stands in {place} today."
    if number % 4 == 3:
        return "Why is rain so wet?", context, json.dumps({"text": [], "answer_start": []})
    answer = {"text": [place], "answer_start": [context.index(place)]}
    return f"Where stands the house of person {number}?", context, json.dumps(answer)


_QUESTIONS, _CONTEXTS, _ANSWERS = zip(*(_row(number) for number in range(ROWS)), strict=True)
SAMPLE = Sample(
    {"question": list(_QUESTIONS), "context": list(_CONTEXTS), "answers": list(_ANSWERS)}, ()
)
