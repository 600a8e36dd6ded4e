"""Models and tokenizers by candidate: to be trained, or trained already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from automl.errors import CandidateError
from automl.jobs import DataRef, ModelRef
from automl.tasks import SAMPLE_ROWS, Task, _loading
from automl.worker import cache, store

NO_LIMIT = 1_000_000
"""Tokens above which a stated limit means none (tokenizers write 1e30)."""


def tokenizer(task: Task, model: ModelRef, data: DataRef) -> Any:
    """Return a candidate's tokenizer, adapted to the training rows where the task does that."""

    def rows() -> dict[str, list[Any]]:
        return cache.read_columns(Path(data.tables["train"]), SAMPLE_ROWS)

    return _loading.adapted(task, model.path, model.trust_remote_code, rows)[0]


def untrained(task: Task, model: ModelRef, data: DataRef, device: torch.device) -> tuple[Any, Any]:
    """Return a candidate as training begins with it, ready to predict, and its tokenizer."""
    torch.manual_seed(0)
    found = task.build(model.path, data.labels, {}, model.trust_remote_code)
    told = tokenizer(task, model, data)
    if task.begin is not None:
        few = cache.read_columns(Path(data.tables["train"]), SAMPLE_ROWS)
        encoded = task.encode(few, told, data.max_length, data.labels)
        task.begin(found, told, store.rows(encoded))
    return found.to(device).eval(), told


def trained(task: Task, model: ModelRef, device: torch.device, beside: str = "") -> Any:
    """Return a model with the head it was saved with, in float32, ready to predict on ``device``.

    ``beside`` is the folder of the base model, where ``model`` is a bundle of adapters alone.
    Raises CandidateError when any weight is missing: a head would be drawn at random silently.
    """
    if beside:
        whole = _loading.with_adapters(task, model.path, beside, model.trust_remote_code)
        return whole.to(device)
    return _loading.trained(task, model.path, model.trust_remote_code, model.id).to(device)


def loss(task: Task, model: Any, inputs: dict[str, Any]) -> Any:
    """Return the task's loss of a batch, a tensor without shape; None where the model has none."""
    return model(**inputs).loss if task.loss is None else task.loss(model, inputs)


def with_reference(
    task: Task,
    base: ModelRef | None,
    labels: tuple[str, ...],
    rows: Any,
    collate: Any,
    batch_size: int,
    device: torch.device,
) -> Any:
    """Return the encoded rows with what only the model before training, ``base``, can tell.

    As they are where the task asks for nothing. Raises CandidateError where ``base`` is gone.
    """
    if task.reference is None:
        return rows
    if base is None or not Path(base.path).is_dir():
        where = "" if base is None else f" from {base.path}"
        raise CandidateError(f"the model before training is gone{where}; {task.name} needs it")
    model = task.build(base.path, labels, {}, base.trust_remote_code).to(device)
    return task.reference(model, rows, collate, batch_size)


def parameters(model: nn.Module) -> int:
    """Return how many numbers the model holds; shared ones count once."""
    return sum(parameter.numel() for parameter in model.parameters())


def length_limit(model: Any, tokenizer: Any) -> int:
    """Return the most tokens the model and its tokenizer take, or NO_LIMIT.

    Position tables with a padding index (RoBERTa and its kin) lose the positions up to it.
    """
    if not hasattr(tokenizer, "model_max_length"):
        # Pictures are cut by their task; of sounds, what prepares them says how much is heard.
        return int(getattr(tokenizer, "most_frames", NO_LIMIT))
    limits = [NO_LIMIT, int(min(tokenizer.model_max_length, NO_LIMIT))]
    positions = getattr(model.config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        limits.append(positions)
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            taken = 0 if module.padding_idx is None else module.padding_idx + 1
            limits.append(module.num_embeddings - taken)
    return min(limits)


def reach(model: Any, tokenizer: Any, trained_length: int) -> int:
    """Return the tokens a trained model reads of a text: as many as it can take.

    Where nothing limits it (positions that are relative), those it was trained on.
    """
    limit = length_limit(model, tokenizer)
    return trained_length if limit == NO_LIMIT else limit


def check_vocabulary(model: Any, tokenizer: Any) -> None:
    """Raise CandidateError when the tokenizer can name tokens the model has no embedding for."""
    if not hasattr(tokenizer, "get_vocab"):
        return
    known = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > known:
        raise CandidateError(
            f"its tokenizer has {len(tokenizer)} tokens, its embeddings only {known}"
        )
