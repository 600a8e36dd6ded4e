"""Pictures with a bright disc on dark noise, their masks, and tiny models that tell them apart."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from tests.tasks.tiny_vision import SIDE, write


def encoded(pixels: Any, kind: str = "PNG") -> bytes:
    """Return an array as the bytes of a picture."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def disc(number: int, height: int = SIDE, width: int = SIDE) -> tuple[Any, Any]:
    """Return a picture (height, width, 3) and where its disc is, another one for each number."""
    import numpy as np

    rng = np.random.default_rng(number)
    y, x = np.mgrid[0:height, 0:width]
    middle = rng.uniform(0.3, 0.7, 2) * (height, width)
    there = (y - middle[0]) ** 2 + (x - middle[1]) ** 2 < (min(height, width) / 4) ** 2
    colours = np.where(there[..., None], (200, 180, 60), (60, 60, 90))
    return np.clip(rng.normal(colours, 25), 0, 255).astype(np.uint8), there


def mask(there: Any, on: int = 255, off: int = 0) -> bytes:
    """Return a greyscale mask with these values."""
    import numpy as np

    return encoded(np.where(there, on, off).astype(np.uint8))


def segformer(folder: Path) -> Path:
    """Write an untrained SegFormer of four stages of one layer each, and its processor."""
    from transformers.models.segformer.image_processing_pil_segformer import (
        SegformerImageProcessorPil,
    )

    write(
        folder,
        "SegformerForSemanticSegmentation",
        "SegformerConfig",
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 16, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        sr_ratios=[4, 2, 1, 1],
        decoder_hidden_size=16,
        mlp_ratios=[2, 2, 2, 2],
        num_labels=7,
    )
    made = SegformerImageProcessorPil(size={"height": SIDE, "width": SIDE})
    made.save_pretrained(folder)
    return folder


def beit(folder: Path) -> Path:
    """Write an untrained BEiT with its segmentation head, and its processor."""
    from transformers.models.beit.image_processing_pil_beit import BeitImageProcessorPil

    write(
        folder,
        "BeitForSemanticSegmentation",
        "BeitConfig",
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=SIDE,
        patch_size=8,
        out_indices=[1, 2, 3, 4],
        auxiliary_channels=8,
        pool_scales=[1, 2],
        num_labels=5,
    )
    made = BeitImageProcessorPil(
        size={"height": SIDE, "width": SIDE}, do_center_crop=False, do_reduce_labels=True
    )
    made.save_pretrained(folder)
    return folder


def dpt(folder: Path) -> Path:
    """Write an untrained DPT, and its processor, which would keep proportions."""
    from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

    write(
        folder,
        "DPTForSemanticSegmentation",
        "DPTConfig",
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=SIDE,
        patch_size=8,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        num_labels=5,
    )
    size = {"height": SIDE, "width": SIDE}
    DPTImageProcessorPil(size=size, keep_aspect_ratio=True).save_pretrained(folder)
    return folder


def upernet(folder: Path) -> Path:
    """Write an untrained UPerNet on a ConvNeXt, with SegFormer's processor, as those on the hub."""
    from transformers import ConvNextConfig

    segformer(folder)
    backbone = ConvNextConfig(
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    processor = (folder / "preprocessor_config.json").read_bytes()
    write(
        folder,
        "UperNetForSemanticSegmentation",
        "UperNetConfig",
        backbone_config=backbone,
        hidden_size=16,
        pool_scales=[1, 2],
        auxiliary_channels=8,
        auxiliary_in_channels=16,
        auxiliary_num_convs=1,
        num_labels=5,
    )
    (folder / "preprocessor_config.json").write_bytes(processor)
    return folder
