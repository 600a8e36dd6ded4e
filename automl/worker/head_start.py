"""A classifier fitted to what the pretrained layers give already, before training begins.

Linear probing, then fine-tuning (Kumar et al. 2022): layers need not bend to a random head. Draws
nothing from torch's generator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.worker import head, logistic
from automl.worker.logistic import Linear
from automl.worker.prediction import predict
from automl.worker.ranks import Ranks
from automl.worker.store import Rows

ROWS = 4000
"""More rows than this are not looked at: they would cost time, and training sees them anyway."""
STRENGTH = 0.1
"""C of the regression. Banking77, 1,000 rows, MiniLM: .57 (.001), .81 (.01), .84 (.1), .83 (1)."""


def give(
    model: Any,
    rows: Rows,
    collate: Callable[[list[Any]], Any],
    batch_size: int,
    seed: int,
    ranks: Ranks,
    between: Callable[[], None],
) -> None:
    """Set the model's last layer to a logistic regression on up to ``ROWS`` of the rows.

    The ranks share the work and end with the same weights; ``between`` is called equally often on
    each. Raises CandidateError when the head ends in no linear layer.
    """
    sample = rows
    if len(rows) > ROWS:
        drawn = np.random.default_rng(seed).choice(len(rows), ROWS, replace=False)
        sample = rows.take(np.sort(drawn))
    name = head.last_linear(model, _tried(model, sample, collate))
    layer = model.get_submodule(name)
    with head.opened(model, name):
        part = predict(
            model,
            sample,
            collate,
            batch_size,
            share=(ranks.rank, ranks.processes),
            between=between,
            outputs=layer.in_features,
        )
    features = ranks.total(part)
    targets = sample.scalars("labels")
    fitted = _fit(features, targets, layer) if ranks.first else _nothing(layer)
    head.install(
        model,
        name,
        Linear(
            ranks.total(fitted.weight), None if fitted.bias is None else ranks.total(fitted.bias)
        ),
    )


def _tried(model: Any, rows: Rows, collate: Callable[[list[Any]], Any]) -> dict[str, Any]:
    """Return a batch of two rows that shows how the model computes."""
    device = next(model.parameters()).device
    inputs = collate([rows[0], rows[len(rows) - 1]])
    return {name: x.to(device) for name, x in inputs.items() if name != "labels"}


def _fit(features: npt.NDArray[np.float32], targets: npt.NDArray[np.int64], layer: Any) -> Linear:
    (fitted,) = logistic.path(
        features, targets, layer.out_features, (STRENGTH,), bias=layer.bias is not None
    )
    return fitted


def _nothing(layer: Any) -> Linear:
    weight = np.zeros((layer.out_features, layer.in_features), dtype=np.float32)
    return Linear(weight, None if layer.bias is None else weight[:, 0].copy())
