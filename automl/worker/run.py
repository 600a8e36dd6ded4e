"""One job from its spec file to its answer: a trial's events, or ``result.json`` for the others.

Usable inside another process, on any thread: it puts back what it changes (``isolation``), takes
no signal and never exits.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

from automl import documents, jobs
from automl.rundir import TrialDir
from automl.worker import isolation


def run(spec_path: Path) -> int:
    """Do the job at ``spec_path`` and return its exit code.

    A trial's is 0 when it finished, paused or stopped, 1 when it failed, which its events explain.
    Any other job's is 0 with its result written beside the spec, 1 with the traceback on stderr.
    """
    try:
        spec = jobs.read_spec(spec_path)
        with isolation.kept(torch=not isinstance(spec, jobs.FloorSpec | jobs.ImportanceSpec)):
            if isinstance(spec, jobs.TrialSpec):
                from automl.worker.training import train

                return train(TrialDir(spec_path.absolute().parent), spec)
            documents.write(spec_path.parent / jobs.RESULT, _result(spec))
    except Exception:  # the caller is another process, or a thread: the log is the answer
        traceback.print_exc(file=sys.stderr)
        return 1
    return 0


def _result(spec: jobs.Spec) -> Any:
    match spec:
        case jobs.InspectSpec():
            from automl.worker.inspection import inspect

            return inspect(spec)
        case jobs.FloorSpec():
            from automl.worker.floor import floor

            return floor(spec)
        case jobs.ScoreSpec():
            from automl.worker.scoring import score

            return score(spec)
        case jobs.ExamineSpec():
            from automl.worker.examining import examine

            return examine(spec)
        case jobs.MeasureSpec():
            from automl.worker.measuring import measure

            return measure(spec)
        case jobs.ScreenSpec():
            from automl.worker.screening import screen

            return screen(spec)
        case jobs.SoupSpec():
            from automl.worker.soup import soup

            return soup(spec)
        case jobs.CalibrateSpec():
            from automl.worker.calibrating import calibrate

            return calibrate(spec)
        case jobs.ImportanceSpec():
            from automl.worker.importance import importance

            return importance(spec)
        case jobs.ConvertSpec():
            from automl.worker.converting import convert

            return convert(spec)
    raise TypeError(f"{type(spec).__name__} is not a job")
