"""What tasks whose rows are told a number share: targets' scale, loss, scores, the kept model.

Training sees standardised numbers; the model that is kept says them in their own unit. Heavy
libraries are imported inside. Knows no text and no picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from automl.errors import CandidateError
from automl.tasks import Columns, Labels, Role

if TYPE_CHECKING:
    import numpy as np

    from automl.jobs import SplitScore

LABEL = Role(
    "label",
    "number",
    True,
    ("label", "labels", "score", "target", "value", "rating", "similarity", "number", "y"),
)
_SHOWN = 10


def begin(model: Any, tokenizer: Any, rows: Any) -> None:
    """Note the train numbers' mean and spread: the loss is of what is left without them."""
    numbers = rows.scalars("labels").astype("float64")
    model.automl_center = float(numbers.mean())
    model.automl_spread = float(numbers.std()) or 1.0


def loss(model: Any, inputs: dict[str, Any]) -> Any:
    """Return the mean squared error in units of the train numbers' variance."""
    from torch.nn.functional import mse_loss

    given = {name: values for name, values in inputs.items() if name != "labels"}
    said = model(**given).logits.squeeze(-1).float()
    center, spread = _scale(model)
    return mse_loss(said, (inputs["labels"].float() - center) / spread)


def infer(model: Any, inputs: dict[str, Any]) -> np.ndarray:
    """Return the numbers in their own unit, float32 of shape (rows, 1)."""
    given = {name: values for name, values in inputs.items() if name != "labels"}
    center, spread = _scale(model)
    found: np.ndarray = (model(**given).logits.float() * spread + center).cpu().numpy()
    return found


def _scale(model: Any) -> tuple[float, float]:
    """Return mean and spread of what training standardises; of a model that was kept 0 and 1."""
    bare = getattr(model, "module", model)
    return getattr(bare, "automl_center", 0.0), getattr(bare, "automl_spread", 1.0)


@contextmanager
def keeping(model: Any) -> Iterator[None]:
    """Within, the last layer says numbers in their own unit."""
    import torch

    center, spread = _scale(model)
    head = _last_layer(model)
    with torch.no_grad():
        before = head.weight.clone(), None if head.bias is None else head.bias.clone()
        head.weight.mul_(spread)
        if head.bias is not None:
            head.bias.mul_(spread).add_(center)
    try:
        yield
    finally:
        with torch.no_grad():
            head.weight.copy_(before[0])
            if head.bias is not None:
                head.bias.copy_(before[1])


def check_head(model: Any) -> None:
    """Raise CandidateError where the numbers aren't what one linear layer with a bias says.

    Such a model can't be kept so that it says them in their own unit.
    """
    ends = _ends(model)
    if len(ends) != 1 or ends[0].bias is None:
        raise CandidateError(
            f"its numbers are said by {len(ends)} linear layers; it takes one, with a bias, to say "
            "them in the unit of the data"
        )


def _last_layer(model: Any) -> Any:
    return _ends(model)[-1]


def _ends(model: Any) -> list[Any]:
    from torch import nn

    linear = (each for each in model.modules() if isinstance(each, nn.Linear))
    return [each for each in linear if each.out_features == 1]


def targets(columns: Columns, labels: Labels) -> np.ndarray:
    """Return the rows' numbers, float32."""
    import numpy as np

    return np.asarray(columns["label"], dtype=np.float32)


def score(predicted: np.ndarray, targets: np.ndarray, labels: Labels) -> dict[str, float]:
    """Return every metric; correlations with constants are 0."""
    import numpy as np

    from automl.tasks import _correlation

    said, true = predicted.reshape(-1).astype(np.float64), targets.astype(np.float64)
    error = said - true
    spread = float(((true - true.mean()) ** 2).sum())
    return {
        "r2": 1 - float((error**2).sum()) / spread if spread else 0.0,
        "rmse": float(np.sqrt((error**2).mean())),
        "mae": float(np.abs(error).mean()),
        "pearson": _correlation.pearson(said, true),
        "spearman": _correlation.spearman(said, true),
    }


def report(
    predicted: np.ndarray, targets: np.ndarray, columns: Columns, labels: Labels, seed: int
) -> SplitScore:
    """Return metrics with intervals and the rows that are furthest off."""
    import numpy as np

    from automl.tasks import _bootstrap

    said = predicted.reshape(-1)
    worst = np.argsort(-np.abs(said - targets), kind="stable")[:_SHOWN]
    examples = (
        {
            **{role: values[row] for role, values in columns.items() if role != "label"},
            "label": float(targets[row]),
            "predicted": float(said[row]),
        }
        for row in worst
    )
    return _bootstrap.report(
        lambda rows: score(predicted[rows], targets[rows], labels), len(targets), seed, examples
    )


def answers(predicted: np.ndarray, labels: Labels, top: int) -> list[dict[str, Any]]:
    """Return the number of each row."""
    return [{"score": float(value)} for value in predicted.reshape(-1)]
