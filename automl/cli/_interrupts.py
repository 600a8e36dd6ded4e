"""Ctrl-C, counted: once means save and leave, twice means at once."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def counted() -> Iterator[Callable[[], int]]:
    """Count SIGINT and SIGTERM while inside; yields a function that returns the count.

    Outside the search (while data is read, say) nothing asks for the count; a second signal
    then raises KeyboardInterrupt.
    """
    count, asked = 0, 0

    def receive(number: int, frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count == 1:
            print("\nstopping once what runs is saved (again: stop at once)", file=sys.stderr)
        elif count > asked + 1:
            raise KeyboardInterrupt

    def read() -> int:
        nonlocal asked
        asked = count
        return count

    before = {s: signal.signal(s, receive) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield read
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
