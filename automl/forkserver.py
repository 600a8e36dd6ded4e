"""The asking end of the fork server: requests go down its stdin, what became of them comes back.

``automl.worker.forkserver`` is the other end. One JSON object a line: a request has an ``id`` and
what to run; the answers are ``{"id", "pid"}`` when it was forked and ``{"id", "code"}`` at its end.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import psutil

MODULE = "automl.worker.forkserver"
TRACKERS = "AUTOML_TRACKERS"
"""Variable in the server's environment: trackers whose packages it imports as well."""
LOST = -int(signal.SIGKILL)
"""Exit code of a process whose own can't be known any more: its server is gone, and so is it."""
_ALONE = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}
"""What is forked must be neither threaded nor on a GPU."""
_LOOK_SECONDS = 0.2
_CLOSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Note:
    """Who a forked process is: its pid, and psutil's create_time in seconds."""

    pid: int
    created: float
    schema: Literal["automl/process"] = "automl/process"
    version: int = 1


class ServerGone(Exception):
    """The server has ended; what was asked of it last was never forked."""


class ForkServer:
    """A process that has torch imported and forks workers from itself. Usable from any thread.

    ``environment`` is what the imports see; each worker has one of its own later.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the server
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**environment, **_ALONE},
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        os.set_blocking(self._answers.fileno(), False)
        self._rest = b""
        self._gone = False
        self._lock = threading.RLock()
        self._forked: dict[int, Forked] = {}

    @property
    def pid(self) -> int:
        """The server's own process."""
        return self._process.pid

    def fork(
        self, spec: Path, log: Path, environment: Mapping[str, str], note: Path | None = None
    ) -> Forked:
        """Ask for a worker on the spec and return at once; raises ServerGone.

        What it prints is appended to ``log``; ``note`` is where it writes its pid and birth.
        """
        with self._lock:
            self._hear(0)
            if self._gone:
                raise self.why()
            number = len(self._forked)
            made = self._forked[number] = Forked(self, number)
            request = {
                "id": number,
                "spec": str(spec),
                "log": str(log),
                "environment": dict(environment),
                "folder": str(Path.cwd()),
                "note": None if note is None else str(note),
            }
            try:
                self._requests.write(json.dumps(request).encode() + b"\n")
                self._requests.flush()
            except BrokenPipeError:
                self._gone = True
                raise self.why() from None
            return made

    def close(self) -> None:
        """Let the server end; workers that still run are not touched."""
        with contextlib.suppress(BrokenPipeError):
            self._requests.close()
        try:
            self._process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()
        self._log.close()
        self._gone = True

    def look(self, seconds: float) -> bool:
        """Take in what has been answered, waiting up to ``seconds``; return whether it lives."""
        with self._lock:
            if not self._gone:
                self._hear(seconds)
            return not self._gone

    def why(self) -> ServerGone:
        """Return why the server is gone, in a line."""
        if self._log.closed:
            return ServerGone("it was closed")
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return ServerGone(lines[-1] if lines else "its server has ended")

    def _hear(self, seconds: float) -> None:
        if not select.select([self._answers], [], [], seconds)[0]:
            return
        heard = os.read(self._answers.fileno(), 65536)
        self._gone = not heard
        *lines, self._rest = (self._rest + heard).split(b"\n")
        for line in lines:
            said: dict[str, Any] = json.loads(line)
            self._forked[said["id"]].hear(said)


class Forked:
    """One process that the server was asked for.

    Every method raises ServerGone if the server ended before it had forked the process.
    """

    def __init__(self, server: ForkServer, number: int) -> None:
        self._server, self._number = server, number
        self._forked = False
        self._process: psutil.Process | None = None
        self._code: int | None = None

    def hear(self, said: Mapping[str, Any]) -> None:
        """Take in an answer of the server about this process."""
        if "pid" in said:
            self._forked = True
            with contextlib.suppress(psutil.NoSuchProcess):
                self._process = psutil.Process(said["pid"])
        self._code = said.get("code", self._code)

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""
        return self._look(0.0)

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        while (code := self._look(_LOOK_SECONDS)) is None:
            pass
        return code

    def kill(self) -> None:
        """End it and all of its session at once; nothing happens if it has ended."""
        while not self._forked and self._look(_LOOK_SECONDS) is None:
            pass
        if self._code is None and self._process is not None and self._lives():
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:  # it leads no session yet, or has ended
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._process.pid, signal.SIGKILL)

    def _look(self, seconds: float) -> int | None:
        if self._code is None and not self._server.look(seconds):
            self._look_alone(seconds)
        return self._code

    def _look_alone(self, seconds: float) -> None:
        """Without the server: the process is an orphan, which will notice and end."""
        if not self._forked:
            raise self._server.why()
        if self._lives():
            time.sleep(seconds)
        else:
            self._code = LOST

    def _lives(self) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return self._process is not None and self._process.status() != psutil.STATUS_ZOMBIE
        return False
