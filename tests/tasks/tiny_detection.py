"""Pictures of squares whose places are known, and tiny models that look for them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from automl.tasks import _boxes

LABELS = ("blue", "red")
COLOURS = ((50, 60, 220), (220, 40, 40))
WIDTH, HEIGHT = 64, 32


def picture(number: int) -> tuple[bytes, str]:
    """Return a PNG of up to two squares, blue to the left and red to the right, and its objects."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(number)
    pixels = rng.normal(128, 10, (HEIGHT, WIDTH, 3))
    found = []
    for place in range(number % 3):
        side = int(rng.integers(14, 18))
        left, top = place * WIDTH // 2 + int(rng.integers(8, 11)), int(rng.integers(8, 11))
        pixels[top : top + side, left : left + side] = COLOURS[place]
        box = (float(left), float(top), float(left + side), float(top + side))
        found.append(_boxes.Object(LABELS[place], box))
    stream = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue(), _boxes.written(found)


def coco(folder: Path, numbers: Iterable[int]) -> None:
    """Write pictures with these numbers, and a COCO document beside them."""
    folder.mkdir(parents=True)
    images: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for number in numbers:
        content, said = picture(number)
        (folder / f"{number}.png").write_bytes(content)
        images.append({"id": number, "file_name": f"{number}.png", "width": WIDTH})
        for label, (left, top, right, bottom) in _boxes.objects(said):
            box = [left, top, right - left, bottom - top]
            kind = LABELS.index(label)
            found.append({"id": len(found), "image_id": number, "category_id": kind, "bbox": box})
    named = [{"id": index, "name": label} for index, label in enumerate(LABELS)]
    made = {"images": images, "annotations": found, "categories": named}
    (folder / "annotations.json").write_text(json.dumps(made))


def yolos(folder: Path) -> Path:
    """Write an untrained YOLOS of two layers, whose processor keeps proportions."""
    from transformers import YolosConfig, YolosForObjectDetection
    from transformers.models.yolos.image_processing_pil_yolos import YolosImageProcessorPil

    size = {"shortest_edge": 32, "longest_edge": 96}
    return _written(
        folder,
        YolosImageProcessorPil(size=size),
        YolosForObjectDetection(
            YolosConfig(
                image_size=[32, 64],
                patch_size=8,
                hidden_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=64,
                num_detection_tokens=8,
                use_mid_position_embeddings=False,
                num_labels=3,
            )
        ),
    )


def _resnet() -> Any:
    from transformers import ResNetConfig

    return ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 16, 32],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage4"],
    )


_DECODER = {
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "num_queries": 8,
    "num_labels": 3,
}


def detr(folder: Path) -> Path:
    """Write an untrained DETR on a small ResNet."""
    from transformers import DetrConfig, DetrForObjectDetection
    from transformers.models.detr.image_processing_pil_detr import DetrImageProcessorPil

    config = DetrConfig(backbone_config=_resnet(), use_timm_backbone=False, **_DECODER)
    size = {"shortest_edge": 32, "longest_edge": 96}
    return _written(folder, DetrImageProcessorPil(size=size), DetrForObjectDetection(config))


def conditional_detr(folder: Path) -> Path:
    """Write an untrained conditional DETR on a small ResNet."""
    from transformers import ConditionalDetrConfig, ConditionalDetrForObjectDetection
    from transformers.models.conditional_detr.image_processing_pil_conditional_detr import (
        ConditionalDetrImageProcessorPil,
    )

    config = ConditionalDetrConfig(backbone_config=_resnet(), use_timm_backbone=False, **_DECODER)
    size = {"shortest_edge": 32, "longest_edge": 96}
    return _written(
        folder,
        ConditionalDetrImageProcessorPil(size=size),
        ConditionalDetrForObjectDetection(config),
    )


def deformable_detr(folder: Path) -> Path:
    """Write an untrained deformable DETR on a small ResNet."""
    from transformers import DeformableDetrConfig, DeformableDetrForObjectDetection
    from transformers.models.deformable_detr.image_processing_pil_deformable_detr import (
        DeformableDetrImageProcessorPil,
    )

    backbone = _resnet()
    backbone.out_features = ["stage2", "stage3", "stage4"]
    config = DeformableDetrConfig(
        backbone_config=backbone, use_timm_backbone=False, num_feature_levels=3, **_DECODER
    )
    size = {"shortest_edge": 32, "longest_edge": 96}
    return _written(
        folder,
        DeformableDetrImageProcessorPil(size=size),
        DeformableDetrForObjectDetection(config),
    )


def rt_detr(folder: Path, version: str = "") -> Path:
    """Write an untrained RT-DETR on a small ResNet; ``version`` V2 is the second."""
    import transformers
    from transformers import RTDetrResNetConfig
    from transformers.models.rt_detr.image_processing_pil_rt_detr import RTDetrImageProcessorPil

    backbone = RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 16, 32],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = getattr(transformers, f"RTDetr{version}Config")(
        backbone_config=backbone,
        encoder_hidden_dim=32,
        encoder_in_channels=[16, 16, 32],
        encoder_ffn_dim=32,
        encoder_attention_heads=2,
        d_model=32,
        decoder_in_channels=[32, 32, 32],
        decoder_ffn_dim=32,
        decoder_layers=2,
        decoder_attention_heads=2,
        num_queries=8,
        num_denoising=4,
        hidden_expansion=0.5,
        num_labels=3,
    )
    return _written(
        folder,
        RTDetrImageProcessorPil(size={"height": 64, "width": 64}),
        getattr(transformers, f"RTDetr{version}ForObjectDetection")(config),
    )


def rt_detr_v2(folder: Path) -> Path:
    """Write an untrained RT-DETR v2 on a small ResNet."""
    return rt_detr(folder, "V2")


def _written(folder: Path, processor: Any, model: Any) -> Path:
    processor.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder
