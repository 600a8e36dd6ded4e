"""Image classification: pixels as processors cut them, changes in training, bundles in use."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path

import numpy as np
import pytest

from automl.compiler.heads import objection
from automl.errors import CandidateError, DataError
from automl.tasks import _loading, _vision
from automl.tasks.image_classification import TASK
from automl.worker import features, store
from tests.data.test_data_media import by_class
from tests.tasks import bundles
from tests.tasks.rehearsal import rehearse
from tests.tasks.tiny_vision import COLOURS, SIDE, png, vit, write

LABELS = ("red", "green", "blue")
ROWS = {
    "image": [png(number, COLOURS[number % 3], (40, 24)) for number in range(9)],
    "label": [LABELS[number % 3] for number in range(9)],
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """A folder with a small ViT, and its processor."""
    folder = vit(tmp_path_factory.mktemp("vit"))
    return folder, _vision.load_processor(str(folder))


def mobile(folder: Path) -> Path:
    """Write an untrained MobileNetV2 of a twentieth of the width."""
    return write(
        folder,
        "MobileNetV2Model",
        "MobileNetV2Config",
        image_size=SIDE,
        depth_multiplier=0.25,
        classifier_dropout_prob=0.8,
    )


def test_a_batch_is_what_the_processor_makes_of_the_pictures(seen):
    from PIL import Image

    _, processor = seen
    encoded = TASK.encode(ROWS, processor, 64, LABELS)
    rows = store.rows(encoded)
    assert rows[0]["pixels"].shape == (SIDE, SIDE, 3)
    batch = TASK.collator(processor)([rows[row] for row in range(3)])
    images = [Image.open(io.BytesIO(each)) for each in ROWS["image"][:3]]
    theirs = processor(images, return_tensors="pt")["pixel_values"]
    assert batch["pixel_values"].numpy() == pytest.approx(theirs.numpy(), abs=1e-5)
    assert batch["labels"].tolist() == [0, 1, 2]


def test_pixels_come_back_from_disk_as_they_were_in_parts(seen, tmp_path):
    _, processor = seen
    encoded = store.rows(TASK.encode(ROWS, processor, 64, LABELS))
    parts = [encoded.take(np.arange(4)), encoded.take(np.arange(4, 9))]
    store.save(parts, tmp_path)
    loaded = store.load(tmp_path)
    assert len(loaded) == 9
    assert loaded.columns["pixels"].dtype == np.uint8
    assert all((loaded[row]["pixels"] == encoded[row]["pixels"]).all() for row in range(9))
    assert loaded.scalars("labels").tolist() == encoded.scalars("labels").tolist()


def test_parts_of_ragged_rows_are_joined(tmp_path):
    parts = [store.rows({"x": [[1, 2], [], [3]]}), store.rows({"x": [[4], [5, 6, 7]]})]
    store.save(parts, tmp_path)
    loaded = store.load(tmp_path)
    assert [loaded[row]["x"].tolist() for row in range(5)] == [[1, 2], [], [3], [4], [5, 6, 7]]


def test_a_file_that_is_no_picture_is_named(seen, tmp_path):
    _, processor = seen
    (tmp_path / "note.jpg").write_text("hello")
    with pytest.raises(DataError, match=r"note\.jpg is no image that can be read"):
        TASK.encode({"image": [str(tmp_path / "note.jpg")]}, processor, 64, LABELS)


def test_pictures_change_in_training_by_seed_epoch_and_content_alone(seen):
    _, processor = seen
    rows = store.rows(TASK.encode(ROWS, processor, 64, LABELS))
    some = [rows[row] for row in range(4)]
    wishes = {"augmentation": "light", "flip": True, "crop": 0.5}

    def batch(seed, epoch, given=some, hyperparameters=wishes):
        collate = TASK.training_collator(processor, seed, hyperparameters)
        collate.epoch = epoch
        return collate(given)["pixel_values"].numpy()

    first = batch(1, 0)
    assert (first == batch(1, 0)).all()
    assert (first[::-1] == batch(1, 0, some[::-1])).all()
    assert not (first == batch(1, 1)).all()
    assert not (first == batch(2, 0)).all()
    plain = TASK.collator(processor)(some)["pixel_values"].numpy()
    assert (batch(1, 0, hyperparameters={"augmentation": "none"}) == plain).all()
    strong = {**wishes, "augmentation": "randaugment", "magnitude": 9}
    assert not (batch(1, 0, hyperparameters=strong) == first).all()


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixed_pictures_are_learnt_as_the_shares_of_what_is_in_them(seen, kind):
    import torch

    from automl.tasks import _weighting

    folder, processor = seen
    rows = store.rows(TASK.encode(ROWS, processor, 64, LABELS))
    collate = TASK.training_collator(processor, 1, {"mixing": kind, "mixing_alpha": 1.0})
    some = [rows[row] for row in range(6)]
    batch, again = collate(some), collate(some)
    mixture = batch[_weighting.MIXTURE]
    assert torch.equal(mixture, again[_weighting.MIXTURE])
    assert torch.equal(batch["pixel_values"], again["pixel_values"])
    assert torch.allclose(mixture.sum(1), torch.ones(6))
    assert 0 < float(mixture.diagonal().min()) < 1
    if kind == "mixup":
        plain = TASK.collator(processor)(some)["pixel_values"]
        blended = (mixture @ plain.flatten(1)).view_as(plain)
        assert torch.allclose(batch["pixel_values"], blended, atol=1e-5)
    model = TASK.build(str(folder), LABELS, {}, False).eval()
    logits = model(pixel_values=batch["pixel_values"]).logits.log_softmax(-1)
    by_hand = -(mixture * logits[:, batch["labels"]]).sum(1).mean()
    assert torch.allclose(TASK.loss(model, batch), by_hand, atol=1e-5)


def test_frozen_batch_norm_stays_as_it_is_and_keeps_its_names(tmp_path):
    import torch

    path = str(mobile(tmp_path))
    model = TASK.build(path, LABELS, {"freeze_norm": True, "dropout": 0.2}, False)
    free = TASK.build(path, LABELS, {}, False)
    assert list(model.state_dict()) == list(free.state_dict())
    before = copy.deepcopy(model.state_dict())
    norm = next(each for each in model.modules() if type(each).__name__ == "BatchNorm2d")
    model.train()
    assert model.training
    assert not norm.training
    assert model.dropout.p == 0.2
    pictures = torch.rand(4, 3, SIDE, SIDE)
    model(pixel_values=pictures).logits.sum().backward()
    assert norm.weight.grad is None
    assert model.classifier.weight.grad is not None
    after = model.state_dict()
    assert all(bool((after[name] == before[name]).all()) for name in after)
    free.train()(pixel_values=pictures)
    moved = "mobilenet_v2.conv_stem.first_conv.normalization.running_mean"
    assert not bool((free.state_dict()[moved] == before[moved]).all())


def test_layers_of_a_transformer_that_sees_can_be_compared_frozen(seen):
    folder, processor = seen
    model = TASK.build(str(folder), LABELS, {}, False)
    rows = store.rows(TASK.encode(ROWS, processor, 64, LABELS))
    found = features.by_layer(model, rows, TASK.collator(processor), 4, "mean")
    assert found.shape == (9, 3, 32)


def test_what_a_convolutional_head_reads_can_be_compared_frozen(seen, tmp_path):
    from automl.jobs import ModelRef, ScreenSpec
    from automl.worker.screening import screen

    rows = {"image": ROWS["image"] * 8, "label": ROWS["label"] * 8}
    values = zip(*rows.values(), strict=True)
    sample = tuple(dict(zip(rows, each, strict=True)) for each in values)
    refs = ModelRef("mobile", str(mobile(tmp_path))), ModelRef("vit", str(seen[0]))
    spec = ScreenSpec(
        task=TASK.name,
        models=refs,
        labels=LABELS,
        sample=sample,
        max_lengths={"mobile": 64, "vit": 64},
        by="knn",
        threads=1,
        devices=(),
        seed=0,
    )
    found = screen(spec).scores
    assert [score.refused for score in found] == [None, None]
    assert all(score.score > 0.5 for score in found)


def test_fewer_layers_and_layer_decay_work_on_a_transformer_that_sees(seen):
    from automl.worker import depths

    folder, _ = seen
    model = TASK.build(str(folder), LABELS, {"keep_layers": 1}, False)
    assert model.config.num_hidden_layers == 1
    factors = depths.factors(TASK.build(str(folder), LABELS, {}, False), 0.5)
    assert {0.125, 0.25, 0.5, 1.0} == set(factors.values())


def test_a_folder_without_a_processor_is_refused(seen, tmp_path):
    with pytest.raises(CandidateError, match="its image processor can't be loaded"):
        _vision.load_processor(str(tmp_path))


def test_what_timm_published_is_known_and_refused_where_timm_is_not(tmp_path):
    from automl.catalog import folder

    (tmp_path / "config.json").write_text(
        json.dumps({"architecture": "coatnet_0_rw_224", "pretrained_cfg": {"input_size": [3]}})
    )
    (tmp_path / "model.safetensors").write_bytes(b"")
    found = folder.describe(
        tmp_path, source="folder", reference="coatnet", revision=None, trust_remote_code=False
    )
    assert found.config["model_type"] == "timm_wrapper"
    said = objection(found, TASK)
    assert said is None or "it needs timm" in said or "it needs torchvision" in said


def test_a_bundle_answers_as_the_pipeline_does(seen, tmp_path):
    from PIL import Image
    from transformers import pipeline

    from automl.serving.predict import Predictor

    folder, _ = seen
    bundle = bundles.write(TASK.name, tmp_path, LABELS, {"image": "photo"}, folder)
    file = tmp_path / "one.png"
    file.write_bytes(png(5, COLOURS[1], (50, 31)))
    predictor = Predictor(bundle, "cpu", draw=2)
    given = [str(file), file.read_bytes(), Image.open(file), {"image": str(file)}]
    answers = list(predictor.predict([{"image": each} for each in given[:3]] + given[3:], top=3))
    (theirs,) = pipeline("image-classification", model=str(bundle), device="cpu")([str(file)])
    for answer in answers:
        assert answer["label"] == theirs[0]["label"]
        assert answer["scores"] == pytest.approx({e["label"]: e["score"] for e in theirs}, abs=1e-4)
    assert len(predictor.drawn) == 2
    assert predictor.drawn[0][1] == f"{theirs[0]['label']} {theirs[0]['score']:.2f}"


def test_batches_prepared_by_other_processes_are_the_same(seen):
    from torch.utils.data import DataLoader

    from automl.worker.sampling import LengthGrouped

    _, processor = seen
    rows = store.rows(TASK.encode(ROWS, processor, 64, LABELS))

    def passes(workers):
        collate = TASK.training_collator(processor, 3, {"augmentation": "light", "crop": 0.5})
        sampler = LengthGrouped(rows.lengths, 4, 3)
        loader = DataLoader(rows, 4, sampler=sampler, collate_fn=collate, num_workers=workers)
        for epoch in range(2):
            collate.epoch = sampler.epoch = epoch
            yield from (batch["pixel_values"].numpy() for batch in loader)

    pairs = zip(passes(0), passes(2), strict=True)
    assert [bool((one == other).all()) for one, other in pairs] == [True] * 6


@pytest.mark.slow
def test_a_trial_on_folders_of_pictures_leaves_a_card_with_pictures(seen, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder, _ = seen
    by_class(tmp_path / "photos", 60)
    delivery = rehearse(
        tmp_path,
        TASK.name,
        folder,
        {"augmentation": "light", "flip": True, "crop": 0.7, "epochs": 3},
        train="photos",
        validation=0.2,
        test=0.2,
    )
    assert delivery.score.splits["test"].metrics["accuracy"] > 0.8
    bundle = tmp_path / "bundle"
    assert _loading.trained(TASK, str(bundle)).config.id2label[0] == "blue"
    assert not (bundle / "tokenizer_config.json").exists()
    card = (bundle / "README.md").read_text()
    assert "automl predict path/to/this/folder pictures/" in card
    assert "tokens" not in card
    assert "Text length" not in card
    assert str(tmp_path) not in card
