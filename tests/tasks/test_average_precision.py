"""Average precision against pycocotools, thresholds and intervals."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest

from automl.tasks import _average_precision

CLASSES, PICTURES = 3, 40


def drawn(seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Detections and objects: some found nearly, some missed, some made up; scores with ties."""
    rng = np.random.default_rng(seed)
    said, true = [], []
    for _ in range(PICTURES):
        count = int(rng.integers(0, 8))
        corner, side = rng.uniform(0, 80, (count, 2)), rng.uniform(4, 30, (count, 2))
        labels = rng.integers(0, CLASSES, count)
        true.append(np.column_stack([labels, corner, corner + side]))
        near = np.repeat(np.arange(count), 2)
        boxes = true[-1][near, 1:] + rng.normal(0, 2, (len(near), 4))
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        other = rng.uniform(0, 60, (5, 2))
        boxes = np.concatenate([boxes, np.column_stack([other, other + 10])])
        named = np.concatenate([labels[near], rng.integers(0, CLASSES, 5)])
        scores = np.round(rng.uniform(0, 1, len(boxes)), 1)
        order = np.argsort(-scores, kind="stable")
        made = np.column_stack([named, scores, boxes, scores >= 0.5])[order]
        said.append(np.concatenate([made, [[-1, 0, 0, 0, 0, 0, 0]]]))
    return said, true


def by_pycocotools(said: list[np.ndarray], true: list[np.ndarray]) -> np.ndarray:
    """map, map50 and map75 as the field's own library has them."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def extent(box):
        return [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])]

    objects = [
        {"image_id": row, "category_id": int(each[0]), "bbox": extent(each[1:])}
        for row, picture in enumerate(true)
        for each in picture
    ]
    for number, each in enumerate(objects, 1):
        each |= {"id": number, "iscrowd": 0, "area": each["bbox"][2] * each["bbox"][3]}
    found = [
        {"image_id": row, "category_id": int(each[0]), "bbox": extent(each[2:6]),
         "score": float(each[1])}
        for row, picture in enumerate(said)
        for each in picture
        if each[0] >= 0
    ]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": row} for row in range(len(true))],
            "annotations": objects,
            "categories": [{"id": label} for label in range(CLASSES)],
        }
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return np.asarray(judge.stats[:3])


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_pycocotools_says(seed):
    said, true = drawn(seed)
    found = _average_precision.score(_average_precision.matched(said, true, CLASSES))
    ours = [found[name] for name in ("map", "map50", "map75")]
    np.testing.assert_allclose(ours, by_pycocotools(said, true), atol=1e-6)


def test_a_class_that_is_nowhere_does_not_count_and_one_not_found_counts_nothing():
    said, true = drawn(0)
    only = [each[each[:, 0] == 0] for each in true]
    found = _average_precision.matched(said, only, CLASSES)
    assert _average_precision.precisions(found[1]) is None
    alone = _average_precision.matched(said, only, 1)
    assert _average_precision.score(found)["map"] == _average_precision.score(alone)["map"]
    nothing = [each[each[:, 0] == 1] for each in said]
    assert _average_precision.score(_average_precision.matched(nothing, only, 1))["map"] == 0


def test_pictures_without_any_object_score_nothing_rather_than_no_number():
    said, true = drawn(0)
    none = [each[:0] for each in true]
    found = _average_precision.score(_average_precision.matched(said, none, CLASSES))
    assert found == {"map": 0.0, "map50": 0.0, "map75": 0.0, "f1": 0.0}


def test_weights_are_as_good_as_pictures_repeated():
    """Up to ties: a picture that is there twice has each score twice."""
    said, true = drawn(1)
    for row, picture in enumerate(said):
        picture[:-1, 1] += np.linspace(0, 0.01, len(picture) - 1) + row * 1e-4
        said[row] = picture[np.argsort(-picture[:, 1], kind="stable")]
    twice = [*range(PICTURES), *range(0, PICTURES, 2)]
    weights = np.bincount(twice, minlength=PICTURES).astype(float)
    found = _average_precision.matched(said, true, CLASSES)
    weighed = _average_precision.score(found, weights)
    repeated = _average_precision.score(
        _average_precision.matched([said[i] for i in twice], [true[i] for i in twice], CLASSES)
    )
    assert weighed == pytest.approx(repeated, abs=0.01)
    assert weighed["f1"] == pytest.approx(repeated["f1"])


def test_intervals_hold_the_metrics_and_follow_from_the_seed():
    said, true = drawn(2)
    found = _average_precision.matched(said, true, CLASSES)
    whole = _average_precision.score(found)
    made = _average_precision.intervals(found, PICTURES, 0)
    for name, value in whole.items():
        assert 0 < made[name].low <= value <= made[name].high < 1
        assert made[name].high - made[name].low > 0.02
    assert made == _average_precision.intervals(found, PICTURES, 0)


def test_the_threshold_is_the_one_with_the_best_f1():
    said, true = drawn(1)
    found = _average_precision.matched(said, true, CLASSES)
    best = _average_precision.threshold(found)

    def f1(least: float) -> float:
        shown = [np.column_stack([each[:, :6], each[:, 1] > least]) for each in said]
        matches = _average_precision.matched(shown, true, CLASSES)
        return _average_precision.score(matches)["f1"]

    assert f1(best) == pytest.approx(max(f1(each / 20) for each in range(-1, 20)))


def test_no_detection_at_all_leaves_the_usual_threshold():
    _, true = drawn(1)
    nothing = [np.zeros((0, 7))] * PICTURES
    assert _average_precision.threshold(_average_precision.matched(nothing, true, CLASSES)) == 0.5
