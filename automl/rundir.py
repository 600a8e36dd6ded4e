"""The run folder: owns every path in it, and the lock that says who runs. Reads no content.

runs/<name>/  recipe.yaml  plan.json  study.journal  events.jsonl  lock  held  stop
              cache/  finish/  bundle/  report.html
              trials/0007/{spec.json,log.txt,metrics.jsonl,request,checkpoint/,best/}
              track/{tensorboard/trial-0007/,mlflow/,wandb/}
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from automl.documents import write_bytes
from automl.errors import RunFolderError

Request = Literal["continue", "pause", "stop"]
_REQUESTS: tuple[Request, ...] = ("continue", "pause", "stop")


@dataclass(frozen=True, slots=True)
class TrialDir:
    """One trial's folder; the worker is told this path and derives all others."""

    root: Path

    @property
    def spec(self) -> Path:
        """What the worker was asked to do (automl/trial)."""
        return self.root / "spec.json"

    @property
    def log(self) -> Path:
        """What the worker's processes printed, all attempts one after the other."""
        return self.root / "log.txt"

    @property
    def process(self) -> Path:
        """Which process the latest attempt is, if it was forked (automl/process)."""
        return self.root / "process.json"

    @property
    def metrics(self) -> Path:
        """The worker's events, one JSON object a line."""
        return self.root / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Holds ``step-00000120/`` folders to continue from; at most two at any moment."""
        return self.root / "checkpoint"

    @property
    def best(self) -> Path:
        """The model of the best evaluation, loadable with ``from_pretrained``."""
        return self.root / "best"

    def tracked(self, tracker: str) -> Path:
        """Return what a tracker knows of the trial (automl/tracked)."""
        return self.root / f"tracked-{tracker}.json"

    def request(self, what: Request) -> None:
        """Ask the worker to pause or to stop; it answers at its next step.

        ``continue`` answers a worker that waits at a rung; it takes that request away itself.
        """
        write_bytes(self.root / "request", what.encode())

    def requested(self) -> Request | None:
        """Return what the worker has been asked for, if anything."""
        return _request(self.root / "request")

    def take_request(self) -> Request | None:
        """Take the request away and return it; one that is made meanwhile is not lost."""
        taken = self.root / "request.taken"
        try:
            os.replace(self.root / "request", taken)
        except FileNotFoundError:
            return None
        found = _request(taken)
        taken.unlink()
        return found

    def clear_request(self) -> None:
        """Forget the request; done before an attempt starts."""
        (self.root / "request").unlink(missing_ok=True)


def _request(path: Path) -> Request | None:
    try:
        found = path.read_text().strip()
    except FileNotFoundError:
        return None
    return next((request for request in _REQUESTS if request == found), "pause")


@dataclass(frozen=True, slots=True)
class TrackDir:
    """What trackers write on this machine; the worker is told this path and derives all others."""

    root: Path

    def tensorboard(self, trial: int) -> Path:
        """Return the folder of one trial's event files."""
        return self.root / "tensorboard" / f"trial-{trial:04d}"

    @property
    def mlflow(self) -> Path:
        """MLflow's own store, where no server is named: ``mlflow.db`` and ``artifacts/``."""
        return self.root / "mlflow"


def bytes_below(folder: Path) -> int:
    """Return the bytes of all files below; a live run may move some while they are counted."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(parent, name)).st_size
    return total


@dataclass(frozen=True, slots=True)
class RunDir:
    """A run folder; ``root`` is absolute."""

    root: Path

    @classmethod
    def at(cls, path: Path) -> RunDir:
        """Return the run folder at ``path``, made absolute; creates nothing."""
        return cls(path.expanduser().absolute())

    @property
    def recipe(self) -> Path:
        """The effective recipe, as one file."""
        return self.root / "recipe.yaml"

    @property
    def plan(self) -> Path:
        """The plan the study runs under (automl/plan)."""
        return self.root / "plan.json"

    @property
    def study(self) -> Path:
        """Optuna's journal: the truth about trials."""
        return self.root / "study.journal"

    @property
    def box(self) -> Path:
        """Which machine this is, where several share the study (automl/box)."""
        return self.root / "box.json"

    @property
    def starts(self) -> Path:
        """Starting points that earlier studies gave this one (automl/starts)."""
        return self.root / "starts.json"

    @property
    def events(self) -> Path:
        """The run's events, one JSON object a line."""
        return self.root / "events.jsonl"

    @property
    def cache(self) -> Path:
        """What can be made again: split tables, tokens, measurements."""
        return self.root / "cache"

    @property
    def tokens(self) -> Path:
        """Tokenised splits, one folder per (data, tokenizer, length)."""
        return self.cache / "tokens"

    @property
    def jobs(self) -> Path:
        """Specs, answers and logs of jobs that are not trials, one folder each."""
        return self.cache / "jobs"

    @property
    def examples(self) -> Path:
        """What the model that leaves says of the first test rows, drawn; not all tasks have it."""
        return self.finish / "examples.png"

    @property
    def finish(self) -> Path:
        """Scores of the winner and the floor."""
        return self.root / "finish"

    @property
    def bundle(self) -> Path:
        """What is exported."""
        return self.root / "bundle"

    @property
    def report(self) -> Path:
        """The study as one page to look at."""
        return self.root / "report.html"

    @property
    def trials(self) -> Path:
        """Holds one folder per trial."""
        return self.root / "trials"

    @property
    def track(self) -> TrackDir:
        """What trackers write, where they write to this machine."""
        return TrackDir(self.root / "track")

    def table(self, split: str) -> Path:
        """The split's rows as an Arrow file with columns named by role."""
        return self.cache / "data" / f"{split}.arrow"

    @property
    def slices(self) -> Path:
        """Columns by which results on test are told, as an Arrow file; absent without any."""
        return self.cache / "data" / "slices.arrow"

    @property
    def earlier(self) -> Path:
        """Where the bundles lie here that checks compare with (automl/earlier)."""
        return self.cache / "earlier.json"

    def trial(self, number: int) -> TrialDir:
        """Return the folder of trial ``number``; creates nothing."""
        return TrialDir(self.trials / f"{number:04d}")

    def job(self, name: str) -> Path:
        """Return the folder of a job that is not a trial (inspect, measure, floor, score)."""
        return self.jobs / name

    def holder(self) -> int | None:
        """Return the pid of the live run that holds this folder, if one does."""
        try:
            with (self.root / "lock").open() as stream:
                try:
                    fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(json.loads(stream.read() or '{"pid": 0}')["pid"])
        except FileNotFoundError:
            pass
        return None

    def hold(self, trial: int, wanted: bool) -> None:
        """Ask that a trial be put aside, or no longer; a live run does so within a second."""
        numbers = self.held() | {trial} if wanted else self.held() - {trial}
        write_bytes(self.root / "held", " ".join(map(str, sorted(numbers))).encode())

    def held(self) -> frozenset[int]:
        """Return the numbers of the trials that are to be put aside."""
        try:
            found = (self.root / "held").read_text().split()
        except FileNotFoundError:
            return frozenset()
        return frozenset(int(number) for number in found if number.isdecimal())

    def ask_to_stop(self, how: Literal["save", "now"]) -> None:
        """Ask the live run to leave: once what runs is saved, or at once."""
        write_bytes(self.root / "stop", how.encode())

    def asked_to_stop(self) -> int:
        """Return what was asked, as presses of Ctrl-C: 0 nothing, 1 to save, 2 at once."""
        try:
            found = (self.root / "stop").read_text()
        except FileNotFoundError:
            return 0
        return 2 if found == "now" else 1

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process; the kernel lets go when the process dies.

        Raises RunFolderError with the holder's pid and host when another run holds it.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("a+") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                stream.seek(0)
                found = stream.read()
                holder = json.loads(found) if found else {"pid": "unknown", "host": "unknown"}
                raise RunFolderError(
                    f"{self.root} is held by a live run: pid {holder['pid']} on {holder['host']}"
                ) from None
            stream.seek(0)
            stream.truncate()
            stream.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
            stream.flush()
            (self.root / "stop").unlink(missing_ok=True)  # was meant for a run before this one
            yield
            stream.seek(0)
            stream.truncate()
