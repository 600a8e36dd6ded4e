"""What a worker process is asked to do and what it answers, as documents.

Specs hold absolute paths: they never leave the run folder of the machine that wrote them.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

from automl import documents
from automl.jobs.finishing import (
    CalibrateResult,
    CalibrateSpec,
    Calibration,
    ConvertResult,
    ConvertSpec,
    FormatFacts,
    SoupResult,
    SoupSpec,
    Speed,
    Thresholds,
)
from automl.jobs.references import DataRef, ModelRef, Parent, Tracking
from automl.jobs.scoring import (
    Bin,
    ExamineResult,
    ExamineSpec,
    FloorSpec,
    Interval,
    Reliability,
    ScoreResult,
    ScoreSpec,
    SliceScore,
    SplitScore,
    Steadiness,
    Versus,
)
from automl.jobs.training import (
    BatchCost,
    Column,
    ImportanceResult,
    ImportanceSpec,
    Inspection,
    InspectResult,
    InspectSpec,
    MeasureResult,
    MeasureSpec,
    ScreenResult,
    ScreenScore,
    ScreenSpec,
    Share,
    Timing,
    TrialSpec,
)

__all__ = [
    "RESULT",
    "BatchCost",
    "Bin",
    "CalibrateResult",
    "CalibrateSpec",
    "Calibration",
    "Column",
    "ConvertResult",
    "ConvertSpec",
    "DataRef",
    "ExamineResult",
    "ExamineSpec",
    "FloorSpec",
    "FormatFacts",
    "ImportanceResult",
    "ImportanceSpec",
    "InspectResult",
    "InspectSpec",
    "Inspection",
    "Interval",
    "MeasureResult",
    "MeasureSpec",
    "ModelRef",
    "Parent",
    "Reliability",
    "ScoreResult",
    "ScoreSpec",
    "ScreenResult",
    "ScreenScore",
    "ScreenSpec",
    "Share",
    "SliceScore",
    "SoupResult",
    "SoupSpec",
    "Spec",
    "Speed",
    "SplitScore",
    "Steadiness",
    "Thresholds",
    "Timing",
    "Tracking",
    "TrialSpec",
    "Versus",
    "parent_environment",
    "read_spec",
]

Spec = (
    TrialSpec
    | ScoreSpec
    | ExamineSpec
    | FloorSpec
    | InspectSpec
    | MeasureSpec
    | ScreenSpec
    | SoupSpec
    | CalibrateSpec
    | ImportanceSpec
    | ConvertSpec
)
RESULT = "result.json"
"""Beside its spec: what a job that is not a trial has answered."""
_PARENT = "AUTOML_PARENT"


def parent_environment(parent: Parent) -> dict[str, str]:
    """Return what tells a worker that its parent is this one: its spec's is on another machine."""
    return {_PARENT: json.dumps(asdict(parent))}


def read_spec(path: Path) -> Spec:
    """Return the spec at ``path``, whichever kind; ``parent_environment`` wins over its parent."""
    kinds = {kind.__dataclass_fields__["schema"].default: kind for kind in get_args(Spec)}
    name = json.loads(path.read_bytes()).get("schema")
    found: Spec = documents.read(kinds[name], path)
    if isinstance(found, TrialSpec) and _PARENT in os.environ:
        return replace(found, parent=Parent(**json.loads(os.environ[_PARENT])))
    return found
