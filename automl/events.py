"""What happens, as data: lines a worker says of its trial, and lines a run says of itself.

A worker appends to ``metrics.jsonl`` in its trial's folder, the parent to ``events.jsonl`` in the
run folder. Each line is one JSON object with a ``type``. Knows no file but the one it is handed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from automl.documents import to_line
from automl.plan import Scalar

FailureKind = Literal[
    "crash",
    "out_of_memory",
    "not_a_number",
    "hang",
    "timeout",
    "bad_candidate",
    "lost",
    "disk_full",
    "device_lost",
]


@dataclass(frozen=True, slots=True)
class Started:
    """A worker is ready to train; ``step`` is above zero when it continues from a checkpoint."""

    step: int
    total_steps: int
    device: str
    processes: int = 1
    time: float = 0.0
    type: Literal["started"] = "started"


@dataclass(frozen=True, slots=True)
class Progressed:
    """Training goes on; said every second or so. ``seconds`` is training time of this attempt."""

    step: int
    total_steps: int
    epoch: float
    loss: float | None
    samples_per_second: float
    memory_bytes: int = 0
    time: float = 0.0
    type: Literal["progressed"] = "progressed"


@dataclass(frozen=True, slots=True)
class Reported:
    """One evaluation on the validation split. ``evaluation`` counts from 1 over all attempts."""

    evaluation: int
    step: int
    samples: int
    """Training samples seen so far, over all attempts."""
    metrics: Mapping[str, float]
    seconds: float
    """Training and evaluation seconds of the trial so far, over all attempts."""
    best: bool
    """True when this is the best evaluation so far by the goal; its model is in ``best/``."""
    rung: bool = False
    """True when the trial has come to one of its rungs and waits for an answer."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """What prediction costs, where asked for: ``latency_ms`` (median of one row at a time),
    ``parameters``, ``disk`` (bytes of the saved model)."""
    time: float = 0.0
    loss: float | None = None
    """Mean training loss since the evaluation before, of the first process's rows."""
    type: Literal["reported"] = "reported"


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint is complete and verified; ``path`` is relative to the trial's folder."""

    step: int
    path: str
    bytes: int
    time: float = 0.0
    type: Literal["saved"] = "saved"


@dataclass(frozen=True, slots=True)
class Warned:
    """Something went wrong that changes nothing about the trial; never the last word of one."""

    message: str
    time: float = 0.0
    type: Literal["warned"] = "warned"


@dataclass(frozen=True, slots=True)
class Paused:
    """The worker saved and left because it was asked to, or because its parent is gone."""

    step: int
    reason: Literal["requested", "parent_gone"] = "requested"
    time: float = 0.0
    type: Literal["paused"] = "paused"


@dataclass(frozen=True, slots=True)
class Stopped:
    """The worker left for good because it was asked to stop."""

    step: int
    time: float = 0.0
    type: Literal["stopped"] = "stopped"


@dataclass(frozen=True, slots=True)
class Finished:
    """The trial trained to its end; its best model is in ``best/``."""

    step: int
    seconds: float
    time: float = 0.0
    type: Literal["finished"] = "finished"


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt is over with an error; the traceback is in the trial's log."""

    kind: FailureKind
    message: str
    time: float = 0.0
    type: Literal["failed"] = "failed"


TrialEvent = Started | Progressed | Reported | Saved | Warned | Paused | Stopped | Finished | Failed
_TRIAL = TypeAdapter[TrialEvent](Annotated[TrialEvent, Field(discriminator="type")])


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins, or continues when ``finished_trials`` is above zero."""

    name: str
    finished_trials: int
    trials: int | None
    seconds: float | None
    slots: int
    best: tuple[int, str, float] | None = None
    """Trial, candidate and value of the best of earlier runs."""
    time: float = 0.0
    metric: str = ""
    """The metric of the first objective: where the recipe names none, the data decides it."""
    minimize: bool = False
    type: Literal["run_started"] = "run_started"


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """A trial was given a slot; ``attempt`` counts from 1."""

    trial: int
    candidate: str
    hyperparameters: Mapping[str, Scalar]
    attempt: int
    slot: str
    time: float = 0.0
    repeat_of: int | None = None
    """The trial whose configuration it trains again with another seed."""
    type: Literal["trial_started"] = "trial_started"


@dataclass(frozen=True, slots=True)
class TrialSaid:
    """A line of a worker, passed on."""

    trial: int
    event: TrialEvent
    time: float = 0.0
    type: Literal["trial_said"] = "trial_said"


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial is over for now (``paused``) or for good; ``value`` is its best by the goal."""

    trial: int
    state: Literal["complete", "pruned", "failed", "paused"]
    value: float | None
    message: str = ""
    time: float = 0.0
    type: Literal["trial_ended"] = "trial_ended"


@dataclass(frozen=True, slots=True)
class CandidateRetired:
    """A candidate is given no further trial."""

    candidate: str
    reason: str
    time: float = 0.0
    type: Literal["candidate_retired"] = "candidate_retired"


@dataclass(frozen=True, slots=True)
class StageBegan:
    """The run moved on to another stage of the pipeline, in words for a person."""

    stage: str
    detail: str = ""
    time: float = 0.0
    type: Literal["stage_began"] = "stage_began"


@dataclass(frozen=True, slots=True)
class RungCount:
    """One rung, in training samples seen: trials that came to it, those that wait there."""

    samples: int
    reached: int
    paused: int


@dataclass(frozen=True, slots=True)
class SearchProgressed:
    """Where the search as a whole stands; said when a count of it changes.

    It is ``searching`` new configurations, then ``confirming`` the best of them with new seeds,
    then ``over``, with the reason in words.
    """

    phase: Literal["searching", "confirming", "over"]
    rungs: tuple[RungCount, ...] = ()
    checkpoint_bytes: int = 0
    """Disk in use by checkpoints to continue from and by models that can still win."""
    seconds: float = 0.0
    """Search time spent, over all runs."""
    reason: str = ""
    time: float = 0.0
    type: Literal["search_progressed"] = "search_progressed"


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over: what it ended as, and where the bundle lies if one was written."""

    state: Literal["finished", "checks_missed", "failed", "interrupted"]
    best_trial: int | None
    value: float | None
    bundle: str | None
    time: float = 0.0
    type: Literal["run_ended"] = "run_ended"


RunEvent = (
    RunStarted
    | TrialStarted
    | TrialSaid
    | TrialEnded
    | CandidateRetired
    | StageBegan
    | SearchProgressed
    | RunEnded
)
_RUN = TypeAdapter[RunEvent](Annotated[RunEvent, Field(discriminator="type")])


def append(path: Path, event: TrialEvent | RunEvent) -> None:
    """Append the event to ``path`` as one line, in a single write."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(to_line(event))


def trial_event(line: str) -> TrialEvent:
    """Return the worker's event in ``line``; raises ValueError when it is not one."""
    return _TRIAL.validate_python(json.loads(line))


def run_event(line: str) -> RunEvent:
    """Return the run's event in ``line``; raises ValueError when it is not one."""
    return _RUN.validate_python(json.loads(line))


@dataclass(slots=True)
class Tail:
    """Reads a growing file of worker events: each call gives what is new and complete.

    A torn last line (a writer killed in the middle) is left until it is completed; a line that is
    not an event is skipped, since a killed writer's half line may be continued by the next one.
    """

    path: Path
    offset: int = 0
    _rest: bytes = field(default=b"", init=False)

    def has_more(self) -> bool:
        """Return whether anything was appended since the last call of ``read``."""
        return self.path.exists() and self.path.stat().st_size > self.offset

    def read(self) -> Iterator[TrialEvent]:
        """Yield the events appended since the last call."""
        try:
            with self.path.open("rb") as stream:
                stream.seek(self.offset)
                data = stream.read()
        except FileNotFoundError:
            return
        self.offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            try:
                yield trial_event(line.decode())
            except ValueError:
                continue
