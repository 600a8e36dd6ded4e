"""What a model says of encoded rows, in batches of like length. Trains nothing, draws nothing.

Uses no DataLoader: starting one draws from torch's generator, and an evaluation must not change
the training that goes on after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from automl.tasks import Columns, Labels, Task
from automl.worker.store import Rows

Logits = npt.NDArray[np.float32]


def predict(
    model: Any,
    rows: Rows,
    collate: Callable[[list[Any]], Any],
    batch_size: int,
    *,
    share: tuple[int, int] = (0, 1),
    between: Callable[[], None] = lambda: None,
    context: Callable[[], AbstractContextManager[object]] = nullcontext,
    outputs: int | None = None,
) -> Logits:
    """Return float32 logits (rows, outputs) in row order, the model left in evaluation mode.

    ``outputs`` is the logits' number where it is not that of the model's classes.

    ``share`` (rank, processes) predicts every so-manieth batch and leaves zeros elsewhere, so that
    adding up all ranks' answers gives each row once. ``between`` is called equally often on every
    rank, also on one without a batch of its own left.
    """
    rank, processes = share
    device = next(model.parameters()).device
    found = np.zeros((len(rows), outputs or model.config.num_labels), dtype=np.float32)
    batches = list(by_length(rows, batch_size))
    model.eval()
    for start in range(0, len(batches), processes):
        between()
        if start + rank < len(batches):
            indices = batches[start + rank]
            with torch.no_grad(), context():
                inputs = collate([rows[int(index)] for index in indices])
                inputs.pop("labels", None)
                logits = model(**{name: x.to(device) for name, x in inputs.items()}).logits
            found[indices] = logits.float().cpu().numpy()
    return found


def outputs(
    model: Any,
    rows: Rows,
    collate: Callable[[list[Any]], Any],
    batch_size: int,
    infer: Callable[[Any, dict[str, torch.Tensor]], Iterable[Any]],
    *,
    share: tuple[int, int] = (0, 1),
    between: Callable[[], None] = lambda: None,
) -> list[Any]:
    """Return what ``infer`` says of each encoded row, in row order; the model is left evaluating.

    ``share`` and ``between`` are as in ``predict``; rows of other ranks are None.
    """
    rank, processes = share
    device = next(model.parameters()).device
    found: list[Any] = [None] * len(rows)
    batches = list(by_length(rows, batch_size))
    model.eval()
    for start in range(0, len(batches), processes):
        between()
        if start + rank < len(batches):
            indices = batches[start + rank]
            inputs = collate([rows[int(index)] for index in indices])
            with torch.no_grad():
                said = infer(model, {name: x.to(device) for name, x in inputs.items()})
            for index, output in zip(indices, said, strict=True):
                found[index] = output
    return found


def predicted(
    task: Task,
    model: Any,
    tokenizer: Any,
    rows: Rows,
    columns: Columns,
    labels: Labels,
    batch_size: int,
) -> Any:
    """Return what the task makes of the model's outputs; ``rows`` are ``columns``, encoded."""
    said = outputs(model, rows, task.collator(tokenizer), batch_size, task.infer)
    return task.decode(said, rows, columns, tokenizer, labels)


def by_length(rows: Rows, batch_size: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield row indices in batches, the longest rows first: memory runs out at once or never."""
    order = np.argsort(-rows.lengths, kind="stable")
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def decision(answer: Any) -> Any:
    """Return what of an answer is decided: its words and yes or no, without how sure it is."""
    if isinstance(answer, Mapping):
        return {key: decision(value) for key, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [decision(value) for value in answer]
    return answer if isinstance(answer, str | bool) else None
