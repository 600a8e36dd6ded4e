"""Calls of the hub that wait when it asks to: its client does so for some requests, not for all."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

TRIES = 6
MOST_SECONDS = 330
"""Longest wait that is borne; the hub counts requests over five minutes."""
Answer = TypeVar("Answer")


def patiently(call: Callable[[], Answer]) -> Answer:
    """Return what ``call`` returns; where the hub says "too many requests", wait and call again.

    It waits as long as the answer says (``Retry-After``, ``RateLimit``), else ever longer. Raises
    what ``call`` raises, 429 included once that has been tried often enough.
    """
    from huggingface_hub.errors import HfHubHTTPError

    for attempt in range(1, TRIES + 1):
        try:
            return call()
        except HfHubHTTPError as error:
            wait = _asked(error.response.headers, attempt)
            many = error.response.status_code == 429
            if not many or attempt == TRIES or wait > MOST_SECONDS:
                raise
            time.sleep(wait)
    raise AssertionError("unreachable")


def _asked(headers: Any, attempt: int) -> float:
    """Return the seconds that the answer asks to wait."""
    from huggingface_hub.utils import parse_ratelimit_headers

    limit = parse_ratelimit_headers(headers)
    if limit is not None and limit.remaining == 0:
        return float(limit.reset_in_seconds) + 1
    after = str(headers.get("Retry-After", ""))
    return float(after) + 1 if after.isdigit() else float(2**attempt)
