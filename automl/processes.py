"""Worker processes: how one is started, waited for, and what it printed. Knows no job's content.

Within ``preloaded`` they are forked from a process that has imported torch and transformers, which
saves each of them seconds; elsewhere, and where that does not work, every one starts afresh.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from automl import documents, machine
from automl.errors import JobFailed
from automl.forkserver import TRACKERS, ForkServer, ServerGone
from automl.jobs import RESULT, Spec

MPS_PERCENTAGE = "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"
WISH = "AUTOML_START"
"""Environment variable: ``fresh`` starts every process afresh."""


class Process(Protocol):
    """One worker process, leader of a session of its own."""

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""
        ...

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        ...

    def kill(self) -> None:
        """End it at once; nothing happens if it has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be started: the job's spec, where output goes, and the whole environment.

    ``note`` is where a forked process writes who it is: its environment can't be seen from outside.
    """

    spec: Path
    log: Path
    environment: Mapping[str, str]
    note: Path | None = None


def environment(threads: int, devices: tuple[str, ...], share: float = 1.0) -> dict[str, str]:
    """Return this process's environment, altered for a worker on ``devices`` with ``threads``.

    ``share`` is its part of them: under NVIDIA's Multi-Process Service it may then use twice that
    part of each GPU's multiprocessors, so that neighbours which wait leave theirs to it; a
    percentage that the user has set stays.

    OpenMP threads sleep instead of spinning: on a shared machine spinning made a step 20 times
    slower. An empty ``devices`` hides all GPUs; they are counted as NVML does.
    """
    mps = {}
    if devices and share < 1 and machine.cuda_mps() is not None:
        mps = {MPS_PERCENTAGE: str(min(100, round(200 * share)))}
    return {
        **mps,
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": "0",
        "TOKENIZERS_PARALLELISM": "false" if threads == 1 else "true",
        "RAYON_NUM_THREADS": str(threads),
        "CUDA_VISIBLE_DEVICES": ",".join(devices),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }


def command(spec: Path) -> list[str]:
    """Return the command line of a worker for the spec file."""
    return [sys.executable, "-m", "automl.worker", str(spec)]


@contextmanager
def preloaded(trackers: Sequence[str] = ()) -> Iterator[None]:
    """Within, processes are forked from one that has the imports done; it starts with the first.

    What the ``trackers`` need is imported with the rest. Linux only: elsewhere forking a process
    that has loaded numerical libraries is not safe.
    """
    global _preloading
    if _preloading is not None or not _can_preload():
        yield
        return
    _preloading = _Preloading(trackers)
    try:
        yield
    finally:
        _preloading.close()
        _preloading = None


def start(order: Order) -> Process:
    """Start a worker and return at once."""
    if _preloading is None:
        return run_command(command(order.spec), order)
    return _preloading.start(order)


def run_command(arguments: list[str], order: Order) -> subprocess.Popen[bytes]:
    """Start the command line with the order's environment and log, in a session of its own.

    Ctrl-C is the parent's to answer; a worker whose parent is gone ends by itself.
    """
    with order.log.open("ab") as log:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(order.environment),
            start_new_session=True,
        )


def call(
    spec: Spec,
    result: type[Any],
    directory: Path,
    *,
    threads: int,
    devices: tuple[str, ...] = (),
    begin: Callable[[Order], Process] | None = None,
) -> Any:
    """Run a job that is not a trial in a worker process and return its ``result`` document.

    ``directory`` keeps spec.json, result.json and log.txt; ``begin`` starts the process, left
    out ``start``. Raises JobFailed with the end of the log when the process leaves without a
    result, OSError (ENOSPC) where the disk is full; one that was killed is given a second try.
    """
    begin = begin or start
    directory.mkdir(parents=True, exist_ok=True)
    path, log = directory / "spec.json", directory / "log.txt"
    (directory / RESULT).unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    documents.write(path, spec)
    order = Order(path.absolute(), log.absolute(), environment(threads, devices))
    code = _ended(begin(order))
    if code == -signal.SIGKILL:  # the system did that, or a person: the job itself doesn't
        code = _ended(begin(order))
    if code != 0 or not (directory / RESULT).exists():
        if machine.is_full(directory):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory))
        raise JobFailed(f"{spec.schema} ended with exit code {code}; see {log}", tail(log))
    return documents.read(result, directory / RESULT)


def _ended(process: Process) -> int:
    """Wait for the process's exit code; it does not outlive an error here."""
    try:
        return process.wait()
    except BaseException:
        process.kill()
        raise


def tail(log: Path, lines: int = 20) -> str:
    """Return the last ``lines`` lines of a log; empty when there is none."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def _can_preload() -> bool:
    return sys.platform == "linux" and os.environ.get(WISH) != "fresh"


class _Preloading:
    """The server that processes are forked from, and what to do once it does not answer."""

    def __init__(self, trackers: Sequence[str]) -> None:
        self._trackers = " ".join(trackers)
        self._server: ForkServer | None = None
        self._failed = False

    def start(self, order: Order) -> Process:
        if not self._failed:
            try:
                self._server = self._server or ForkServer(
                    environment(1, ()) | {TRACKERS: self._trackers}
                )
                forked = self._server.fork(order.spec, order.log, order.environment, order.note)
                return _Forked(order, forked, self)
            except (ServerGone, OSError) as error:
                self.give_up(str(error))
        return run_command(command(order.spec), order)

    def give_up(self, why: str) -> None:
        """From now on every process starts afresh."""
        if not self._failed:
            warnings.warn(
                f"worker processes can't be preloaded ({why}): each starts afresh, which takes "
                f"seconds longer; {WISH}=fresh avoids the attempt",
                RuntimeWarning,
                stacklevel=2,
            )
        self._failed = True

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


@dataclass(slots=True)
class _Forked:
    """A forked process; one that the server never got to fork is started afresh."""

    order: Order
    process: Process
    owner: _Preloading

    def poll(self) -> int | None:
        try:
            return self.process.poll()
        except ServerGone as error:
            return self._afresh(error).poll()

    def wait(self) -> int:
        try:
            return self.process.wait()
        except ServerGone as error:
            return self._afresh(error).wait()

    def kill(self) -> None:
        with suppress(ServerGone):
            self.process.kill()
            return
        self.process = _Killed()

    def _afresh(self, error: ServerGone) -> Process:
        self.owner.give_up(str(error))
        self.process = run_command(command(self.order.spec), self.order)
        return self.process


class _Killed:
    """A process that was ended before it began."""

    def poll(self) -> int:
        return -signal.SIGKILL

    def wait(self) -> int:
        return -signal.SIGKILL

    def kill(self) -> None:
        pass


_preloading: _Preloading | None = None
