"""Detection with every family: sizes, batches, losses, thresholds, and transformers' pipeline."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from automl.errors import CandidateError, DataError
from automl.tasks import _boxes, _detecting, _loading, _vision
from automl.tasks.object_detection import TASK
from automl.worker import models
from automl.worker.prediction import outputs
from automl.worker.store import rows as stored
from tests.tasks import tiny_detection
from tests.tasks.tiny_detection import HEIGHT, LABELS, WIDTH, picture

FAMILIES = ("yolos", "detr", "conditional_detr", "deformable_detr", "rt_detr", "rt_detr_v2")
MADE = [picture(number) for number in range(6)]
COLUMNS = {"image": [image for image, _ in MADE], "objects": [objects for _, objects in MADE]}


@pytest.fixture(scope="module")
def made(request, tmp_path_factory):
    """A family's folder, its processor, its model in training, and rows."""
    import torch

    torch.manual_seed(0)
    folder = getattr(tiny_detection, request.param)(tmp_path_factory.mktemp(request.param))
    processor, _ = _loading.adapted(TASK, str(folder), False, lambda: COLUMNS)
    model = TASK.build(str(folder), LABELS, {}, False)
    rows = stored(TASK.encode(COLUMNS, processor, 32, LABELS))
    return folder, processor, model, rows


every_family = pytest.mark.parametrize("made", FAMILIES, indirect=True)


@every_family
def test_it_learns_also_from_pictures_without_objects(made):
    import torch

    _, processor, model, rows = made
    collate = TASK.training_collator(processor, 0, {"augmentation": "light", "crop": 0.7})
    mixed, empty = collate([rows[row] for row in range(6)]), collate([rows[0], rows[3]])
    assert empty["count"].tolist() == [0, 0]
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-3)
    before = float(models.loss(TASK, model, mixed).detach())
    for batch in (mixed, empty, mixed, mixed, mixed, mixed):
        loss = models.loss(TASK, model, batch)
        assert torch.isfinite(loss)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    assert float(models.loss(TASK, model, mixed).detach()) < before


@every_family
def test_a_saved_model_says_what_transformers_pipeline_says(made, tmp_path):
    from PIL import Image
    from transformers import pipeline

    _, processor, model, rows = made
    setattr(model.config, _detecting.THRESHOLD, 0.0)
    model.save_pretrained(tmp_path, save_original_format=False)
    processor.save_pretrained(tmp_path)
    kept = _loading.trained(TASK, str(tmp_path))
    said = outputs(kept, rows, TASK.collator(processor), 4, TASK.infer)
    found = TASK.answers(TASK.decode(said, rows, COLUMNS, processor, LABELS), LABELS, 1)
    detect = pipeline("object-detection", model=str(tmp_path), device="cpu")
    for image, ours in zip(COLUMNS["image"], found, strict=True):
        theirs = detect(Image.open(io.BytesIO(image)), threshold=0.0)
        assert ours["count"] == len(ours["objects"]) == len(theirs) > 0
        theirs.sort(key=lambda each: -each["score"])
        assert [each["score"] for each in ours["objects"]] == pytest.approx(
            [each["score"] for each in theirs], abs=1e-4
        )
        near = zip(ours["objects"], theirs, strict=True)
        alike = [
            one["label"] == other["label"]
            and all(abs(one["box"][side] - other["box"][side]) <= 1 for side in one["box"])
            for one, other in near
        ]
        assert sum(alike) >= len(alike) - 2  # scores that are equal up to rounding swap places


@pytest.mark.parametrize("made", ["yolos"], indirect=True)
def test_pictures_are_brought_to_one_size_which_the_processor_keeps(made, tmp_path):
    folder, processor, _, rows = made
    assert rows.columns["pixels"].shape[1:] == (HEIGHT, WIDTH, 3)
    processor.save_pretrained(tmp_path)
    again = TASK.processor(str(tmp_path), False)
    assert again.size["height"], again.size["width"] == (HEIGHT, WIDTH)
    assert _detecting.adapt(again, {}, COLUMNS) == ()
    fresh = TASK.processor(str(folder), False)
    wide = _image(120, 20)
    (note,) = _detecting.adapt(fresh, {}, {"image": [*COLUMNS["image"], wide]})
    assert note == "pictures are brought to 64 x 32 pixels, which distorts 1 of the first 7: " \
        "their proportions differ"  # fmt: skip


def _image(width: int, height: int) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        (4 / 3, {"shortest_edge": 800, "longest_edge": 1333}, (800, 1056)),
        (3 / 4, {"shortest_edge": 800, "longest_edge": 1333}, (1056, 800)),
        (3.0, {"shortest_edge": 800, "longest_edge": 1333}, (448, 1344)),
        (2.0, {"max_height": 640, "max_width": 640}, (320, 640)),
        (1.0, {"shortest_edge": 5}, (32, 32)),
    ],
)
def test_sizes_are_those_of_a_usual_picture_in_steps(shape, size, expected):
    assert _detecting._fitted(shape, size) == expected


@pytest.mark.parametrize("made", ["detr"], indirect=True)
def test_boxes_in_a_batch_are_centres_and_extents_as_shares(made):
    _, processor, _, rows = made
    batch = TASK.collator(processor)([rows[2], rows[0]])
    assert batch["count"].tolist() == [2, 0]
    assert batch["class_labels"].tolist() == [[0, 1], [0, 0]]
    whole = np.asarray([WIDTH, HEIGHT, WIDTH, HEIGHT])
    for made_of, each in zip(batch["boxes"][0].numpy(), _boxes.objects(MADE[2][1]), strict=True):
        x0, y0, x1, y1 = np.asarray(each.box) / whole
        np.testing.assert_allclose(
            made_of, [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], atol=1e-6
        )


@pytest.mark.parametrize("made", ["detr"], indirect=True)
def test_flipped_pictures_take_their_boxes_along_and_follow_from_seed_and_epoch(made):
    _, processor, _, rows = made
    chosen = {"augmentation": "light", "flip": True, "crop": 1.0}
    batch = [rows[row] for row in (2, 5)]
    plain = TASK.collator(processor)(batch)
    seen = set()
    for epoch in range(8):
        collate = TASK.training_collator(processor, 7, chosen)
        collate.epoch = epoch
        changed = collate(batch)
        again = TASK.training_collator(processor, 7, chosen)
        again.epoch = epoch
        assert (again(batch)["pixel_values"] == changed["pixel_values"]).all()
        for row in range(2):
            mirrored = plain["boxes"][row].clone()
            mirrored[:, 0] = 1 - mirrored[:, 0]
            flipped = bool(np.allclose(changed["boxes"][row], mirrored, atol=1e-5))
            assert flipped or np.allclose(changed["boxes"][row], plain["boxes"][row], atol=1e-5)
            seen.add(flipped)
    assert seen == {True, False}


def test_randaugment_leaves_objects_under_their_boxes():
    found = _vision.still_settings({"augmentation": "randaugment", "flip": True})
    assert (found.policy, found.colour, found.flip) == ("none", 0.4, True)
    assert _vision.still_settings({"augmentation": "none"}) is None


@pytest.mark.parametrize("made", ["yolos"], indirect=True)
def test_the_threshold_is_settled_on_rows_and_kept_with_the_model(made, tmp_path):
    _, _, model, _ = made
    targets = TASK.targets(COLUMNS, LABELS)
    said = np.zeros((6, 3, 7), dtype=np.float32)
    said[:, :, 0] = -1
    for row, each in enumerate(targets):
        said[row, : len(each)] = np.column_stack(
            [each[:, 0], np.full(len(each), 0.3), each[:, 1:], np.zeros(len(each))]
        )
        said[row, 2] = [0, 0.1, 0, 0, 5, 5, 1]
    settled = TASK.settle(model, said, targets, LABELS)
    assert TASK.score(settled, targets, LABELS)["f1"] == 1.0
    assert TASK.score(said, targets, LABELS)["f1"] == 0.0
    model.save_pretrained(tmp_path)
    kept = json.loads((tmp_path / "config.json").read_text())["automl_threshold"]
    assert kept == pytest.approx(0.2)


def test_a_backbone_of_timm_is_refused_with_its_reason(tmp_path):
    config = {"model_type": "detr", "use_timm_backbone": True, "backbone": "resnet50"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CandidateError, match=r"needs the package timm.*no_timm"):
        TASK.build(str(tmp_path), LABELS, {}, False)


@pytest.mark.parametrize("made", ["rt_detr"], indirect=True)
def test_weights_besides_what_says_classes_must_be_there(made, tmp_path):
    from safetensors.torch import load_file, save_file

    folder, *_ = made
    weights = load_file(folder / "model.safetensors")
    lost = next(key for key in weights if "bbox_embed" in key)
    kept = {key: value for key, value in weights.items() if key != lost}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(CandidateError, match="1 of its weights are missing"):
        TASK.build(str(tmp_path), LABELS, {}, False)


@pytest.mark.parametrize("made", ["rt_detr", "yolos"], indirect=True)
def test_adapters_are_refused_where_they_could_not_learn_the_classes(made):
    folder, _, model, _ = made
    if model.config.model_type == "yolos":
        assert TASK.build(str(folder), LABELS, {"method": "lora"}, False)
        return
    with pytest.raises(CandidateError, match="a rt_detr says classes within its decoder"):
        TASK.build(str(folder), LABELS, {"method": "lora"}, False)


def test_an_unknown_class_is_named():
    with pytest.raises(DataError, match="'red' is not one of blue, green"):
        TASK.targets(COLUMNS, ("blue", "green"))


def test_the_report_tells_the_worst_pictures_and_each_class():
    targets = TASK.targets(COLUMNS, LABELS)
    columns = {"image": [f"/data/{row}.png" for row in range(6)], "objects": COLUMNS["objects"]}
    floor = TASK.floor(COLUMNS, {"test": COLUMNS}, LABELS, 0)["test"]
    report = TASK.report(floor, targets, columns, LABELS, 0)
    assert report.unit == "objects"
    assert set(report.per_class) == set(LABELS)
    assert report.per_class["blue"]["support"] == 4
    assert report.per_class["blue"]["ap"] > 0.3
    assert set(report.examples[0]) == {"image", "objects", "said", "missed", "made up"}
    assert report.examples[0]["image"].endswith(".png")
    assert "/" not in report.examples[0]["image"]


def test_sizes_are_told_by_headers_alone_and_upright():
    from PIL import Image

    from automl.tasks import _images

    stream = io.BytesIO()
    exif = Image.Exif()
    exif[_images.ORIENTATION] = 6
    Image.new("RGB", (40, 20)).save(stream, "JPEG", exif=exif)
    assert _images.size(stream.getvalue()) == (20, 40) == _vision.opened(stream.getvalue()).size
    assert _images.size(_image(40, 20)) == (40, 20)
    with pytest.raises(DataError, match="is no image that can be read"):
        _images.size(b"no image")


@pytest.mark.slow
def test_a_folder_of_coco_becomes_a_bundle_that_answers_as_its_pipeline(tmp_path, monkeypatch):
    from transformers import pipeline

    from automl.serving.predict import Predictor
    from tests.tasks.rehearsal import rehearse

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for split, first, count in (("train", 0, 16), ("val", 20, 6), ("test", 30, 6)):
        tiny_detection.coco(tmp_path / "set" / split, range(first, first + count))
    data = dict.fromkeys(("train", "validation", "test"), "set")
    model = tiny_detection.yolos(tmp_path / "yolos")
    chosen = {"epochs": 2, "augmentation": "light", "crop": 0.8, "flip": False}
    delivery = rehearse(tmp_path, TASK.name, model, chosen, **data)
    test = delivery.score.splits["test"]
    assert set(test.metrics) == {metric.name for metric in TASK.metrics}
    assert set(test.per_class) == set(LABELS)
    bundle = tmp_path / "bundle"
    assert "automl_threshold" in (bundle / "README.md").read_text()
    image = str(tmp_path / "set" / "test" / "32.png")
    (answer,) = Predictor(bundle).predict([{"image": image}])
    detect = pipeline("object-detection", model=str(bundle), device="cpu")
    least = detect.model.config.automl_threshold
    assert 0 < least < 1
    theirs = sorted(detect(image, threshold=least), key=lambda each: -each["score"])
    assert answer["count"] == len(answer["objects"]) == len(theirs)
    for ours, other in zip(answer["objects"], theirs, strict=True):
        assert (ours["label"], ours["box"]) == (other["label"], other["box"])
        assert ours["score"] == pytest.approx(other["score"], abs=1e-5)
