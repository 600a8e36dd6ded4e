"""What stays the same during an attempt at a trial, and how one ends before its time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from automl.events import Paused, Stopped
from automl.jobs import TrialSpec
from automl.rundir import TrialDir
from automl.tasks import Columns, Task
from automl.worker.orders import Order, Orders
from automl.worker.pace import Pace
from automl.worker.ranks import Ranks
from automl.worker.reporter import Reporter
from automl.worker.store import Rows


class Leave(Exception):
    """The attempt ends here, in good order; ``event`` says how."""

    def __init__(self, event: Paused | Stopped) -> None:
        self.event = event
        super().__init__(event.type)


@dataclass(frozen=True, slots=True)
class Truth:
    """The validation rows that are predicted: by role, and what should be said of them."""

    columns: Columns
    targets: Any


@dataclass(frozen=True, slots=True)
class Setting:
    """All that stays the same during an attempt."""

    trial: TrialDir
    spec: TrialSpec
    task: Task
    tokenizer: PreTrainedTokenizerBase
    validation: Rows
    truth: Truth
    collate: Callable[[list[Any]], Any]
    pace: Pace
    ranks: Ranks
    reporter: Reporter
    orders: Orders


def leaving(order: Order, step: int) -> Paused | Stopped:
    """Return how an attempt at ``step`` ends that was told anything but ``go_on``."""
    if order == "stop":
        return Stopped(step)
    return Paused(step, "parent_gone" if order == "parent_gone" else "requested")
