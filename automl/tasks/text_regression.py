"""Text regression: a text, or a pair of them, in; a number out. How: ``_numbers``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from automl.tasks import ENCODER, Columns, Labels, Task, _numbers
from automl.tasks._metrics import REGRESSION
from automl.tasks._text import PAIR, TEXT_ROLES, encode_texts, load_scorer, text_roles

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedTokenizerBase

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


def _encode(
    columns: Columns, tokenizer: PreTrainedTokenizerBase, max_length: int, labels: Labels
) -> dict[str, list[Any]]:
    encoded = encode_texts(columns, tokenizer, max_length)
    if "label" in columns:
        encoded["labels"] = [float(value) for value in columns["label"]]
    return encoded


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, np.ndarray]:
    """Return numbers by split of ``floor_description``, trained on ``train``."""
    from automl.tasks import _tfidf

    return _tfidf.numbers(train, others, text_roles(train))


def _usage(repository: str, max_length: int, roles: Collection[str] = ()) -> str:
    example = _TWO_TEXTS if PAIR in roles else _ONE_TEXT
    return _USAGE.format(repository=repository, max_length=max_length, example=example)


TASK = Task(
    name="text-regression",
    pipeline_tag="text-classification",
    auto_class="AutoModelForSequenceClassification",
    mapping="MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    roles=(*TEXT_ROLES, _numbers.LABEL),
    metrics=REGRESSION,
    objective="r2",
    floor_description=(
        "TF-IDF of words (1-2) and of characters within words (2-5), for pairs also how alike they "
        "are, ridge regression"
    ),
    knobs=ENCODER | {"pooling"},
    encode=_encode,
    build=load_scorer,
    targets=_numbers.targets,
    score=_numbers.score,
    report=_numbers.report,
    floor=_floor,
    answers=_numbers.answers,
    says=("score",),
    usage=_usage,
    infer=_numbers.infer,
    loss=_numbers.loss,
    begin=_numbers.begin,
    keeping=_numbers.keeping,
)
"""A number for a text, or for two together where ``text_pair`` is there."""
