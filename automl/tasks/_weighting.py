"""Losses of classifiers whose rare classes may weigh more: counted on the train rows, then fixed.

A batch's loss is the mean over its rows of losses that were weighted before, never divided by the
batch's own weights: so micro-batches, weighed by their rows, add up to the loss of one big batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from automl.plan import Scalar

if TYPE_CHECKING:
    import numpy as np

MIXTURE = "mixture"
"""Input that says how a batch's rows were mixed; none of the model's."""
MOST = 20.0
"""The rarest class weighs at most this many times the commonest (and a hit this many times a
miss): beyond, the gradients of a few rows would be most of what is learnt."""


def note(model: Any, hyperparameters: Mapping[str, Scalar]) -> None:
    """Leave at the model what its loss will need; nothing of it is saved."""
    model.automl_weighting = str(hyperparameters.get("class_weights", "none"))
    model.automl_smoothing = float(hyperparameters.get("label_smoothing", 0.0))


def count_classes(model: Any, tokenizer: Any, rows: Any) -> None:
    """Set a class's weight by its train rows; ``rows`` hold one class each."""
    import numpy as np

    if model.automl_weighting != "none":
        counts = np.bincount(rows.scalars("labels"), minlength=model.config.num_labels)
        model.automl_weights = _tensor(class_weights(counts, model.automl_weighting))


def count_decisions(model: Any, tokenizer: Any, rows: Any) -> None:
    """Set the weight of a class's hits by its train rows; ``rows`` hold 0 or 1 for each class."""
    if model.automl_weighting != "none":
        counts = sum(rows[row]["labels"].astype("int64") for row in range(len(rows)))
        model.automl_weights = _tensor(hit_weights(counts, len(rows), model.automl_weighting))


def class_weights(counts: np.ndarray, how: str) -> np.ndarray:
    """Return weights (classes,) whose mean over the counted rows is 1.

    ``balanced``: inverse to the counts (King and Zeng 2001); ``sqrt``: to their roots.
    """
    import numpy as np

    raw = _raised(counts.sum() / np.maximum(counts, 1), how)
    raw = np.minimum(raw, MOST * raw.min())
    found: np.ndarray = raw * counts.sum() / (raw * counts).sum()
    return found


def hit_weights(counts: np.ndarray, rows: int, how: str) -> np.ndarray:
    """Return by class what a row that has it weighs, where one that has it not weighs 1.

    ``balanced``: rows without over rows with, so that both sides count alike; ``sqrt``: its root.
    """
    import numpy as np

    raw = _raised((rows - counts) / np.maximum(counts, 1), how)
    found: np.ndarray = np.clip(raw, 1 / MOST, MOST)
    return found


def _raised(weights: np.ndarray, how: str) -> np.ndarray:
    found: np.ndarray = weights**0.5 if how == "sqrt" else weights
    return found


def cross_entropy(model: Any, inputs: dict[str, Any]) -> Any:
    """Return the mean over rows of class weight × log loss, labels smoothed as was noted.

    Where rows are mixed, ``mixture`` (rows, rows) says what of each is which row's.
    """
    from torch.nn import functional

    bare, said, labels = _said(model, inputs)
    mixture = inputs.get(MIXTURE)
    targets = labels
    if mixture is not None:
        targets = mixture @ functional.one_hot(labels, said.shape[-1]).to(mixture.dtype)
    losses = functional.cross_entropy(
        said, targets, reduction="none", label_smoothing=getattr(bare, "automl_smoothing", 0.0)
    )
    weights = getattr(bare, "automl_weights", None)
    if weights is None:
        return losses.mean()
    of_rows = weights.to(losses.device)[labels]
    return (losses * (of_rows if mixture is None else mixture @ of_rows)).mean()


def binary_cross_entropy(model: Any, inputs: dict[str, Any]) -> Any:
    """Return the mean log loss over rows and classes, hits weighted."""
    from torch.nn import functional

    bare, said, labels = _said(model, inputs)
    if (mixture := inputs.get(MIXTURE)) is not None:
        labels = mixture @ labels
    weights = getattr(bare, "automl_weights", None)
    return functional.binary_cross_entropy_with_logits(
        said, labels, pos_weight=None if weights is None else weights.to(said.device)
    )


def _said(model: Any, inputs: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return the model without what wraps it, its logits in float32, and the targets."""
    given = {name: values for name, values in inputs.items() if name not in ("labels", MIXTURE)}
    return getattr(model, "module", model), model(**given).logits.float(), inputs["labels"]


def _tensor(weights: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(weights.astype("float32"))
