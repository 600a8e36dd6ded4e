"""``automl logs``: what a trial's processes said and printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from automl.rundir import RunDir

LOOK_SECONDS = 0.5


def command(
    trial: Annotated[int, typer.Argument(help="The trial's number.")],
    run: Annotated[
        Path | None, typer.Argument(help="Run folder or recipe.", show_default="the newest run")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the trial or the run ends.")
    ] = False,
) -> None:
    """Print what a trial said (each attempt, evaluation, checkpoint, failure) and printed."""
    import time

    from automl import events
    from automl.cli import _target
    from automl.errors import InputError

    rundir = _target.find(run)
    folder = rundir.trial(trial)
    if not folder.root.is_dir():
        raise InputError(f"{rundir.root}: there is no trial {trial}; {_known(rundir)}")
    said = events.Tail(folder.metrics)
    printed, last = 0, None
    while True:
        # Asked before reading: what is said last is then not missed.
        over = not follow or rundir.holder() is None or _is_over(rundir, trial, last)
        for last in said.read():
            if not isinstance(last, events.Progressed):
                print(_line(last), flush=True)
        printed += _print_from(folder.log, printed)
        if over:
            return
        time.sleep(LOOK_SECONDS)


def _is_over(rundir: RunDir, trial: int, last: object) -> bool:
    """Whether the trial has ended for good: one that failed may be tried again."""
    from automl import events
    from automl.search.history import read

    if not isinstance(last, events.Finished | events.Failed | events.Stopped):
        return False
    return read(rundir.study).trials[trial].state != "running"


def _line(event: object) -> str:
    """One event as a line: when, what, and its fields."""
    from dataclasses import asdict
    from datetime import datetime

    fields = asdict(event)  # type: ignore[call-overload]
    kind, when = fields.pop("type"), datetime.fromtimestamp(fields.pop("time"))
    fields |= fields.pop("metrics", {}) | fields.pop("costs", {})
    shown = (f"{name}={_text(value)}" for name, value in fields.items() if _tells(value))
    return f"{when:%Y-%m-%d %H:%M:%S} {kind} {' '.join(shown)}"


def _tells(value: object) -> bool:
    return value is not None and value is not False and value != ""


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _print_from(log: Path, start: int) -> int:
    """Print the log from a byte on and return how many there were."""
    if not log.exists():
        return 0
    with log.open("rb") as stream:
        stream.seek(start)
        found = stream.read()
    print(found.decode(errors="replace"), end="", flush=True)
    return len(found)


def _known(rundir: RunDir) -> str:
    numbers = sorted(int(path.name) for path in rundir.trials.glob("[0-9]*"))
    return f"known are {numbers[0]} to {numbers[-1]}" if numbers else "none has been started"
