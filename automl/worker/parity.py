"""How far a model says the same in other formats: its outputs, its decisions, its score.

All formats are asked the same batches; the first one is what the others are compared with.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from automl.errors import RowError
from automl.jobs import FormatFacts
from automl.plan import Direction
from automl.tasks import Columns, Labels, Task
from automl.worker import failures
from automl.worker.prediction import by_length, decision
from automl.worker.store import Rows

SHOWN = 8
"""Rows that a model is asked which generates what nothing but a person judges."""
_STATES = "hidden_state"
"""In the name of outputs that only count where there are no others."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows that formats are compared on, as they are and encoded."""

    columns: Columns
    rows: Rows
    labels: Labels
    tokenizer: Any
    limit: int
    """Tokens that a row is cut to."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a format may lose, and of which metric."""

    metric: str
    direction: Direction
    most_loss: float


class _Differences:
    """Running sums over all numbers that two models gave for the same rows."""

    def __init__(self) -> None:
        self._most, self._sum, self._count = 0.0, 0.0, 0

    def add(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
        for name in one.keys() & other.keys():
            if one[name].shape != other[name].shape:
                continue
            mine, theirs = one[name].double().cpu(), other[name].double().cpu()
            # Infinities that agree have no difference, rather than none that is a number.
            apart = torch.where(mine == theirs, 0.0, (mine - theirs).abs())
            if apart.numel():
                self._most = max(self._most, float(apart.nan_to_num(math.inf).max()))
                self._sum += float(apart.sum())
                self._count += apart.numel()

    @property
    def most(self) -> float | None:
        """The greatest; null where nothing could be compared, infinite where it is no number."""
        return self._most if self._count else None

    @property
    def mean(self) -> float | None:
        """The mean, as ``most``."""
        return self._sum / self._count if self._count else None


@dataclass(slots=True)
class _Heard:
    """What a format has said so far, an output an encoded row, and why it is asked no more."""

    said: list[Any]
    differences: _Differences = field(default_factory=_Differences)
    failed: str = ""

    @property
    def why_not(self) -> str:
        """Why it can't be judged; empty where it can."""
        if self.failed:
            return self.failed
        most = self.differences.most
        return "" if most is None or math.isfinite(most) else "it says what is no finite number"


def compare(
    task: Task, models: Mapping[str, Any], sample: Sample, goal: Goal, batch_size: int
) -> dict[str, FormatFacts]:
    """Return each format's differences, changes, metric and loss against the first of ``models``.

    The models are left evaluating; each is asked on its own device. One that fails on a batch, or
    says what is no number, is ``refused`` with the reason; of the first that raises.
    """
    first = next(iter(models))
    heard = {name: _Heard([None] * len(sample.rows)) for name in models}
    collate = task.collator(sample.tokenizer)
    for indices in by_length(sample.rows, batch_size):
        inputs = collate([sample.rows[int(index)] for index in indices])
        numbers: dict[str, Any] = {}
        for name, each in heard.items():
            if each.failed:
                continue
            try:
                outputs, seen = asked(task, models[name], inputs)
            except Exception as error:  # a library's, of a graph or a number format
                if name == first:
                    raise
                each.failed = f"it fails on the data: {failures.message(error)}"
                continue
            numbers = seen if name == first else numbers
            each.differences.add(numbers, seen)
            for index, output in zip(indices, outputs, strict=True):
                each.said[index] = output
    return _facts(task, models, heard, sample, goal)


def asked(task: Task, model: Any, inputs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return what the task's ``infer`` says of a batch, and the numbers of the first pass.

    Of tokens those of padding are left out: nobody reads them, and families differ in them.
    """
    with _watched(model) as seen:
        said = infer(task, model, inputs)
    read = inputs.get("attention_mask")
    return said, {name: _of_tokens(value, read) for name, value in seen.items()}


def _of_tokens(numbers: Any, read: Any) -> Any:
    if read is None or read.dim() != 2 or numbers.shape[:2] != read.shape:
        return numbers
    return numbers[read.to(numbers.device) > 0]


def infer(task: Task, model: Any, inputs: Mapping[str, Any]) -> list[Any]:
    """Return what the task's ``infer`` says of a batch, moved to the model's device."""
    device = next(model.parameters()).device
    with torch.no_grad():
        return list(task.infer(model, {name: x.to(device) for name, x in inputs.items()}))


def _facts(
    task: Task,
    models: Mapping[str, Any],
    heard: Mapping[str, _Heard],
    sample: Sample,
    goal: Goal,
) -> dict[str, FormatFacts]:
    first = next(iter(heard))
    judge = _Judge(task, sample, goal)
    whole = judge.judged(models[first], heard[first].said)
    found: dict[str, FormatFacts] = {}
    for name, each in heard.items():
        try:
            mine = judge.judged(models[name], each.said) if not each.why_not else None
        except Exception as error:  # as above: what it says can't be read, or it can't be asked
            each.failed = f"it fails on the data: {failures.message(error)}"
            mine = None
        if mine is None:
            found[name] = FormatFacts(refused=each.why_not)
            continue
        if whole.metric is not None and mine.metric is None:
            found[name] = FormatFacts(refused=f"its {goal.metric} is no finite number")
            continue
        found[name] = FormatFacts(
            rows=len(next(iter(sample.columns.values()))),
            max_difference=each.differences.most,
            mean_difference=each.differences.mean,
            changed=_changed(whole.decided, mine.decided),
            metric=mine.metric,
            loss=loss(whole.metric, mine.metric, goal.direction),
        )
    return found


@dataclass(frozen=True, slots=True)
class _Judged:
    metric: float | None
    """Null where it is no finite number: a correlation of what is all the same, say."""
    decided: list[Any] | None


@dataclass(frozen=True, slots=True)
class _Judge:
    """Turns outputs of the sample's rows into the metric and what is decided."""

    task: Task
    sample: Sample
    goal: Goal

    def judged(self, model: Any, said: list[Any]) -> _Judged:
        task, sample = self.task, self.sample
        columns, labels = sample.columns, sample.labels
        predicted = task.decode(said, sample.rows, columns, sample.tokenizer, labels)
        scores = task.score(predicted, task.targets(columns, labels), labels)
        decided = _decisions(task, model, predicted, sample)
        value = float(scores[self.goal.metric])
        return _Judged(value if math.isfinite(value) else None, decided)


def loss(before: float | None, after: float | None, direction: Direction) -> float | None:
    """Return how much worse ``after`` is, below 0 where it is better; None where one is unknown.

    Errors have units of their own, and some metrics go up to 100: of these it is a share.
    """
    if before is None or after is None:
        return None
    if direction == "minimize":
        return (after - before) / abs(before) if before else float(after > before)
    return (before - after) / max(1.0, abs(before))


def _decisions(task: Task, model: Any, predicted: Any, sample: Sample) -> list[Any] | None:
    """Return what is said of each row without its numbers; None where it is numbers alone.

    Where what is scored is how likely targets are, it is what the model says to a few rows.
    """
    if task.respond is not None:
        if task.show is None:
            return None
        few = {role: values[:SHOWN] for role, values in sample.columns.items()}
        shown = task.show(model, sample.tokenizer, few, sample.limit)
        return [each.get("said") for each in shown]
    try:
        answers = task.answers(predicted, sample.labels, 1)
    except RowError:  # rows as they are scored need not be such as a person may ask about
        return None
    bare = [decision(answer) for answer in answers]
    return bare if any(_says(each) for each in bare) else None


def _says(bare: Any) -> bool:
    if isinstance(bare, Mapping):
        return any(map(_says, bare.values()))
    if isinstance(bare, list):
        return any(map(_says, bare))
    return bare is not None


def _changed(before: list[Any] | None, after: list[Any] | None) -> float | None:
    if before is None or after is None:
        return None
    differing = sum(1 for one, other in zip(before, after, strict=True) if one != other)
    return differing / max(1, len(before))


@contextmanager
def _watched(model: Any) -> Iterator[dict[str, Any]]:
    """Within, keep the numbers that the first forward pass gives, by their output's name.

    Where a model generates, later passes depend on what it has said before.
    """
    seen: dict[str, Any] = {}

    def keep(module: Any, given: Any, output: Any) -> None:
        if seen or not isinstance(output, Mapping):
            return
        numbers = {
            name: value
            for name, value in output.items()
            if isinstance(value, torch.Tensor) and value.is_floating_point() and name != "loss"
        }
        told = {name: value for name, value in numbers.items() if _STATES not in name}
        seen.update({name: value.detach() for name, value in (told or numbers).items()})

    handle: Any = model.register_forward_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()
