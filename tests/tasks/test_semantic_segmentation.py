"""Segmentation: folders and tables of masks, what their values mean, and what a bundle says."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from automl import tasks
from automl.errors import CandidateError, DataError
from automl.serving.predict import Predictor
from automl.tasks import _loading, _maps, _masks, _overlays, _segmenting
from automl.tasks._maps import Map
from tests.tasks import bundles
from tests.tasks.rehearsal import load, rehearse
from tests.tasks.tiny_segmentation import beit, disc, dpt, encoded, mask, segformer, upernet
from tests.tasks.tiny_vision import write

TASK = tasks.get("semantic-segmentation")
SHARES = {"validation": 0.2, "test": 0.2}
ROWS = 20


def folder(
    root: Path, rows: int = ROWS, images: str = "images/{}.png", masks: str = "masks/{}.png",
    of: Any = mask,
) -> Path:  # fmt: skip
    """Write pictures of discs and their masks."""
    for number in range(rows):
        pixels, there = disc(number)
        for name, content in ((images, encoded(pixels)), (masks, of(there))):
            path = root / name.format(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return root


def loaded(tmp_path: Path, **data: Any) -> Any:
    return load(tmp_path, TASK.name, train="data", **{**SHARES, **data})


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images/{}.png", "masks/{}.png"),
        ("imgs/{}.png", "labels/{}_mask.png"),
        ("JPEGImages/{}.png", "SegmentationClass/{}.png"),
        ("train_images/{}.png", "train_masks/{}.png"),
        ("images/train/{}.png", "annotations/train/{}.png"),
        ("leftImg8bit/train/x/{}_leftImg8bit.png", "gtFine/train/x/{}_gtFine_labelIds.png"),
        ("{}.png", "{}_mask.png"),
        ("{}_sat.png", "{}_seg.png"),
    ],
)
def test_pictures_and_masks_are_paired_by_name(tmp_path, images, masks):
    folder(tmp_path / "data", 2, images, masks)
    paths = [each.relative_to(tmp_path / "data").as_posix()
             for each in sorted((tmp_path / "data").rglob("*.png"))]  # fmt: skip
    found = TASK.gather(tmp_path / "data", paths)
    pairs = dict(zip(found["image"], found["mask"], strict=True))
    assert pairs == {images.format(each): masks.format(each) for each in range(2)}


def test_every_file_without_a_counterpart_is_named(tmp_path):
    folder(tmp_path / "data")
    (tmp_path / "data" / "masks" / "3.png").rename(tmp_path / "data" / "masks" / "other.png")
    with pytest.raises(DataError) as error:
        loaded(tmp_path)
    said = str(error.value)
    assert "images/3.png has no mask" in said
    assert "masks/other.png has no picture" in said


def test_a_folder_without_masks_says_how_they_are_laid_out(tmp_path):
    folder(tmp_path / "data", 3, masks="images/{}b.png")
    with pytest.raises(DataError, match=r"6 pictures and no masks(.|\n)*masks/1.png"):
        loaded(tmp_path)


def test_values_are_classes_whatever_they_are(tmp_path):
    folder(tmp_path / "data")
    found = loaded(tmp_path)
    assert found.plan.labels == ("0", "255")
    assert not [note for note in found.plan.warnings if "255" in note]
    assert set(found.tables) == {"train", "validation", "test"}


def test_a_table_with_two_columns_of_paths_is_read(tmp_path):
    root = folder(tmp_path / "data", masks="where/{}.png")
    lines = [f"images/{number}.png,where/{number}.png" for number in range(ROWS)]
    (root / "metadata.csv").write_text("\n".join(["file_name,segmentation_mask", *lines]))
    assert loaded(tmp_path).plan.columns == {"image": "file_name", "mask": "segmentation_mask"}


def test_255_is_no_class_beside_values_from_0_on(tmp_path):
    def with_rim(there: Any) -> bytes:
        values = there.astype(np.uint8)
        values[0] = 255
        return encoded(values)

    folder(tmp_path / "data", of=with_rim)
    found = loaded(tmp_path)
    assert found.plan.labels == ("0", "1")
    assert any("value 255, in 20 masks, are taken for not labelled" in note
               for note in found.plan.warnings)  # fmt: skip
    rows = {"mask": [with_rim(disc(0)[1])]}
    (places,) = _masks.indices(rows, ("0", "1"))
    assert set(np.unique(places)) == {0, 1, 255}
    assert (places[0] == 255).all()


def test_colours_are_classes_and_greys_among_them_plain_numbers(tmp_path):
    def coloured(there: Any) -> bytes:
        return encoded(np.where(there[..., None], (255, 0, 0), (7, 7, 7)).astype(np.uint8))

    folder(tmp_path / "data", of=coloured)
    assert loaded(tmp_path).plan.labels == ("7", "#ff0000")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("id2label.json", '{"0": "dark", "255": "disc"}'),
        ("id2label.json", '{"dark": 0, "disc": 255}'),
        ("classes.txt", "0 dark\n255: disc\n"),
        ("labelmap.txt", "# label:color_rgb:parts:actions\ndark:0,0,0::\ndisc:255,255,255::\n"),
        ("class_dict.csv", "name,r,g,b\ndark,0,0,0\ndisc,255,255,255\n"),
    ],
)
def test_a_file_names_the_values(tmp_path, file, text):
    (folder(tmp_path / "data") / file).write_text(text)
    found = loaded(tmp_path)
    assert found.plan.labels == ("dark", "disc")
    columns = found.tables["test"].to_pydict()
    there = np.concatenate([each.ravel() for each in _masks.indices(columns, found.plan.labels)])
    assert set(np.unique(there)) == {0, 1}


def test_names_a_line_count_from_0(tmp_path):
    (folder(tmp_path / "data", of=lambda there: mask(there, 1)) / "classes.txt").write_text(
        "dark\ndisc\nsky\n"
    )
    assert loaded(tmp_path).plan.labels == ("dark", "disc", "sky")


def test_a_value_without_a_name_is_named_with_its_file(tmp_path):
    (folder(tmp_path / "data", of=lambda there: mask(there, 9)) / "classes.txt").write_text("a\nb")
    with pytest.raises(DataError, match=r"0\.png holds the value 9, which has no name; named"):
        loaded(tmp_path)


def test_a_file_of_names_that_says_none_is_refused(tmp_path):
    (folder(tmp_path / "data") / "id2label.json").write_text("{}")
    with pytest.raises(DataError, match=r"id2label\.json names no classes"):
        loaded(tmp_path)


def smeared(there: Any) -> bytes:
    return encoded(np.where(there, 255, 0).astype(np.uint8), "JPEG")


def noisy(there: Any) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (*there.shape, 3))
    return encoded(noise.astype(np.uint8))


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (smeared(disc(0)[1]), "is a JPEG, which smears the values of a mask"),
        (noisy(np.zeros((64, 64))), "different values: it is no mask"),
        (mask(disc(0, 16, 24)[1]), "is 24 x 16 pixels, its picture 32 x 32"),
        (encoded(np.full((32, 32), -1.5, np.float32), "TIFF"), "holds values that are not whole"),
    ],
)
def test_a_mask_of_no_use_is_named_with_the_rule(tmp_path, content, rule):
    (folder(tmp_path / "data") / "masks" / "4.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"4\.png {rule}" if "no mask" not in rule else rule):
        loaded(tmp_path)


def test_a_mask_with_nothing_labelled_is_named(tmp_path):
    root = folder(tmp_path / "data", of=lambda there: mask(there, 1))
    (root / "masks" / "4.png").write_bytes(mask(disc(0)[1], 255, 255))
    with pytest.raises(DataError, match=r"4\.png has nothing labelled"):
        loaded(tmp_path)


def test_a_value_that_train_has_not_is_named(tmp_path):
    folder(tmp_path / "data")
    folder(tmp_path / "other", of=lambda there: mask(there, 128))
    with pytest.raises(DataError, match=r"test has classes that train has not: '128', in 20 rows"):
        loaded(tmp_path, test="other")


def test_255_is_left_out_where_train_has_none(tmp_path):
    folder(tmp_path / "data", of=lambda there: mask(there, 1))
    folder(tmp_path / "other", of=lambda there: mask(there, 1, 255))
    assert loaded(tmp_path, test="other").plan.labels == ("0", "1")


def test_palettes_that_differ_are_refused(tmp_path):
    def painted(there: Any, colour: tuple[int, int, int]) -> Image.Image:
        image = Image.fromarray(there.astype(np.uint8)).convert("P")
        image.putdata(list(there.astype(int).ravel()))
        image.putpalette([0, 0, 0, *colour])
        return image

    root = folder(tmp_path / "data")
    for number in range(ROWS):
        colour = (9, 9, 200) if number == 5 else (200, 0, 0)
        painted(disc(number)[1], colour).save(root / "masks" / f"{number}.png")
    with pytest.raises(DataError, match=r"palette of its own: value 1 is #"):
        loaded(tmp_path)
    painted(disc(5)[1], (200, 0, 0)).save(root / "masks" / "5.png")
    assert loaded(tmp_path).plan.labels == ("0", "1")


def test_one_bit_and_sixteen_bits_are_read():
    there = disc(0)[1]
    assert set(np.unique(_masks.codes(encoded(there)))) == {0, 255}
    deep = encoded(np.where(there, 7000, 3).astype(np.uint16))
    assert _masks.classes({"mask": [deep]}) == ("3", "7000")


def test_masks_of_one_value_are_refused_with_the_candidate(tmp_path):
    with pytest.raises(CandidateError, match="the masks have 1 class; it takes 2 to 255"):
        TASK.build(str(segformer(tmp_path)), ("0",), {}, False)


def random_maps(rows: int, classes: int, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    sizes = [(int(rng.integers(3, 9)), int(rng.integers(3, 9))) for _ in range(rows)]
    return [rng.integers(0, classes, size).astype(np.uint8) for size in sizes]


def test_scores_are_those_of_scikit_learn():
    from sklearn.metrics import accuracy_score, f1_score, jaccard_score, recall_score

    truth = random_maps(12, 4, 0)
    said = [np.where(np.random.default_rng(at).random(each.shape) < 0.6, each, (each + 1) % 4)
            .astype(np.uint8) for at, each in enumerate(truth)]  # fmt: skip
    for each in truth:
        each[0, 0] = _maps.IGNORED
    flat = np.concatenate([each.ravel() for each in truth])
    marked = flat != _maps.IGNORED
    true, guess = flat[marked], np.concatenate([each.ravel() for each in said])[marked]
    packed = [Map.of(each) for each in said], [Map.of(each) for each in truth]
    found = _maps.score(*packed, 4)
    assert found == pytest.approx(
        {
            "mean_iou": jaccard_score(true, guess, average="macro"),
            "dice": f1_score(true, guess, average="macro"),
            "mean_accuracy": recall_score(true, guess, average="macro"),
            "pixel_accuracy": accuracy_score(true, guess),
        }
    )
    report = _maps.report(*packed, [str(at) for at in range(12)], ("a", "b", "c", "d"), 0)
    ious = jaccard_score(true, guess, average=None)
    assert [each["iou"] for each in report.per_class.values()] == pytest.approx(list(ious))
    assert np.asarray(report.confusion).sum() == marked.sum()


def test_classes_that_are_nowhere_do_not_count():
    truth = [Map.of(np.array([[0, 0, 1]], np.uint8))]
    found = _maps.score(truth, truth, 5)
    assert found == dict.fromkeys(found, 1.0)


def test_pictures_without_a_label_count_nothing():
    nothing = [Map.of(np.full((2, 2), 255, np.uint8))]
    said = [Map.of(np.zeros((2, 2), np.uint8))]
    assert all(math.isfinite(each) for each in _maps.score(said, nothing, 3).values())


def test_a_map_is_told_as_shares_and_runs():
    places = np.array([[0, 0, 2], [2, 2, 1]], np.uint8)
    packed = Map.of(places)
    np.testing.assert_array_equal(packed.places(), places)
    (answer,) = _maps.answers([packed], ("sky", "sea", "sand"))
    assert answer == {
        "shares": {"sand": 0.5, "sky": pytest.approx(1 / 3), "sea": pytest.approx(1 / 6)},
        "size": [2, 3],
        "runs": "0*2 2*3 1*1",
    }
    again = [np.full(int(count), int(at)) for at, count in
             (run.split("*") for run in answer["runs"].split())]  # fmt: skip
    np.testing.assert_array_equal(np.concatenate(again), places.ravel())


def test_an_overlay_colours_classes_and_leaves_the_rest():
    image = Image.new("RGB", (60, 40), (100, 100, 100))
    places = np.full((40, 60), 255, np.uint8)
    places[:, 30:] = 1
    drawn = np.asarray(_overlays.overlay(image, places, ("a", "b")))
    assert drawn[39, 0].tolist() == [100, 100, 100]
    assert drawn[39, 59].tolist() != [100, 100, 100]
    with pytest.raises(ValueError, match="the map is 60 x 40 pixels, the picture 10 x 10"):
        _overlays.overlay(Image.new("RGB", (10, 10)), places, ("a", "b"))


def processor(**settings: Any) -> Any:
    from transformers.models.mobilenet_v2.image_processing_pil_mobilenet_v2 import (
        MobileNetV2ImageProcessorPil,
    )

    return MobileNetV2ImageProcessorPil(**settings)


def test_a_processor_that_crops_takes_whole_pictures_instead():
    made = processor(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32})
    (note,) = TASK.adapt(made, {}, {"image": [encoded(disc(0, 20, 60)[0])]})
    assert "rather than cropped" in note
    pixels, there = disc(0, 20, 60)
    found = TASK.encode({"image": [encoded(pixels)], "mask": [mask(there)]}, made, 1, ("0", "255"))
    assert found["pixels"][0].shape == (32, 32, 3)
    assert found["labels"][0].shape == (32, 32)
    assert found["size"][0].tolist() == [20, 60]
    bright = found["pixels"][0][..., 0] > 130
    assert (bright == (found["labels"][0] == 1)).mean() > 0.9


def test_a_processor_that_reads_no_maps_off_is_refused():
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    with pytest.raises(CandidateError, match="reads no maps of classes off a model"):
        TASK.adapt(ViTImageProcessorPil(), {}, {"image": []})


def test_training_moves_the_mask_with_its_picture(tmp_path):
    made = processor(do_center_crop=False, size={"height": 32, "width": 32})
    rows = [disc(number) for number in range(6)]
    columns = {"image": [encoded(pixels) for pixels, _ in rows],
               "mask": [mask(there) for _, there in rows]}  # fmt: skip
    encoded_rows = TASK.encode(columns, made, 1, ("0", "255"))
    items = [{name: values[row] for name, values in encoded_rows.items()} for row in range(6)]
    collate = TASK.training_collator(made, 3, {"augmentation": "light", "flip": True, "crop": 0.4})
    batch = collate(items)
    assert "size" not in batch
    red = batch["pixel_values"][:, 0].numpy()
    there = batch["labels"].numpy() == 1
    assert np.mean([(image > np.median(image)) [at].mean() for image, at in
                    zip(red, there, strict=True)]) > 0.9  # fmt: skip
    again = collate(items)
    assert (again["labels"] == batch["labels"]).all()
    collate.epoch = 1
    assert (collate(items)["labels"] != batch["labels"]).any()


@pytest.mark.parametrize("key", ["semantic_loss_ignore_index", "loss_ignore_index"])
def test_pixels_without_a_class_are_left_out_of_the_loss(tmp_path, key):
    import torch

    model = TASK.build(str(segformer(tmp_path)), ("0", "1"), {}, False).eval()
    setattr(model.config, key, 255)
    pixels = torch.randn(2, 3, 32, 32)
    labels = torch.randint(0, 2, (2, 32, 32))
    labels[:, :16] = -100
    loss = TASK.loss(model, {"pixel_values": pixels, "labels": labels})
    logits = torch.nn.functional.interpolate(
        model(pixel_values=pixels).logits, size=(32, 32), mode="bilinear", align_corners=False
    )
    expected = torch.nn.functional.cross_entropy(logits[:, :, 16:], labels[:, 16:])
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    nothing = TASK.loss(model, {"pixel_values": pixels, "labels": torch.full((2, 32, 32), -100)})
    assert float(nothing.detach()) == 0.0
    nothing.backward()


def test_families_with_other_heads_are_trained_and_read(tmp_path):
    import torch

    folder_ = write(
        tmp_path / "m", "MobileNetV2ForSemanticSegmentation", "MobileNetV2Config",
        depth_multiplier=0.1, min_depth=4, depth_divisible_by=4, image_size=32, output_stride=8,
        num_labels=5,
    )  # fmt: skip
    hyperparameters = {"freeze_norm": True, "dropout": 0.1}
    model = TASK.build(str(folder_), ("0", "1", "2"), hyperparameters, False).train()
    assert model.segmentation_head.dropout.p == 0.1
    inputs = {"pixel_values": torch.randn(2, 3, 32, 32), "labels": torch.zeros(2, 32, 32).long()}
    TASK.loss(model, inputs).backward()
    sizes = torch.tensor([[10, 30], [64, 8]])
    maps = list(TASK.infer(model.eval(), {**inputs, "size": sizes}))
    assert [(each.height, each.width) for each in maps] == [(10, 30), (64, 8)]


def test_a_bundle_says_what_its_pipeline_does(tmp_path):
    from transformers import pipeline

    root = folder(tmp_path / "data", 3)
    (root / "images" / "0.png").write_bytes(encoded(disc(0, 40, 70)[0]))
    bundle = bundles.write(
        TASK.name, tmp_path / "bundle", ("dark", "disc"), {"image": "image", "mask": "mask"},
        segformer(tmp_path / "m"),
    )  # fmt: skip
    segment: Any = pipeline("image-segmentation", model=str(bundle))
    predictor = Predictor(bundle, "cpu", draw=1)
    rows = [{"image": str(root / "images" / f"{number}.png")} for number in range(3)]
    for row, answer in zip(rows, predictor.predict(rows, batch_size=2), strict=True):
        found = segment(row["image"], subtask="semantic")
        width, height = found[0]["mask"].size
        assert answer["size"] == [height, width]
        assert set(answer["shares"]) == {each["label"] for each in found}
        for each in found:
            share = (np.asarray(each["mask"]) > 0).mean()
            assert answer["shares"][each["label"]] == pytest.approx(share)
    assert predictor.drawn[0][0].size == (70, 40)


@pytest.mark.slow
def test_from_a_folder_to_a_bundle_that_tells_discs_from_the_dark(tmp_path):
    (folder(tmp_path / "data", 30) / "id2label.json").write_text(
        json.dumps({"0": "dark", "255": "disc"})
    )
    delivery = rehearse(
        tmp_path, TASK.name, segformer(tmp_path / "m"),
        {"epochs": 12, "learning_rate": 1e-2, "batch_size": 4}, train="data", **SHARES,
    )  # fmt: skip
    scores = delivery.score.splits["test"]
    assert scores.metrics["mean_iou"] > 0.6
    assert delivery.floor.splits["test"].metrics["mean_iou"] > 0.7
    assert set(scores.per_class) == {"dark", "disc"}
    assert scores.unit == "pixels"
    assert scores.examples[0]["image"].endswith(".png")
    assert (tmp_path / "bundle" / "README.md").read_text().count("disc") > 1


def test_the_mask_is_stretched_like_the_picture():
    shrunk = _segmenting._shrunk(np.arange(16, dtype=np.uint8).reshape(4, 4), (2, 2))
    assert shrunk.tolist() == [[5, 7], [13, 15]]


@pytest.mark.parametrize("family", [beit, dpt, upernet])
def test_a_step_and_a_way_to_disk_and_back_of_each_family(tmp_path, family):
    import torch

    rows = [disc(number, 40, 56) for number in range(2)]
    columns = {
        "image": [encoded(pixels) for pixels, _ in rows],
        "mask": [mask(there) for _, there in rows],
    }
    made, labels = str(family(tmp_path / "m")), ("0", "255")
    processor, _ = _loading.adapted(TASK, made, False, lambda: columns)
    model = TASK.build(made, labels, {"dropout": 0.1}, False)
    encoded_rows = TASK.encode(columns, processor, 64, labels)
    items = [
        dict(zip(encoded_rows, row, strict=True))
        for row in zip(*encoded_rows.values(), strict=True)
    ]
    changed = {"augmentation": "light", "flip": True, "crop": 0.7}
    TASK.loss(model.train(), TASK.training_collator(processor, 0, changed)(items)).backward()
    assert any(w.grad is not None and w.grad.abs().sum() > 0 for w in model.parameters())
    model.eval().save_pretrained(tmp_path / "out", save_original_format=False)
    processor.save_pretrained(tmp_path / "out")
    again = _loading.trained(TASK, str(tmp_path / "out"))
    batch = TASK.collator(TASK.processor(str(tmp_path / "out"), False))(items)
    with torch.no_grad():
        one, other = list(TASK.infer(model, batch)), list(TASK.infer(again, batch))
    assert one == other
    assert [(each.height, each.width) for each in one] == [(40, 56)] * 2
