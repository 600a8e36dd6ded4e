"""Text classification: a text, or a pair of them, in; one of several classes out.

Knows no trial and no recipe.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from automl.plan import Scalar
from automl.tasks import CLASSIFIER, WEIGHTED, Columns, Labels, Role, Task, _weighting
from automl.tasks._judging import ONE
from automl.tasks._metrics import CLASSIFICATION
from automl.tasks._text import (
    CLASS_COLUMNS,
    PAIR,
    TEXT_ROLES,
    encode_texts,
    indices,
    load_model,
    text_roles,
)
from automl.tasks._tfidf import DESCRIPTION, log_probabilities

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


_USAGE = """\
from transformers import pipeline

classify = pipeline(
    "text-classification", model={repository!r}, truncation=True, max_length={max_length}
)
print(classify({example}))
"""
_USAGE_OF_THRESHOLDS = """\
from transformers import pipeline

classify = pipeline(
    "text-classification",
    model={repository!r},
    function_to_apply="softmax",
    truncation=True,
    max_length={max_length},
)
((label, least),) = classify.model.config.automl_thresholds.items()
scores = {{each["label"]: each["score"] for each in classify({example}, top_k=None)}}
other = next(name for name in scores if name != label)
print(label if scores[label] >= least else other, scores)
"""
"""Of two classes; a pipeline by itself takes the more probable one."""
_ONE_TEXT = '"Put a text here."'
_TWO_TEXTS = '{"text": "Put a text here.", "text_pair": "Put the other one here."}'


def _encode(
    columns: Columns, tokenizer: PreTrainedTokenizerBase, max_length: int, labels: Labels
) -> dict[str, list[Any]]:
    """Return the tokenizer's inputs, and ``labels`` (class indices) where rows have a label.

    Of a pair that is too long, the longer text is cut. Raises DataError naming a label that is
    not one of ``labels``.
    """
    encoded = encode_texts(columns, tokenizer, max_length)
    if "label" in columns:
        encoded["labels"] = indices(columns["label"], labels)
    return encoded


def _build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    model = load_model(
        TASK.auto_class,
        path,
        hyperparameters,
        trust_remote_code,
        **ONE.head(labels),
    )
    _weighting.note(model, hyperparameters)
    return model


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, np.ndarray]:
    """Return log-probabilities by split of ``floor_description``, trained on ``train``."""
    return log_probabilities(train, others, labels, seed, text_roles(train))


def _usage(
    repository: str,
    max_length: int,
    roles: Collection[str] = (),
    thresholds: Mapping[str, float] | None = None,
) -> str:
    example = _TWO_TEXTS if PAIR in roles else _ONE_TEXT
    usage = _USAGE_OF_THRESHOLDS if thresholds else _USAGE
    return usage.format(repository=repository, max_length=max_length, example=example)


TASK = Task(
    name="text-classification",
    pipeline_tag="text-classification",
    auto_class="AutoModelForSequenceClassification",
    mapping="MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    roles=(*TEXT_ROLES, Role("label", "class", True, CLASS_COLUMNS)),
    metrics=CLASSIFICATION,
    objective="macro_f1",
    floor_description=DESCRIPTION,
    knobs=CLASSIFIER | WEIGHTED,
    lists="multi-label-classification",
    encode=_encode,
    build=_build,
    targets=ONE.targets,
    score=ONE.score,
    report=ONE.report,
    floor=_floor,
    answers=ONE.answers,
    usage=_usage,
    probabilities="softmax",
    loss=_weighting.cross_entropy,
    begin=_weighting.count_classes,
)
"""Single-label classification of a text, or of two together where ``text_pair`` is there."""
