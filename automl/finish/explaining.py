"""Which settings made the difference, asked of a worker once for the same trials."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from automl import documents, processes
from automl.finish.account import of_the_plan
from automl.jobs import RESULT, ImportanceResult, ImportanceSpec
from automl.plan import Plan
from automl.rundir import RunDir
from automl.search.importance import question
from automl.search.trial import StudyTrial

Where = Literal["here", "aside", "nowhere"]


def importance(
    trials: Sequence[StudyTrial], plan: Plan, rundir: RunDir, where: Where
) -> ImportanceResult | None:
    """Return how much each setting explains; None where too few configurations can be compared.

    An answer that the run folder keeps is used as long as the trials are the same. A new one is
    asked for ``here``, and kept, where the caller holds the folder; ``aside``, where nothing may be
    written there; ``nowhere``: then there is none. Raises JobFailed where the worker fails.
    """
    spec = question(of_the_plan(tuple(trials), plan), plan)
    if spec is None:
        return None
    kept = rundir.job("importance")
    if _answers(kept, spec):
        return documents.read(ImportanceResult, kept / RESULT)
    if where == "nowhere":
        return None
    if where == "here":
        return _asked(spec, kept)
    with TemporaryDirectory(prefix="automl-importance-") as folder:
        return _asked(spec, Path(folder))


def _answers(job: Path, spec: ImportanceSpec) -> bool:
    path = job / "spec.json"
    if not path.exists() or not (job / RESULT).exists():
        return False
    return path.read_bytes() == documents.to_json(spec)


def _asked(spec: ImportanceSpec, job: Path) -> ImportanceResult:
    found: ImportanceResult = processes.call(spec, ImportanceResult, job, threads=1)
    return found
