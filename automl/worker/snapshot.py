"""What a checkpoint of a trial holds, so that continuing gives the same weights bit for bit.

Weights under the model's own names (of a model with adapters, those that training changes),
optimizer, scheduler and scaler, the generators of every rank, Trainer's position, and what the
trial has come to. No pickle: nothing here can run code.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors.torch import load_file, load_model, save_file, save_model

from automl import documents
from automl.jobs import TrialSpec
from automl.worker import adapters, sharding, state

WEIGHTS = "model.safetensors"
TRAINING = "training"
TRAINER_STATE = "trainer_state.json"
PROGRESS = "trial.json"


@dataclass(frozen=True, slots=True)
class TrialProgress:
    """What a trial has come to at a step, over all its attempts."""

    step: int = 0
    evaluations: int = 0
    best: float | None = None
    """The goal's metric at the best evaluation."""
    seconds: float = 0.0
    pending: bool = False
    """An evaluation is due at this step and was interrupted."""
    loss_sum: float = 0.0
    """Of the steps since the last evaluation, of rank 0's rows."""
    loss_steps: int = 0
    schema: Literal["automl/trial-progress"] = "automl/trial-progress"
    version: int = 1


def configuration(spec: TrialSpec) -> str:
    """Return a hash of what must not change between the attempts at a trial.

    Memory, speed and place may: micro-batch, precision, threads, processes, devices are not in it.
    """
    parts = (
        spec.task,
        spec.model.id,
        dict(spec.hyperparameters),
        spec.data.fingerprint,
        spec.data.labels,
        spec.data.max_length,
        spec.metric,
        spec.direction,
        spec.evaluation_samples,
        spec.seed,
    )
    text = json.dumps(parts, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Taken:
    """What a checkpoint holds of weights and training, whole."""

    model: Any
    weights: dict[str, Any] | None
    """Those that training changes; null where the model itself holds them whole."""
    training: dict[str, Any]


def take(trainer: Any) -> Taken:
    """Return what to write of the trainer; where the model is sharded, all ranks call this."""
    scaler = getattr(trainer.accelerator, "scaler", None)
    parts = {
        "optimizer": trainer.optimizer.state_dict(),
        "scheduler": trainer.lr_scheduler.state_dict(),
        "scaler": None if scaler is None else scaler.state_dict(),
    }
    if adapters.attached(trainer.model):
        return Taken(trainer.model, adapters.trained_state(trainer.model), parts)
    if not sharding.is_sharded(trainer.model):
        return Taken(trainer.model, None, parts)
    return Taken(trainer.model, sharding.weights(trainer.model), sharding.whole(parts))


def write(folder: Path, taken: Taken, position: Any, progress: TrialProgress) -> None:
    """Write rank 0's part of the checkpoint into ``folder``; ``position`` is Trainer's state."""
    if taken.weights is None:
        save_model(taken.model, str(folder / WEIGHTS))
    else:
        save_file(taken.weights, str(folder / WEIGHTS))
    state.save(taken.training, folder / TRAINING)
    position.save_to_json(str(folder / TRAINER_STATE))
    documents.write(folder / PROGRESS, progress)


def write_generators(folder: Path, rank: int) -> None:
    """Write the part of the checkpoint that each rank has its own of."""
    state.save(state.generators(), folder / f"generators-{rank}")


def read_progress(folder: Path) -> TrialProgress:
    """Return what the trial had come to at the checkpoint."""
    return documents.read(TrialProgress, folder / PROGRESS)


def restore_weights(model: Any, folder: Path) -> None:
    """Load the weights; raises RuntimeError when any is missing or unexpected."""
    if sharding.is_sharded(model):
        sharding.load_weights(model, folder / WEIGHTS)
    elif adapters.attached(model):
        adapters.restore(model, load_file(folder / WEIGHTS))
    else:
        load_model(model, str(folder / WEIGHTS), strict=True)


def restore_training(trainer: Any, folder: Path) -> None:
    """Load optimizer, scheduler and scaler."""
    parts = state.load(folder / TRAINING)
    optimizer = parts["optimizer"]
    if sharding.is_sharded(trainer.model):
        optimizer = sharding.divided_states(optimizer, trainer.optimizer)
    trainer.optimizer.load_state_dict(optimizer)
    trainer.lr_scheduler.load_state_dict(parts["scheduler"])
    if parts["scaler"] is not None and getattr(trainer.accelerator, "scaler", None) is not None:
        trainer.accelerator.scaler.load_state_dict(parts["scaler"])


def restore_generators(folder: Path, rank: int) -> None:
    """Put the generators back; a rank that wasn't there before keeps its own."""
    stem = folder / f"generators-{rank}"
    if stem.with_suffix(".json").exists():
        state.restore_generators(state.load(stem))
