"""Image regression: a picture in, a number out. How: ``_numbers``. Knows no trial and no recipe."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from automl.plan import Scalar
from automl.tasks import SEEING, VISION, Columns, Labels, Task, _numbers, _vision
from automl.tasks._colours import NUMBER_DESCRIPTION
from automl.tasks._judging import named
from automl.tasks._layouts import undescribed
from automl.tasks._metrics import REGRESSION

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel

    from automl.jobs import SplitScore

_USAGE = """\
from transformers import pipeline

estimate = pipeline("image-classification", model={repository!r}, function_to_apply="none")
print(estimate("picture.jpg")[0]["score"])
"""


def _encode(columns: Columns, processor: Any, max_length: int, labels: Labels) -> dict[str, Any]:
    """Return ``pixels``, uint8 (height, width, 3), and ``labels`` where rows have a number.

    Raises DataError naming a file that can't be read.
    """
    encoded: dict[str, Any] = {"pixels": _vision.pixels(columns["image"], processor)}
    if "label" in columns:
        encoded["labels"] = [float(value) for value in columns["label"]]
    return encoded


def _build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    model = _vision.load_model(
        TASK.auto_class,
        path,
        hyperparameters,
        trust_remote_code,
        num_labels=1,
        problem_type="regression",
    )
    _numbers.check_head(model)
    return model


def _report(
    predicted: np.ndarray, targets: np.ndarray, columns: Columns, labels: Labels, seed: int
) -> SplitScore:
    return _numbers.report(predicted, targets, named(columns), labels, seed)


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, np.ndarray]:
    """Return numbers by split of ``floor_description``, trained on ``train``."""
    from automl.tasks import _colours

    return _colours.numbers(train, others, _numbers.targets(train, labels))


def _usage(repository: str, max_length: int, roles: Collection[str] = ()) -> str:
    return _USAGE.format(repository=repository)


TASK = Task(
    name="image-regression",
    pipeline_tag="image-classification",
    auto_class="AutoModelForImageClassification",
    mapping="MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    roles=(_vision.IMAGE, _numbers.LABEL),
    metrics=REGRESSION,
    objective="r2",
    floor_description=NUMBER_DESCRIPTION,
    knobs=VISION | SEEING,
    unit="",
    sample_rows=_vision.SAMPLE_ROWS,
    chunk=_vision.CHUNK,
    processor=_vision.load_processor,
    gather=undescribed("the number of each"),
    lengths=_vision.lengths,
    encode=_encode,
    build=_build,
    targets=_numbers.targets,
    score=_numbers.score,
    report=_report,
    floor=_floor,
    answers=_numbers.answers,
    says=("score",),
    usage=_usage,
    collator=_vision.collator,
    training_collator=_vision.training_collator,
    infer=_numbers.infer,
    loss=_numbers.loss,
    begin=_numbers.begin,
    keeping=_numbers.keeping,
)
"""A number for a picture."""
