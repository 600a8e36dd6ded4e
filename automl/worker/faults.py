"""Faults on purpose, so that what answers them can be tested with real processes.

``AUTOML_FAULT`` holds one or more faults, separated by ``;``. A fault is a kind and, after ``@``,
conditions separated by ``,``: the step it happens at (before the step's backward pass), the trial
and, of several processes, the rank it is meant for, and whether it happens only the first time::

    AUTOML_FAULT="crash@step=5"                      an exception at step 5
    AUTOML_FAULT="nan@step=3,trial=2"                the loss is NaN at step 3 of trial 2
    AUTOML_FAULT="oom@step=2,once"                   an allocation that can't be met, first attempt
    AUTOML_FAULT="hang@step=4;bad_candidate@trial=1" sleeps for ever; a model that won't load
    AUTOML_FAULT="hang@step=4,rank=1"                one of several processes sleeps for ever
    AUTOML_FAULT="kill@step=6,once"                  SIGKILL to this process
    AUTOML_FAULT="pause@step=4;stop@step=9"          requests, as the scheduler would make them

Unset, as everywhere outside tests, nothing is ever checked per step.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

import torch

from automl.errors import CandidateError
from automl.rundir import TrialDir

VARIABLE = "AUTOML_FAULT"
KINDS = ("crash", "nan", "oom", "hang", "bad_candidate", "kill", "pause", "stop")


class InjectedCrash(Exception):
    """The crash that ``AUTOML_FAULT`` asked for."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; ``step`` counts from 1 and is 0 for one that happens while loading."""

    kind: str
    step: int
    trial: int | None
    once: bool
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults that may happen in one trial; its folder remembers those that happened."""

    faults: tuple[Fault, ...]
    trial: TrialDir

    def __bool__(self) -> bool:
        """Return whether any fault may happen."""
        return bool(self.faults)

    def loading(self) -> None:
        """Raise CandidateError when a ``bad_candidate`` is due."""
        if self._due("bad_candidate", 0):
            raise CandidateError("injected: this candidate can't be loaded")

    def step(self, step: int, loss: torch.Tensor) -> torch.Tensor:
        """Return the loss of ``step``, made NaN if that is due; or do what else is due."""
        if self._due("crash", step):
            raise InjectedCrash(f"injected at step {step}")
        if self._due("kill", step):
            os.kill(os.getpid(), signal.SIGKILL)
        if self._due("oom", step):
            torch.empty(1 << 60, dtype=torch.uint8, device=loss.device)
        if self._due("pause", step):
            self.trial.request("pause")
        if self._due("stop", step):
            self.trial.request("stop")
        while self._due("hang", step):
            time.sleep(3600)
        return loss * float("nan") if self._due("nan", step) else loss

    def _due(self, kind: str, step: int) -> bool:
        for index, fault in enumerate(self.faults):
            if (fault.kind, fault.step) != (kind, step):
                continue
            mark = self.trial.root / f"fault-{index}"
            if not fault.once:
                return True
            if not mark.exists():
                mark.touch()
                return True
        return False


def read(trial: TrialDir, number: int) -> Faults:
    """Return the faults the environment asks for in this trial.

    Raises ValueError for a fault that can't be read.
    """
    asked = [_parse(text) for text in os.environ.get(VARIABLE, "").split(";") if text.strip()]
    rank = int(os.environ.get("RANK", "0"))
    mine = (f for f in asked if f.trial in (None, number) and f.rank in (None, rank))
    return Faults(tuple(mine), trial)


def _parse(text: str) -> Fault:
    kind, _, conditions = text.strip().partition("@")
    settings = dict(part.partition("=")[::2] for part in conditions.split(",") if part)
    if kind not in KINDS or not set(settings) <= {"step", "trial", "once", "rank"}:
        raise ValueError(f"{VARIABLE}: {text!r} is not a fault; see automl.worker.faults")
    step = 0 if kind == "bad_candidate" else int(settings.get("step", 1))
    trial = int(settings["trial"]) if "trial" in settings else None
    rank = int(settings["rank"]) if "rank" in settings else None
    return Fault(kind, step, trial, "once" in settings, rank)
