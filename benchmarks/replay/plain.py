"""What is compared with: a study written with Optuna alone, none of this project's code in it.

Every epoch is reported and every pruning decision obeyed, by as many workers as there are.
"""

from __future__ import annotations

import heapq
import warnings
from dataclasses import dataclass

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState

from automl.plan import Parameter, Scalar
from benchmarks.replay.curves import EPOCHS, SPACE, Curve, Curves
from benchmarks.replay.simulation import Said


@dataclass
class _Worker:
    trial: Trial
    curve: Curve
    epoch: int = 0


def search(
    task: str,
    curves: Curves,
    first: dict[str, Scalar],
    *,
    sampler: str,
    pruner: BasePruner,
    seed: int,
    workers: int,
    deadline: float,
) -> list[Said]:
    """Return all evaluations until ``deadline``, in seconds of one epoch each.

    ``first`` is the first configuration tried.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            direction="maximize", sampler=_sampler(sampler, seed), pruner=pruner
        )
    study.enqueue_trial({parameter.name: first[parameter.name] for parameter in SPACE})

    def start() -> _Worker:
        trial = study.ask()
        values = {parameter.name: _draw(trial, parameter) for parameter in SPACE}
        return _Worker(trial, curves.curve(task, values))

    said: list[Said] = []
    queue = [(1.0, index, start()) for index in range(workers)]
    while queue and queue[0][0] <= deadline + 1e-9:
        now, index, worker = heapq.heappop(queue)
        worker.epoch += 1
        value = float(worker.curve[worker.epoch - 1])
        said.append(Said(now, worker.trial.number, worker.epoch, value))
        worker.trial.report(value, worker.epoch)
        if worker.epoch == EPOCHS:
            study.tell(worker.trial, float(worker.curve.max()))
            worker = start()
        elif worker.trial.should_prune():
            study.tell(worker.trial, state=TrialState.PRUNED)
            worker = start()
        heapq.heappush(queue, (now + 1.0, index, worker))
    return said


def _sampler(name: str, seed: int) -> BaseSampler:
    return RandomSampler(seed=seed) if name == "random" else TPESampler(seed=seed)


def pruner(name: str, first: int = 1) -> BasePruner:
    """Return the pruner by its name here; ``first`` is Hyperband's smallest resource, in epochs."""
    if name == "median":
        return MedianPruner()
    if name == "hyperband":
        return HyperbandPruner(min_resource=first, max_resource=EPOCHS, reduction_factor=3)
    return NopPruner()


def _draw(trial: Trial, parameter: Parameter) -> Scalar:
    assert parameter.low is not None
    assert parameter.high is not None
    found: Scalar
    if parameter.kind == "int":
        low, high = int(parameter.low), int(parameter.high)
        found = trial.suggest_int(parameter.name, low, high, log=parameter.log)
    else:
        found = trial.suggest_float(
            parameter.name, parameter.low, parameter.high, log=parameter.log
        )
    return found
