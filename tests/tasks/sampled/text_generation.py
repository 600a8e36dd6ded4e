"""Short conversations, one of them too long for the conformance suite's rows."""

from __future__ import annotations

import json

from tests.fixtures import tiny_decoder
from tests.tasks.samples import ROWS, Sample

_COLOURS = ("red", "green", "blue")
_ASKED = [{"role": "user", "content": "colour?"}]


def _conversation(row: int) -> str:
    answer = f"{_COLOURS[row % 3]} {row}" + " and so on" * 9 * (row == 5)
    return json.dumps([*_ASKED, {"role": "assistant", "content": answer}])


SAMPLE = Sample(
    {"messages": [_conversation(row) for row in range(ROWS)]},
    (),
    tiny_decoder.make,
    asked={"messages": [json.dumps(_ASKED)] * 2},
)
