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
