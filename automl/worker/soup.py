"""The soup job: averages the weights of models of one architecture, as far as that helps.

Greedy soup of Wortsman et al. 2022 (ICML): a member stays when the average is no worse with it on
one half of the validation rows. The other half, which chose nothing, says whether to take it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from automl import tasks
from automl.data.tables import read_table
from automl.jobs import SoupResult, SoupSpec
from automl.tasks import Task
from automl.tasks._text import load_tokenizer
from automl.worker import device, durable, logistic, models, store
from automl.worker.prediction import predict

State = Mapping[str, torch.Tensor]
HALVES = 2


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


class _Judge:
    """A model into which weights are put to be scored, and the two halves it is scored on."""

    def __init__(self, spec: SoupSpec) -> None:
        self.spec = spec
        self.task: Task = tasks.get(spec.task)
        first = spec.models[0]
        self.model: Any = models.trained(self.task, first, device.select(spec.devices))
        self.tokenizer = load_tokenizer(first.path, first.trust_remote_code)
        self.collate = self.task.collator(self.tokenizer)
        columns = read_table(Path(spec.data.tables["validation"])).to_pydict()
        limit = models.length_limit(self.model, self.tokenizer)
        encoded = self.task.encode(columns, self.tokenizer, limit, spec.data.labels)
        self.choosing, self.accepting = halves(encoded, spec.seed)

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

    def _score(self, rows: store.Rows) -> float:
        logits = predict(self.model, rows, self.collate, self.spec.batch_size)
        labels = self.spec.data.labels
        return self.task.score(logits, rows.scalars("labels"), labels)[self.spec.metric]


def halves(encoded: Mapping[str, Sequence[Any]], seed: int) -> tuple[store.Rows, store.Rows]:
    """Return the encoded rows in two halves, each with half of every class; a function of seed."""
    targets = np.asarray(encoded["labels"])
    # What is no class can't be spread evenly: then chance alone divides.
    classes = targets.astype(np.int64) * (targets.dtype.kind == "i")
    fold = logistic.folds(classes, seed, HALVES)
    first, second = (_rows(encoded, np.flatnonzero(fold == half)) for half in range(HALVES))
    return first, second


def _rows(encoded: Mapping[str, Sequence[Any]], indices: npt.NDArray[np.int64]) -> store.Rows:
    return store.rows({name: [values[row] for row in indices] for name, values in encoded.items()})


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
