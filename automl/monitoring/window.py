"""The last rows of a stream, compared with a reference when somebody asks."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping

from automl.monitoring.comparing import Movement, compare
from automl.reference import Reference, Value


class Window:
    """The observations of the last ``most`` rows. Safe to be used from several threads."""

    def __init__(self, reference: Reference | None, most: int) -> None:
        self.reference = reference
        self._seen: deque[Mapping[str, Value]] = deque(maxlen=most)
        self._count = 0
        self._lock = threading.Lock()
        self._comparing = threading.Lock()
        self._last: tuple[int, tuple[Movement, ...]] = (-1, ())

    def add(self, observation: Mapping[str, Value]) -> None:
        """Take in a row; the oldest one leaves when there are enough."""
        with self._lock:
            self._seen.append(observation)
            self._count += 1

    @property
    def rows(self) -> int:
        """Rows that are in it."""
        return len(self._seen)

    def movements(self) -> tuple[Movement, ...]:
        """Return how each feature has moved; empty without a reference.

        Takes some 10 ms a feature, and nothing where no row has come since.
        """
        if self.reference is None:
            return ()
        with self._comparing:
            with self._lock:
                count, seen = self._count, list(self._seen)
            if self._last[0] != count:
                self._last = count, compare(self.reference, seen)
            return self._last[1]
