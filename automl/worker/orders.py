"""What a trial is asked to do between two steps, the same on all its processes at the same step."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from automl.jobs import Parent
from automl.rundir import TrialDir
from automl.worker import orphan
from automl.worker.ranks import Ranks

Order = Literal["go_on", "pause", "stop", "parent_gone"]
_ORDERS: tuple[Order, ...] = ("go_on", "pause", "stop", "parent_gone")
PARENT_SECONDS = 1.0
"""How often the parent's life is looked at."""


@dataclass(slots=True)
class Orders:
    """Looks for requests in the trial's folder and for the parent; rank 0 looks for all."""

    trial: TrialDir
    parent: Parent
    ranks: Ranks
    _looked: float = field(default=0.0, init=False)

    def poll(self) -> Order:
        """Return what is asked for now. All ranks must call this equally often."""
        return _ORDERS[self.ranks.share(_ORDERS.index(self._look()) if self.ranks.first else 0)]

    def _look(self) -> Order:
        request = self.trial.requested()
        if request is not None:
            return request
        now = time.monotonic()
        if now - self._looked < PARENT_SECONDS:
            return "go_on"
        self._looked = now
        return "go_on" if orphan.alive(self.parent) else "parent_gone"
