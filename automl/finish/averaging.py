"""The soup: the winner's weights averaged with those of its like, if a part of validation agrees.

Asks a worker for it; knows which models are alike, and when the last answer still holds.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from automl import documents, machine, processes
from automl.errors import JobFailed
from automl.events import RunEvent, StageBegan
from automl.exporters._choice import Soup
from automl.jobs import DataRef, ModelRef, SoupResult, SoupSpec, TrialSpec
from automl.plan import Plan, Scalar
from automl.rundir import RunDir
from automl.search.trial import StudyTrial
from automl.tasks import ADAPTING

MOST_MODELS = 8
"""Offered at most. Of 72 fine-tunes greedy averaging kept five (Wortsman et al. 2022, model soups);
each one more costs another pass over validation."""
_ARCHITECTURE = ("pooling", "keep_layers")


def folder(rundir: RunDir) -> Path:
    """Return where an accepted average lies."""
    return rundir.finish / "soup"


def soup(
    plan: Plan,
    trials: tuple[StudyTrial, ...],
    winner: StudyTrial,
    data: DataRef,
    rundir: RunDir,
    devices: tuple[str, ...],
    before: Soup | None,
    listen: Callable[[RunEvent], None],
    base: ModelRef | None = None,
) -> Soup | None:
    """Return what averaging came to, or None where there is nothing to average.

    ``before`` is what the last run found: it holds while the same models are there. A worker that
    fails leaves the winner as it is, and is said. ``base`` is the candidate before training.
    """
    method = winner.configuration.hyperparameters.get("method")
    # Averaged adapters are no adapters of that rank: those that leave alone leave as they are.
    alone = plan.export.adapter == "keep" and method in ADAPTING
    averaging = plan.search.soup and not alone
    alike = like(trials, winner, plan.goal.direction, rundir) if averaging else ()
    if len(alike) < 2:
        return None
    offered = tuple((trial.number, len(trial.evaluations)) for trial in alike)
    if before is not None and before.offered == offered and _there(before, rundir):
        return before
    listen(StageBegan("soup", f"averaging up to {len(alike)} models of one architecture"))
    try:
        made = _made(plan, alike, data, rundir, devices, base)
    except JobFailed as error:
        listen(StageBegan("soup", f"failed, the winner leaves alone: {error}"))
        return None
    if not made.accepted:
        shutil.rmtree(folder(rundir), ignore_errors=True)
    members = tuple(int(member) for member in made.members)
    listen(StageBegan("soup", _said(made)))
    return Soup(offered, members, made.single, made.soup, made.accepted)


def like(
    trials: tuple[StudyTrial, ...], winner: StudyTrial, direction: str, rundir: RunDir
) -> tuple[StudyTrial, ...]:
    """Return the ended trials whose kept models can be averaged with the winner's, it first.

    These are of its candidate, fine-tuned, and of its architecture, whether whole or by adapters,
    which are merged by then; the best first.
    """
    if winner.probes:
        return ()
    sign = -1 if direction == "maximize" else 1
    found = [
        trial
        for trial in trials
        if trial.state in ("complete", "pruned")
        and not trial.probes
        and trial.evaluations
        and _architecture(trial) == _architecture(winner)
        and (rundir.trial(trial.number).best / "config.json").exists()
    ]
    found.sort(
        key=lambda one: (one != winner, sign * (one.value(direction) or 0.0), one.number),
    )
    return tuple(found[:MOST_MODELS]) if winner in found else ()


def _architecture(trial: StudyTrial) -> tuple[str, tuple[Scalar | None, ...]]:
    chosen = trial.configuration.hyperparameters
    return trial.configuration.candidate, tuple(map(chosen.get, _ARCHITECTURE))


def _there(before: Soup, rundir: RunDir) -> bool:
    return not before.accepted or (folder(rundir) / "config.json").exists()


def begun_with(rundir: RunDir, number: int) -> ModelRef | None:
    """Return the model that the trial began with here; None where its spec is gone."""
    path = rundir.trial(number).spec
    if not path.exists():
        return None
    spec: TrialSpec = documents.read(TrialSpec, path)
    return spec.model


def _made(
    plan: Plan,
    alike: tuple[StudyTrial, ...],
    data: DataRef,
    rundir: RunDir,
    devices: tuple[str, ...],
    base: ModelRef | None,
) -> SoupResult:
    code = plan.candidate(alike[0].configuration.candidate).trust_remote_code
    spec = SoupSpec(
        task=plan.task,
        models=tuple(
            ModelRef(str(trial.number), str(rundir.trial(trial.number).best), code)
            for trial in alike
        ),
        data=data,
        metric=plan.goal.metric,
        direction=plan.goal.direction,
        target=str(folder(rundir)),
        batch_size=64,
        threads=machine.physical_cores(),
        devices=devices,
        seed=plan.search.seed,
        base=base,
    )
    made: SoupResult = processes.call(
        spec, SoupResult, rundir.job("soup"), threads=spec.threads, devices=devices
    )
    return made


def _said(made: SoupResult) -> str:
    figures = f"{made.soup:.4f} against {made.single:.4f} on the held-back half of validation"
    if made.accepted:
        return f"accepted, {len(made.members)} members: {figures}"
    return f"not accepted: {figures}" if len(made.members) > 1 else "not accepted: no model added"
