"""``python -m automl.worker.forkserver``: imports once, then forks a process for every request.

Nothing but imports is done here: no GPU is touched before a fork, and the only other thread is that
of Arrow's allocator, which is made for forks; each process stands as alone as one that was started
afresh. Ends when its stdin does.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

import psutil

from automl import documents, plugins
from automl.forkserver import TRACKERS, Note
from automl.worker.tracking import PACKAGE

PRELOADED = (
    "automl.worker.inspection",
    "automl.worker.measuring",
    "automl.worker.training",
    "automl.worker.scoring",
    "automl.worker.screening",
    "automl.worker.soup",
    "automl.worker.floor",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "transformers.generation.utils",
    "transformers.masking_utils",
    "transformers.models.auto.modeling_auto",
)
"""What the jobs import, some of it only as they go."""


def main() -> int:
    """Serve until stdin ends; returns the exit code."""
    answers = os.dup(1)
    os.dup2(2, 1)
    for name in PRELOADED:
        importlib.import_module(name)
    for name in os.environ.get(TRACKERS, "").split():
        _prepare(name)
    import torch

    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        print("importing the worker has touched the GPU: it can't be forked", file=sys.stderr)
        return 1
    gc.collect()
    gc.freeze()
    return _Server(answers).serve()


def _prepare(tracker: str) -> None:
    """Import what the tracker needs; one that fails will say so of each trial."""
    try:
        plugins.load(PACKAGE, tracker, "TRACKER").prepare()
    except Exception:
        traceback.print_exc()


class _Server:
    """Reads requests, forks, and says which process a request became and how it ended."""

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self._bell, self._rung = os.pipe()
        for end in (self._bell, self._rung):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._rung, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._running: dict[int, int] = {}

    def serve(self) -> int:
        rest = b""
        while True:
            ready, _, _ = select.select([0, self._bell], [], [])
            if self._bell in ready:
                os.read(self._bell, 4096)
                self._reap()
            if 0 in ready:
                heard = os.read(0, 65536)
                if not heard:
                    return 0
                *lines, rest = (rest + heard).split(b"\n")
                for line in lines:
                    self._fork(json.loads(line))

    def _fork(self, request: dict[str, Any]) -> None:
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _become(request, (self._answers, self._bell, self._rung))
        self._running[pid] = request["id"]
        self._say(id=request["id"], pid=pid)

    def _reap(self) -> None:
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._say(id=self._running.pop(pid), code=os.waitstatus_to_exitcode(status))

    def _say(self, **answer: int) -> None:
        try:
            os.write(self._answers, json.dumps(answer).encode() + b"\n")
        except BrokenPipeError:
            sys.exit(0)  # nobody listens any more: the parent is gone


def _become(request: dict[str, Any], inherited: tuple[int, ...]) -> NoReturn:
    """Turn this fork into the worker that was asked for, as if it had been started by a command."""
    code = 1
    try:
        os.setsid()
        os.chdir(request["folder"])
        _redirect(Path(request["log"]), inherited)
        os.environ.clear()
        os.environ.update(request["environment"])
        if request["note"] is not None:
            _leave_note(Path(request["note"]))
        _use_threads(int(os.environ["OMP_NUM_THREADS"]))
        from automl.worker.__main__ import main as work

        code = work([request["spec"]])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _redirect(log: Path, inherited: tuple[int, ...]) -> None:
    for end in inherited:
        os.close(end)
    nothing = os.open(os.devnull, os.O_RDONLY)
    printed = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for end, place in ((nothing, 0), (printed, 1), (printed, 2)):
        os.dup2(end, place)
    os.close(nothing)
    os.close(printed)


def _leave_note(path: Path) -> None:
    documents.write(path, Note(os.getpid(), psutil.Process().create_time()))


def _use_threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)


if __name__ == "__main__":
    sys.exit(main())
