"""What a task is. Each task is one module here offering ``TASK``; it is light to import.

The heavy functions (torch, transformers, scikit-learn) import inside, so that the compiler and
the worker read the same file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from automl import plugins
from automl.plan import Direction, Scalar

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from automl.jobs import SplitScore


@dataclass(frozen=True, slots=True)
class Role:
    """A column the task reads: what it holds and what people usually call it."""

    name: str
    kind: Literal["text", "class", "number"]
    required: bool
    conventional: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric the task reports on every split."""

    name: str
    direction: Direction
    description: str


class Task(Protocol):
    """Everything automl knows about one kind of problem.

    ``columns`` below are lists by role name; ``logits`` is float32 of shape (rows, outputs);
    ``targets`` is what ``encode`` put under ``labels``.
    """

    name: str
    pipeline_tag: str
    auto_class: str
    """Name of the transformers auto class that adds this task's head."""
    mapping: str
    """Name in transformers' modeling_auto of the mapping that lists the model types with it."""
    roles: tuple[Role, ...]
    metrics: tuple[Metric, ...]
    objective: str
    """The metric optimised when the recipe names none."""

    def encode(
        self,
        columns: Mapping[str, Sequence[Any]],
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        labels: Sequence[str],
    ) -> dict[str, list[Any]]:
        """Return model inputs by name, one entry a row, unpadded, truncated to ``max_length``.

        Targets are under ``labels``; without a column of classes or numbers there are none.
        """
        ...

    def build(
        self,
        path: str,
        labels: Sequence[str],
        hyperparameters: Mapping[str, Scalar],
        trust_remote_code: bool,
    ) -> PreTrainedModel:
        """Return the pretrained model in float32 with a head for ``labels``.

        Hyperparameters that are absent mean the default. Raises CandidateError with a plain reason
        when weights outside the head would be random, or when the family can't be what the
        hyperparameters ask for.
        """
        ...

    def collator(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[list[Any]], Any]:
        """Return what turns encoded rows into a padded batch of tensors."""
        ...

    def score(
        self, logits: np.ndarray, targets: np.ndarray, labels: Sequence[str]
    ) -> dict[str, float]:
        """Return every metric of ``metrics``."""
        ...

    def report(
        self,
        logits: np.ndarray,
        targets: np.ndarray,
        columns: Mapping[str, Sequence[Any]],
        labels: Sequence[str],
        seed: int,
    ) -> SplitScore:
        """Return metrics with 95% bootstrap intervals, the per-class table and the confusion."""
        ...

    def floor(
        self,
        train: Mapping[str, Sequence[Any]],
        others: Mapping[str, Mapping[str, Sequence[Any]]],
        labels: Sequence[str],
        seed: int,
    ) -> dict[str, np.ndarray]:
        """Return logits by split of the floor model (no neural network, seconds to train)."""
        ...

    floor_description: str
    """The floor's method in words, for screen and card."""

    def usage(self, repository: str, max_length: int, roles: Collection[str] = ()) -> str:
        """Return the Python lines that load the bundle and predict, for the model card.

        ``roles`` are those the training data had; empty stands for the required ones.
        """
        ...


def names() -> tuple[str, ...]:
    """Return the names of all tasks."""
    return plugins.names(__name__)


def get(name: str) -> Task:
    """Return the task called ``name``; KeyError lists the known ones."""
    return cast(Task, plugins.load(__name__, name, "TASK"))
