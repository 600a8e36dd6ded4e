"""Models as timm publishes them, cut and loaded; those that need timm are skipped without it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl import tasks
from automl.errors import CandidateError
from automl.tasks import _timm, _vision

CFG = {
    "input_size": [3, 32, 32],
    "interpolation": "bicubic",
    "crop_pct": 0.8,
    "crop_mode": "center",
    "mean": [0.5, 0.4, 0.3],
    "std": [0.5, 0.25, 0.2],
}


def folder_of(path: Path, **changes: object) -> Path:
    told = {"architecture": "coatnet_pico_rw_224", "pretrained_cfg": {**CFG, **changes}}
    (path / "config.json").write_text(json.dumps(told))
    return path


@pytest.fixture
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 90, 3), dtype=np.uint8))


def test_pictures_are_cut_as_the_description_says(tmp_path: Path, picture: Image.Image) -> None:
    processor = _vision.load_processor(str(folder_of(tmp_path)))
    found = _vision.cut(picture, processor)
    resized = picture.resize((72, 40), Image.Resampling.BICUBIC)
    assert found.shape == (32, 32, 3)
    assert np.array_equal(found, np.asarray(resized.crop((20, 4, 52, 36))))
    scale = _vision.Scale.of(processor)
    assert (scale.mean, scale.deviation) == ((0.5, 0.4, 0.3), (0.5, 0.25, 0.2))
    squashed = folder_of(tmp_path, crop_mode="squash", crop_pct=1.0, interpolation="bilinear")
    whole = _vision.cut(picture, _vision.load_processor(str(squashed)))
    expected = np.asarray(picture.resize((32, 32), Image.Resampling.BILINEAR))
    assert np.array_equal(whole, expected)


def test_a_way_of_cutting_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CandidateError, match="crop_mode 'border'"):
        _timm.processor(str(folder_of(tmp_path, crop_mode="border")))


def test_other_models_are_left_to_transformers(tmp_path: Path) -> None:
    assert _timm.processor(str(tmp_path)) is None
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    assert _timm.processor(str(tmp_path)) is None


def test_a_coatnet_gets_a_head_for_other_classes(tmp_path: Path, picture: Image.Image) -> None:
    timm = pytest.importorskip("timm", reason="timm needs torchvision: no CPU build")
    import torch

    made = timm.create_model("coatnet_pico_rw_224", num_classes=12)
    timm.models.save_for_hf(made, str(tmp_path), safe_serialization=True)
    told = json.loads((tmp_path / "config.json").read_text())
    told.pop("model_args", None)  # as those on the hub, which were not made with arguments
    (tmp_path / "config.json").write_text(json.dumps(told))
    task, labels = tasks.get("image-classification"), ("a", "b", "c")
    model = task.build(str(tmp_path), labels, {"freeze_norm": True}, False)
    processor = task.processor(str(tmp_path), False)
    encoded = task.encode({"image": [picture] * 2}, processor, 64, labels)
    rows = [dict(zip(encoded, row, strict=True)) for row in zip(*encoded.values(), strict=True)]
    with torch.no_grad():
        logits = model.eval()(**task.collator(processor)(rows)).logits
    assert logits.shape == (2, 3)
    kept = made.state_dict()["stem.conv1.weight"]
    assert torch.equal(model.timm_model.state_dict()["stem.conv1.weight"], kept)
