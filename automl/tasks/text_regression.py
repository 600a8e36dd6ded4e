"""Text regression: a text, or a pair of them, in; a number out.

Training sees standardised numbers; the model that is kept says them in their own unit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from automl.tasks import ENCODER, Columns, Labels, Metric, Role, Task
from automl.tasks._text import PAIR, TEXT_ROLES, encode_texts, load_scorer, text_roles

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedTokenizerBase

    from automl.jobs import SplitScore

_NUMBERS = (
    "label", "labels", "score", "target", "value", "rating", "similarity", "number", "y",
)  # fmt: skip
_USAGE = """\
from transformers import pipeline

estimate = pipeline(
    "text-classification",
    model={repository!r},
    function_to_apply="none",
    truncation=True,
    max_length={max_length},
)
print(estimate({example})["score"])
"""
_ONE_TEXT = '"Put a text here."'
_TWO_TEXTS = '{"text": "Put a text here.", "text_pair": "Put the other one here."}'
_SHOWN = 10


def _encode(
    columns: Columns, tokenizer: PreTrainedTokenizerBase, max_length: int, labels: Labels
) -> dict[str, list[Any]]:
    encoded = encode_texts(columns, tokenizer, max_length)
    if "label" in columns:
        encoded["labels"] = [float(value) for value in columns["label"]]
    return encoded


def _begin(model: Any, tokenizer: PreTrainedTokenizerBase, rows: Any) -> None:
    """Note the train numbers' mean and spread: the loss is of what is left without them."""
    numbers = rows.scalars("labels").astype("float64")
    model.automl_center = float(numbers.mean())
    model.automl_spread = float(numbers.std()) or 1.0


def _loss(model: Any, inputs: dict[str, Any]) -> Any:
    """Return the mean squared error in units of the train numbers' variance."""
    from torch.nn.functional import mse_loss

    given = {name: values for name, values in inputs.items() if name != "labels"}
    said = model(**given).logits.squeeze(-1).float()
    center, spread = _scale(model)
    return mse_loss(said, (inputs["labels"].float() - center) / spread)


def _infer(model: Any, inputs: dict[str, Any]) -> np.ndarray:
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
def _keeping(model: Any) -> Iterator[None]:
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


def _last_layer(model: Any) -> Any:
    from torch import nn

    ends = [each for each in model.modules() if isinstance(each, nn.Linear)]
    return next(each for each in reversed(ends) if each.out_features == 1)


def _targets(columns: Columns, labels: Labels) -> np.ndarray:
    import numpy as np

    return np.asarray(columns["label"], dtype=np.float32)


def _score(predicted: np.ndarray, targets: np.ndarray, labels: Labels) -> dict[str, float]:
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


def _report(
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
        lambda rows: _score(predicted[rows], targets[rows], labels), len(targets), seed, examples
    )


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, np.ndarray]:
    """Return numbers by split of ``floor_description``, trained on ``train``."""
    from automl.tasks import _tfidf

    return _tfidf.numbers(train, others, text_roles(train))


def _answers(predicted: np.ndarray, labels: Labels, top: int) -> list[dict[str, Any]]:
    return [{"score": float(value)} for value in predicted.reshape(-1)]


def _usage(repository: str, max_length: int, roles: Collection[str] = ()) -> str:
    example = _TWO_TEXTS if PAIR in roles else _ONE_TEXT
    return _USAGE.format(repository=repository, max_length=max_length, example=example)


TASK = Task(
    name="text-regression",
    pipeline_tag="text-classification",
    auto_class="AutoModelForSequenceClassification",
    mapping="MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    roles=(*TEXT_ROLES, Role("label", "number", True, _NUMBERS)),
    metrics=(
        Metric("r2", "maximize", "Share of the numbers' variance that is explained; 0 is a guess."),
        Metric("rmse", "minimize", "Root of the mean squared error, in the unit of the data."),
        Metric("mae", "minimize", "Mean absolute error, in the unit of the data."),
        Metric("pearson", "maximize", "Linear correlation of predicted and true numbers."),
        Metric("spearman", "maximize", "Rank correlation of predicted and true numbers."),
    ),
    objective="r2",
    floor_description=(
        "TF-IDF of words (1-2) and of characters within words (2-5), for pairs also how alike they "
        "are, ridge regression"
    ),
    knobs=ENCODER | {"pooling"},
    encode=_encode,
    build=load_scorer,
    targets=_targets,
    score=_score,
    report=_report,
    floor=_floor,
    answers=_answers,
    says=("score",),
    usage=_usage,
    infer=_infer,
    loss=_loss,
    begin=_begin,
    keeping=_keeping,
)
"""A number for a text, or for two together where ``text_pair`` is there."""
