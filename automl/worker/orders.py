"""What a trial is asked to do between two steps, the same on all its processes at the same step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from automl.jobs import Parent
from automl.rundir import TrialDir
from automl.worker import orphan
from automl.worker.ranks import Ranks

Order = Literal["go_on", "pause", "stop", "parent_gone"]
_Heard = Order | Literal["nothing"]
_HEARD: tuple[_Heard, ...] = ("nothing", "go_on", "pause", "stop", "parent_gone")
PARENT_SECONDS = 1.0
"""How often the parent's life is looked at."""
WAIT_SECONDS = 0.05
"""How often a trial that waits looks for its answer."""


@dataclass(slots=True)
class Orders:
    """Looks for requests in the trial's folder and for the parent; rank 0 looks for all."""

    trial: TrialDir
    parent: Parent
    ranks: Ranks
    _looked: float = field(default=0.0, init=False)

    def poll(self) -> Order:
        """Return what is asked for now. All ranks must call this equally often.

        A ``continue`` that nobody waits for is taken away, lest it answers a later question.
        """
        heard = self._hear()
        return "go_on" if heard == "nothing" else heard

    def wait(self, meanwhile: Callable[[], None]) -> Order:
        """Return what a trial at a rung is told, once it is; ``go_on`` for ``continue``.

        ``meanwhile`` is called between two looks. All ranks must call this together.
        """
        while (heard := self._hear()) == "nothing":
            meanwhile()
            if self.ranks.first:  # the others are held up by the next look
                time.sleep(WAIT_SECONDS)
        return heard

    def _hear(self) -> _Heard:
        return _HEARD[self.ranks.share(_HEARD.index(self._look()) if self.ranks.first else 0)]

    def _look(self) -> _Heard:
        request = self.trial.requested()
        if request == "continue":
            # What is taken may be a later request than what was read.
            request = self.trial.take_request()
        if request is not None:
            return "go_on" if request == "continue" else request
        now = time.monotonic()
        if now - self._looked < PARENT_SECONDS:
            return "nothing"
        self._looked = now
        return "nothing" if orphan.alive(self.parent) else "parent_gone"
