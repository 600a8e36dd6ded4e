"""The soup job: averages the weights of models of one architecture, as far as that helps.

Greedy soup of Wortsman et al. 2022 (ICML): a member stays when the average is no worse with it on
one half of the validation rows. The other half, which chose nothing, says whether to take it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from automl import tasks
from automl.data.tables import read_table
from automl.jobs import SoupResult, SoupSpec
from automl.tasks import Columns, Task
from automl.worker import device, durable, logistic, models, store
from automl.worker.prediction import outputs

State = Mapping[str, torch.Tensor]
HALVES = 2
Indices = npt.NDArray[np.int64]


def soup(spec: SoupSpec) -> SoupResult:
    """Return what averaging came to; the average lies in ``spec.target`` only where it is accepted.

    A model that can't be averaged with the first is left out, with the reason in ``refused``.
    Raises CandidateError when one of them can't be loaded.
    """
    began = time.monotonic()
    torch.set_num_threads(spec.threads)
    judge = _Judge(spec)
    single = judge.accepts()
    members, mean, refused = _greedy(spec, judge)
    judge.taste(mean)
    together = judge.accepts()
    accepted = len(members) > 1 and judge.is_better(together, single)
    if accepted:
        judge.save(Path(spec.target))
    print(
        f"{len(members)} members: {spec.metric} {together:.4f} on the held-back half, "
        f"{single:.4f} of the best alone; {'accepted' if accepted else 'not accepted'}",
        flush=True,
    )
    seconds = time.monotonic() - began
    return SoupResult(tuple(members), single, together, accepted, seconds, refused=refused)


def _greedy(spec: SoupSpec, judge: _Judge) -> tuple[list[str], State, dict[str, str]]:
    """Return the members, their mean, and why others could not take part."""
    first, *others = spec.models
    members, total, refused = [first.id], _state(judge.model), dict[str, str]()
    mean, best = total, judge.chooses()
    print(f"{first.id} alone: {spec.metric} {best:.4f}", flush=True)
    for ref in others:
        other = _state(models.trained(judge.task, ref, torch.device("cpu")))
        reason = _objection(total, other)
        if reason is not None:
            refused[ref.id] = reason
            print(f"{ref.id} is left out: {reason}", flush=True)
            continue
        added = {name: _plus(tensor, other[name]) for name, tensor in total.items()}
        tried = {name: _over(tensor, len(members) + 1) for name, tensor in added.items()}
        judge.taste(tried)
        value = judge.chooses()
        print(f"with {ref.id}: {spec.metric} {value:.4f}", flush=True)
        if not judge.is_better(best, value):
            members, total, mean, best = [*members, ref.id], added, tried, value
    return members, mean, refused


@dataclass(frozen=True, slots=True)
class _Half:
    """Some of the validation rows: by role, encoded, and what should be said of them."""

    columns: Columns
    rows: store.Rows
    targets: Any


class _Judge:
    """A model into which weights are put to be scored, and the two halves it is scored on."""

    def __init__(self, spec: SoupSpec) -> None:
        self.spec = spec
        self.task: Task = tasks.get(spec.task)
        first = spec.models[0]
        self.model: Any = models.trained(self.task, first, device.select(spec.devices))
        self.tokenizer = self.task.processor(first.path, first.trust_remote_code)
        self.collate = self.task.collator(self.tokenizer)
        columns = read_table(Path(spec.data.tables["validation"])).to_pydict()
        limit = models.reach(self.model, self.tokenizer, spec.data.max_length)
        most = self.task.evaluation_rows
        columns = {role: values[:most] for role, values in columns.items()}
        targets = self.task.targets(columns, spec.data.labels)
        self.choosing, self.accepting = (
            self._half(columns, limit, rows)
            for rows in halves(targets, len(next(iter(columns.values()))), spec.seed)
        )

    def _half(self, columns: Columns, limit: int, indices: Indices) -> _Half:
        part = {role: [values[row] for row in indices] for role, values in columns.items()}
        labels = self.spec.data.labels
        rows = models.with_reference(
            self.task,
            self.spec.base,
            labels,
            store.rows(self.task.encode(part, self.tokenizer, limit, labels)),
            self.collate,
            self.spec.batch_size,
            self.model.device,
        )
        return _Half(part, rows, self.task.targets(part, labels))

    def taste(self, state: State) -> None:
        """Put the weights into the model."""
        self.model.load_state_dict(state)

    def chooses(self) -> float:
        """Return the metric on the half that chooses members."""
        return self._score(self.choosing)

    def accepts(self) -> float:
        """Return the metric on the half that is held back."""
        return self._score(self.accepting)

    def is_better(self, one: float, other: float) -> bool:
        """Return whether ``one`` is better than ``other`` by the goal."""
        return one > other if self.spec.direction == "maximize" else one < other

    def save(self, target: Path) -> None:
        """Write model and tokenizer such that ``from_pretrained`` gives them back."""
        with durable.replacing(target) as folder:
            self.model.save_pretrained(folder, save_original_format=False)
            self.tokenizer.save_pretrained(folder)

    def _score(self, half: _Half) -> float:
        task, labels = self.task, self.spec.data.labels
        said = outputs(self.model, half.rows, self.collate, self.spec.batch_size, task.infer)
        predicted = task.decode(said, half.rows, half.columns, self.tokenizer, labels)
        return task.score(predicted, half.targets, labels)[self.spec.metric]


def halves(targets: Any, rows: int, seed: int) -> tuple[Indices, Indices]:
    """Return the rows' indices in two halves, with half of every class each; a function of seed."""
    classes = np.zeros(rows, dtype=np.int64)
    if isinstance(targets, np.ndarray) and targets.ndim == 1 and targets.dtype.kind == "i":
        classes = targets
    # What is no class can't be spread evenly: then chance alone divides.
    fold = logistic.folds(classes, seed, HALVES)
    return np.flatnonzero(fold == 0), np.flatnonzero(fold == 1)


def _state(model: Any) -> State:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}


def _objection(total: State, other: State) -> str | None:
    """Return why the two can't be averaged, or None."""
    if unshared := sorted(set(total) ^ set(other)):
        return f"it is of another architecture: only one of the two has {unshared[0]}"
    for name, tensor in total.items():
        if tensor.shape != other[name].shape:
            shapes = f"{tuple(other[name].shape)} against {tuple(tensor.shape)}"
            return f"its {name} is of another shape: {shapes}"
    return None


def _plus(tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return the sum; whole numbers (positions, counters) stay the first model's."""
    return tensor + other if tensor.is_floating_point() else tensor


def _over(tensor: torch.Tensor, count: int) -> torch.Tensor:
    return tensor / count if tensor.is_floating_point() else tensor
