"""Multi-label classification: a text, or a pair of them, in; any number of classes out.

``task: text-classification`` becomes this where its classes are lists.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from automl.plan import Scalar
from automl.tasks import ENCODER, WEIGHTED, Columns, Labels, Role, Task, _weighting
from automl.tasks._judging import SEVERAL
from automl.tasks._metrics import SEVERAL_CLASSES
from automl.tasks._text import (
    CLASS_COLUMNS,
    PAIR,
    TEXT_ROLES,
    encode_texts,
    load_model,
    text_roles,
)

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


_USAGE = """\
from transformers import pipeline

classify = pipeline(
    "text-classification",
    model={repository!r},
    function_to_apply="sigmoid",
    truncation=True,
    max_length={max_length},
)
found = classify({example}, top_k=None)
print([each["label"] for each in found if each["score"] >= 0.5])
"""
_USAGE_OF_THRESHOLDS = _USAGE.replace(
    """\
print([each["label"] for each in found if each["score"] >= 0.5])
""",
    """\
least = classify.model.config.automl_thresholds
print([each["label"] for each in found if each["score"] >= least[each["label"]]])
""",
)
_ONE_TEXT = '"Put a text here."'
_TWO_TEXTS = '{"text": "Put a text here.", "text_pair": "Put the other one here."}'


def _encode(
    columns: Columns, tokenizer: PreTrainedTokenizerBase, max_length: int, labels: Labels
) -> dict[str, list[Any]]:
    encoded = encode_texts(columns, tokenizer, max_length)
    if "label" in columns:
        encoded["labels"] = list(SEVERAL.targets(columns, labels).tolist())
    return encoded


def _build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    model = load_model(
        TASK.auto_class,
        path,
        hyperparameters,
        trust_remote_code,
        **SEVERAL.head(labels),
    )
    _weighting.note(model, hyperparameters)
    return model


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, np.ndarray]:
    from automl.tasks import _tfidf

    return _tfidf.log_odds(train, others, SEVERAL.targets(train, labels), seed, text_roles(train))


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
    name="multi-label-classification",
    pipeline_tag="text-classification",
    auto_class="AutoModelForSequenceClassification",
    mapping="MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    roles=(*TEXT_ROLES, Role("label", "classes", True, CLASS_COLUMNS)),
    metrics=SEVERAL_CLASSES,
    objective="macro_f1",
    floor_description=(
        "TF-IDF of words (1-2) and of characters within words (2-5), a logistic regression for "
        "each class with C=10"
    ),
    knobs=ENCODER | WEIGHTED | {"pooling"},
    encode=_encode,
    build=_build,
    targets=SEVERAL.targets,
    score=SEVERAL.score,
    report=SEVERAL.report,
    floor=_floor,
    answers=SEVERAL.answers,
    says=("labels", "scores"),
    usage=_usage,
    probabilities="sigmoid",
    loss=_weighting.binary_cross_entropy,
    begin=_weighting.count_decisions,
)
"""Any number of classes for a text, or for two together where ``text_pair`` is there."""
