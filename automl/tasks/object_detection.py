"""Object detection: a picture in, the objects in it out, each with its class and its box.

Knows no trial and no recipe.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.tasks import Columns, Labels, Metric, Role, Task, _boxes, _detecting, _vision
from automl.tasks._anchors import DESCRIPTION
from automl.tasks._box_files import pictures_with_boxes
from automl.tasks._judging import named

if TYPE_CHECKING:
    import numpy as np

    from automl.jobs import SplitScore

METRICS = (
    Metric(
        "map",
        "maximize",
        "Average precision over the classes and over overlaps (intersection over union) from .5 to "
        ".95, as COCO has it.",
    ),
    Metric("map50", "maximize", "The same where an overlap of half is enough."),
    Metric("map75", "maximize", "The same where three quarters must overlap."),
    Metric(
        "f1",
        "maximize",
        "F1 of the objects that are shown: right where the class is and half of the box overlaps.",
    ),
)
_USAGE = """\
from transformers import pipeline

detect = pipeline("object-detection", model={repository!r})
least = getattr(detect.model.config, "automl_threshold", 0.5)
for each in detect("picture.jpg", threshold=least):
    print(each["label"], round(each["score"], 2), each["box"])
"""
_EXAMPLES = 10


def _score(predictions: np.ndarray, targets: Sequence[Any], labels: Labels) -> dict[str, float]:
    from automl.tasks import _average_precision

    found = _average_precision.matched(predictions, targets, len(labels))
    return _average_precision.score(found)


def _report(
    predictions: np.ndarray, targets: Sequence[Any], columns: Columns, labels: Labels, seed: int
) -> SplitScore:
    """Return metrics with intervals; by class average precision, and how good what is shown is.

    Examples are the pictures with the most objects missed or made up.
    """
    from automl.jobs import SplitScore
    from automl.tasks import _average_precision

    found = _average_precision.matched(predictions, targets, len(labels))
    return SplitScore(
        rows=len(targets),
        metrics=_average_precision.score(found),
        intervals=_average_precision.intervals(found, len(targets), seed),
        per_class={label: _of_class(matches) for label, matches in zip(labels, found, strict=True)},
        confusion=(),
        examples=_examples(predictions, targets, columns, labels, found),
        unit="objects",
    )


def _of_class(matches: Any) -> dict[str, float]:
    from automl.tasks import _average_precision

    made = _average_precision.precisions(matches)
    hits, shown, there = _average_precision.counts(matches)
    return {
        "precision": hits / shown if shown else 0.0,
        "recall": hits / there if there else 0.0,
        "f1": _average_precision.f1(hits, shown, there),
        "support": there,
        "ap": 0.0 if made is None else float(made.mean()),
        "ap50": 0.0 if made is None else float(made[0]),
    }


def _examples(
    predictions: np.ndarray,
    targets: Sequence[Any],
    columns: Columns,
    labels: Labels,
    found: Sequence[Any],
) -> tuple[dict[str, Any], ...]:
    import numpy as np

    there = np.asarray([len(each) for each in targets])
    hits, shown = np.zeros_like(there), np.zeros_like(there)
    for each in found:
        np.add.at(hits, each.rows, each.right[0] & each.shown)
        np.add.at(shown, each.rows, each.shown)
    missed, made_up = there - hits, shown - hits
    worst = np.argsort(-(missed + made_up), kind="stable")[:_EXAMPLES]
    names = named(columns)["image"]
    return tuple(
        {
            "image": names[row],
            "objects": _counted(targets[row][:, 0], labels),
            "said": _counted(predictions[row][predictions[row][:, 6] > 0, 0], labels),
            "missed": int(missed[row]),
            "made up": int(made_up[row]),
        }
        for row in worst
        if missed[row] + made_up[row]
    )


def _counted(classes: Iterable[Any], labels: Labels) -> str:
    """Return how many there are of each class: ``3 cat, 1 dog``."""
    numbers = [int(each) for each in classes]
    each = ((numbers.count(place), label) for place, label in enumerate(labels))
    return ", ".join(f"{count} {label}" for count, label in each if count) or "none"


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, np.ndarray]:
    from automl.tasks import _anchors

    return _anchors.detections(train, others, labels, seed)


def _draw(predictions: np.ndarray, columns: Columns, labels: Labels) -> list[tuple[Any, str]]:
    """Return each picture with the boxes that are said, and how many objects those are."""
    from automl.tasks import _drawing

    said = _detecting.answers(predictions, labels, 1)
    there: Sequence[Any] = [None] * len(said)
    if _boxes.OBJECTS in columns:
        there = _detecting.targets(columns, labels)
    found = []
    for image, each, truth in zip(columns["image"], said, there, strict=True):
        caption = _counted([labels.index(one["label"]) for one in each["objects"]], labels)
        if truth is not None:
            caption += f"; there: {_counted(truth[:, 0], labels)}"
        shown = _drawing.with_boxes(_vision.opened(image), each["objects"], labels)
        found.append((shown, caption))
    return found


def _usage(repository: str, max_length: int, roles: Collection[str] = ()) -> str:
    return _USAGE.format(repository=repository)


TASK = Task(
    name="object-detection",
    pipeline_tag="object-detection",
    auto_class=_detecting.AUTO_CLASS,
    mapping="MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES",
    by_class=("precision", "recall", "f1", "ap", "ap50"),
    roles=(
        _vision.IMAGE,
        Role(
            _boxes.OBJECTS,
            "json",
            True,
            (_boxes.OBJECTS, "object", "annotations", "detections", "boxes", "bboxes"),
            target=True,
        ),
    ),
    metrics=METRICS,
    objective="map",
    floor_description=DESCRIPTION,
    knobs=frozenset({"augmentation", "flip", "crop"}),
    unit="",
    sample_rows=_vision.SAMPLE_ROWS,
    chunk=_detecting.CHUNK,
    processor=_vision.load_processor,
    gather=pictures_with_boxes,
    lengths=_vision.lengths,
    prepare=_boxes.prepare,
    classes=_boxes.classes,
    adapt=_detecting.adapt,
    encode=_detecting.encode,
    build=_detecting.build,
    targets=_detecting.targets,
    score=_score,
    report=_report,
    floor=_floor,
    answers=_detecting.answers,
    says=("objects", "count"),
    usage=_usage,
    draw=_draw,
    collator=_detecting.collator,
    training_collator=_detecting.training_collator,
    loss=_detecting.loss,
    infer=_detecting.infer,
    decode=_detecting.decode,
    settle=_detecting.settle,
)
"""Objects in pictures, by transformers that match them one to one."""
