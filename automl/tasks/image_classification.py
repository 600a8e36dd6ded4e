"""Image classification: a picture in, one of several classes out.

Knows no trial and no recipe.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from automl.plan import Scalar
from automl.tasks import (
    MIXING,
    SEEING,
    VISION,
    WEIGHTED,
    Columns,
    Labels,
    Role,
    Task,
    _drawing,
    _vision,
    _weighting,
)
from automl.tasks._colours import DESCRIPTION
from automl.tasks._judging import ONE
from automl.tasks._layouts import pictures_by_class
from automl.tasks._metrics import CLASSIFICATION
from automl.tasks._text import CLASS_COLUMNS, indices

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel


_USAGE = """\
from transformers import pipeline

classify = pipeline("image-classification", model={repository!r})
print(classify("picture.jpg"))
"""
_USAGE_OF_THRESHOLDS = """\
from transformers import pipeline

classify = pipeline("image-classification", model={repository!r})
((label, least),) = classify.model.config.automl_thresholds.items()
scores = {{each["label"]: each["score"] for each in classify("picture.jpg")}}
other = next(name for name in scores if name != label)
print(label if scores[label] >= least else other, scores)
"""
"""Of two classes; a pipeline by itself takes the more probable one."""


def _encode(columns: Columns, processor: Any, max_length: int, labels: Labels) -> dict[str, Any]:
    """Return ``pixels``, uint8 (height, width, 3), and ``labels`` where rows have a label.

    Raises DataError naming a label that is not one of ``labels``, or a file that can't be read.
    """
    encoded: dict[str, Any] = {"pixels": _vision.pixels(columns["image"], processor)}
    if "label" in columns:
        encoded["labels"] = indices(columns["label"], labels)
    return encoded


def _build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    model = _vision.load_model(
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
    from automl.tasks import _colours

    return _colours.log_probabilities(train, others, ONE.targets(train, labels), labels, seed)


def _draw(
    logits: np.ndarray,
    columns: Columns,
    labels: Labels,
    thresholds: Mapping[str, float] | None = None,
) -> list[tuple[Any, str]]:
    said = ONE.answers(logits, labels, 1, thresholds)
    truth = columns.get("label", [None] * len(said))
    return [
        (_vision.opened(image), _drawing.caption(each["label"], each["score"], right))
        for image, each, right in zip(columns["image"], said, truth, strict=True)
    ]


def _usage(
    repository: str,
    max_length: int,
    roles: Collection[str] = (),
    thresholds: Mapping[str, float] | None = None,
) -> str:
    usage = _USAGE_OF_THRESHOLDS if thresholds else _USAGE
    return usage.format(repository=repository)


TASK = Task(
    name="image-classification",
    pipeline_tag="image-classification",
    auto_class="AutoModelForImageClassification",
    mapping="MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    roles=(_vision.IMAGE, Role("label", "class", True, CLASS_COLUMNS)),
    metrics=CLASSIFICATION,
    objective="macro_f1",
    floor_description=DESCRIPTION,
    knobs=VISION | SEEING | MIXING | WEIGHTED | {"probe", "head_init", "label_smoothing"},
    lists="multi-label-image-classification",
    unit="",
    sample_rows=_vision.SAMPLE_ROWS,
    chunk=_vision.CHUNK,
    processor=_vision.load_processor,
    gather=pictures_by_class,
    lengths=_vision.lengths,
    encode=_encode,
    build=_build,
    targets=ONE.targets,
    score=ONE.score,
    report=ONE.report,
    floor=_floor,
    answers=ONE.answers,
    usage=_usage,
    draw=_draw,
    probabilities="softmax",
    collator=_vision.collator,
    training_collator=_vision.training_collator,
    loss=_weighting.cross_entropy,
    begin=_weighting.count_classes,
)
"""Single-label classification of a picture."""
