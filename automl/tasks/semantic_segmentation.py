"""Semantic segmentation: a picture in, the class of each of its pixels out.

Knows no trial and no recipe.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.tasks import SEEING, Columns, Labels, Metric, Role, Task, _masks, _segmenting, _vision
from automl.tasks._judging import named
from automl.tasks._mask_files import pictures_with_masks
from automl.tasks._pixels import DESCRIPTION

if TYPE_CHECKING:
    from automl.jobs import SplitScore
    from automl.tasks._maps import Map

METRICS = (
    Metric(
        "mean_iou",
        "maximize",
        "Pixels that a class is rightly given, by those it has or is given; mean of the classes.",
    ),
    Metric("dice", "maximize", "F1 of the pixels, averaged over the classes."),
    Metric("mean_accuracy", "maximize", "Share of a class's pixels found, mean of the classes."),
    Metric("pixel_accuracy", "maximize", "Share of the pixels whose class is predicted."),
)
_USAGE = """\
from transformers import pipeline

segment = pipeline("image-segmentation", model={repository!r})
for each in segment("picture.jpg", subtask="semantic"):
    each["mask"].save(each["label"] + ".png")
"""
_CAPTIONED = 3


def _score(predictions: Sequence[Map], targets: Sequence[Map], labels: Labels) -> dict[str, float]:
    from automl.tasks import _maps

    return _maps.score(predictions, targets, len(labels))


def _report(
    predictions: Sequence[Map], targets: Sequence[Map], columns: Columns, labels: Labels, seed: int
) -> SplitScore:
    from automl.tasks import _maps

    names = named(columns)["image"]
    return _maps.report(predictions, targets, names, labels, seed)


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, list[Map]]:
    """Return maps by split of ``floor_description``, trained on ``train``."""
    from automl.tasks import _pixels

    return _pixels.maps(train, others, labels, seed)


def _answers(predictions: Sequence[Map], labels: Labels, top: int) -> list[dict[str, Any]]:
    from automl.tasks import _maps

    return _maps.answers(predictions, labels)


def _draw(predictions: Sequence[Map], columns: Columns, labels: Labels) -> list[tuple[Any, str]]:
    from automl.tasks._overlays import overlay

    said = _answers(predictions, labels, 1)
    found = []
    for image, each, answer in zip(columns["image"], predictions, said, strict=True):
        largest = list(answer["shares"].items())[:_CAPTIONED]
        caption = ", ".join(f"{label} {share:.0%}" for label, share in largest)
        found.append((overlay(_vision.opened(image), each.places(), labels), caption))
    return found


def _usage(repository: str, max_length: int, roles: Collection[str] = ()) -> str:
    return _USAGE.format(repository=repository)


TASK = Task(
    name="semantic-segmentation",
    pipeline_tag="image-segmentation",
    auto_class=_segmenting.AUTO_CLASS,
    mapping="MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES",
    by_class=("precision", "recall", "f1", "iou"),
    roles=(
        _vision.IMAGE,
        Role(
            _masks.MASK,
            "image",
            True,
            (
                _masks.MASK,
                "masks",
                "segmentation_mask",
                "mask_path",
                "mask_file",
                "label",
                "labels",
                "annotation",
                "seg",
                "segmentation",
                "segmentation_map",
                "gt",
                "target",
            ),
            target=True,
        ),
        Role(
            _masks.NAMES,
            "json",
            False,
            (_masks.NAMES, "id2label", "class_names"),
            target=True,
            asked="never",
        ),
    ),
    metrics=METRICS,
    objective="mean_iou",
    floor_description=DESCRIPTION,
    knobs=SEEING | {"layer_decay", "dropout", "freeze_norm"},
    unit="",
    sample_rows=_vision.SAMPLE_ROWS,
    chunk=_segmenting.CHUNK,
    processor=_vision.load_processor,
    gather=pictures_with_masks,
    lengths=_vision.lengths,
    prepare=_masks.prepare,
    classes=_masks.classes,
    unmarked=(_masks.UNMARKED,),
    adapt=_segmenting.adapt,
    encode=_segmenting.encode,
    build=_segmenting.build,
    targets=_segmenting.targets,
    score=_score,
    report=_report,
    floor=_floor,
    answers=_answers,
    says=("shares", "size", "runs"),
    usage=_usage,
    draw=_draw,
    collator=_segmenting.collator,
    training_collator=_segmenting.training_collator,
    loss=_segmenting.loss,
    infer=_segmenting.infer,
    decode=_segmenting.decode,
)
"""The class of each pixel of a picture."""
