"""Multi-label classification of pictures: a picture in, any number of classes out.

``task: image-classification`` becomes this where its classes are lists.
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
    _vision,
    _weighting,
)
from automl.tasks._colours import SEVERAL_DESCRIPTION
from automl.tasks._judging import SEVERAL
from automl.tasks._layouts import undescribed
from automl.tasks._metrics import SEVERAL_CLASSES
from automl.tasks._text import CLASS_COLUMNS

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel


_USAGE = """\
from transformers import pipeline

classify = pipeline(
    "image-classification", model={repository!r}, function_to_apply="sigmoid"
)
found = classify("picture.jpg", top_k=len(classify.model.config.id2label))
"""
_BY_HALF = """\
print([each["label"] for each in found if each["score"] >= 0.5])
"""
_BY_THRESHOLDS = """\
least = classify.model.config.automl_thresholds
print([each["label"] for each in found if each["score"] >= least[each["label"]]])
"""


def _encode(columns: Columns, processor: Any, max_length: int, labels: Labels) -> dict[str, Any]:
    """Return ``pixels``, uint8 (height, width, 3), and ``labels`` where rows have some.

    Raises DataError naming a label that is not one of ``labels``, or a file that can't be read.
    """
    encoded: dict[str, Any] = {"pixels": _vision.pixels(columns["image"], processor)}
    if "label" in columns:
        encoded["labels"] = list(SEVERAL.targets(columns, labels).tolist())
    return encoded


def _build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    model = _vision.load_model(
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
    """Return log-odds by split of ``floor_description``, trained on ``train``."""
    from automl.tasks import _colours

    return _colours.log_odds(train, others, SEVERAL.targets(train, labels), seed)


def _usage(
    repository: str,
    max_length: int,
    roles: Collection[str] = (),
    thresholds: Mapping[str, float] | None = None,
) -> str:
    decide = _BY_THRESHOLDS if thresholds else _BY_HALF
    return _USAGE.format(repository=repository) + decide


TASK = Task(
    name="multi-label-image-classification",
    pipeline_tag="image-classification",
    auto_class="AutoModelForImageClassification",
    mapping="MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    roles=(_vision.IMAGE, Role("label", "classes", True, CLASS_COLUMNS)),
    metrics=SEVERAL_CLASSES,
    objective="macro_f1",
    floor_description=SEVERAL_DESCRIPTION,
    knobs=VISION | SEEING | MIXING | WEIGHTED,
    unit="",
    sample_rows=_vision.SAMPLE_ROWS,
    chunk=_vision.CHUNK,
    processor=_vision.load_processor,
    gather=undescribed("the classes of each"),
    lengths=_vision.lengths,
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
    collator=_vision.collator,
    training_collator=_vision.training_collator,
    loss=_weighting.binary_cross_entropy,
    begin=_weighting.count_decisions,
)
"""Any number of classes for a picture."""
