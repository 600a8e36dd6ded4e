"""What a frozen model makes of rows: one vector per row and layer, kept on disk where asked.

Arrays are float32. Trains nothing, draws nothing, and knows no classes.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from automl import documents
from automl.errors import CandidateError
from automl.worker import head
from automl.worker.prediction import by_length, predict
from automl.worker.store import Rows

Array = npt.NDArray[np.float32]
Pooling = Literal["mean", "first", "last"]
MOST_CACHED_BYTES = 500_000_000
"""Features larger than this are not kept on disk."""
_FILES = ("*.safetensors", "config.json")
"""What decides a folder's model."""


def natural(model: Any) -> Pooling:
    """Return how a model's states are pooled when it is frozen.

    The last token's where the head reads that one, as transformers' decoders do (their head is
    called ``score``): no earlier token has seen the whole text. Else the mean over all tokens: it
    beats the first one's, .84 against .81 on MiniLM's last layer, 1,000 rows of banking77.
    """
    return "last" if hasattr(model, "score") else "mean"


def by_layer(
    model: Any,
    rows: Rows,
    collate: Callable[[list[Any]], Any],
    batch_size: int,
    pooling: Pooling,
    *,
    between: Callable[[int], None] = lambda rows: None,
    context: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Array:
    """Return the rows' pooled states after each layer: (rows, layers + 1, width), in row order.

    Index 0 is what the first layer reads. Each vector is brought to mean 0 and variance 1, as the
    layer that pools does it: how long states are differs by layer and says little of the text.
    ``between`` hears before each batch how many rows are done; what it raises ends the pass.
    Raises CandidateError where states are not of one shape, or not finite.
    """
    device = next(model.parameters()).device
    found: Array | None = None
    done = 0
    model.eval()
    for indices in by_length(rows, batch_size):
        between(done)
        inputs = collate([rows[int(index)] for index in indices])
        inputs.pop("labels", None)
        with torch.no_grad(), context():
            taken = _states(model, {name: x.to(device) for name, x in inputs.items()}, pooling)
        if found is None:
            found = np.empty((len(rows), *taken.shape[1:]), dtype=np.float32)
        found[indices] = taken.cpu().numpy()
        done += len(indices)
    if found is None or not np.isfinite(found).all():
        raise CandidateError("its layers' states are not all finite numbers")
    return found


def at_head(model: Any, rows: Rows, collate: Callable[[list[Any]], Any], batch_size: int) -> Array:
    """Return what the last linear layer of the model's head reads of the rows: (rows, width).

    Raises CandidateError where the head ends in none, or where that is not finite.
    """
    device = next(model.parameters()).device
    few = {name: x.to(device) for name, x in collate([rows[0]]).items() if name != "labels"}
    name = head.last_linear(model, few)
    width = model.get_submodule(name).in_features
    with head.opened(model, name):
        found = predict(model, rows, collate, batch_size, outputs=width)
    if not np.isfinite(found).all():
        raise CandidateError("what its head reads is not all finite numbers")
    return found


def _states(model: Any, inputs: dict[str, torch.Tensor], pooling: Pooling) -> torch.Tensor:
    """Return one batch's pooled states (rows, layers + 1, width)."""
    given = model(**inputs, output_hidden_states=True)
    names = ("hidden_states", "encoder_hidden_states")
    hidden = next((found for name in names if (found := getattr(given, name, None))), None)
    if hidden is None:
        raise CandidateError("it does not show the states of its layers")
    last = hidden[-1].shape
    if any(each.shape != last for each in hidden) or len(last) != 3:
        raise CandidateError("its layers' states are not of one shape")
    mask = _mask(model, inputs, hidden[-1])
    pooled = torch.stack([pool(each.float(), mask, pooling) for each in hidden], dim=1)
    return functional.layer_norm(pooled, pooled.shape[-1:])


def _mask(model: Any, inputs: dict[str, torch.Tensor], states: torch.Tensor) -> torch.Tensor:
    """Return which states (rows, tokens) stand for something, rather than for padding."""
    given = inputs.get("attention_mask")
    shape = states.shape[:2]
    if given is not None and given.shape == shape:
        return given
    if given is not None and hasattr(model, "_get_feature_vector_attention_mask"):
        # The mask of sounds is of samples, of which a state stands for many.
        found: torch.Tensor = model._get_feature_vector_attention_mask(shape[1], given)
        return found.long()
    if given is not None and "input_ids" in inputs:
        raise CandidateError("its layers' states are not of one shape")
    # What sees or hears mel bands has as many states for every row.
    return torch.ones(shape, dtype=torch.long, device=states.device)


def pool(states: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Return one vector per row (rows, width) of states (rows, tokens, width), padding left out."""
    if pooling == "first":
        return states[:, 0]
    if pooling == "last":
        last = (mask * torch.arange(mask.shape[1], device=mask.device)).argmax(dim=1)
        return states[torch.arange(len(states), device=states.device), last]
    weights = mask[..., None].to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)


def cached(folder: Path, name: str, make: Callable[[], Array]) -> Array:
    """Return the array that ``make`` makes, kept in ``folder`` under ``name`` unless it is large.

    The first to come holds a lock and computes; a file appears whole or not at all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}.npy"
    with (folder / f"{name}.lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        if target.exists():
            kept: Array = np.load(target, mmap_mode="r", allow_pickle=False)
            return kept
        found = make()
        if found.nbytes <= MOST_CACHED_BYTES:
            with documents.replacing(target) as whole:
                np.save(whole, found)
    return found


def content(folder: Path) -> str:
    """Return a hash of the model in the folder: its weights and its config."""
    digest = hashlib.blake2b(digest_size=12)
    for path in sorted(file for pattern in _FILES for file in folder.glob(pattern)):
        with path.open("rb") as stream:
            digest.update(path.name.encode() + hashlib.file_digest(stream, "blake2b").digest())
    return digest.hexdigest()
