"""Pictures that can be told apart by their colours, and tiny models that see them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

SIDE = 32
COLOURS = ((220, 40, 40), (40, 200, 60), (50, 60, 220))


def png(number: int, colour: tuple[int, int, int], size: tuple[int, int] = (SIDE, SIDE)) -> bytes:
    """Return a picture of noise around the colour, another one for each number."""
    import numpy as np
    from PIL import Image

    drawn = np.random.default_rng(number).normal(colour, 30, (size[1], size[0], 3))
    stream = io.BytesIO()
    Image.fromarray(np.clip(drawn, 0, 255).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def write(folder: Path, model_class: str, config_class: str, **settings: Any) -> Path:
    """Write an untrained transformers model, and a processor for pictures of ``SIDE``."""
    import transformers

    processor(folder)
    config = getattr(transformers, config_class)(**settings)
    getattr(transformers, model_class)(config).save_pretrained(folder)
    return folder


def processor(folder: Path) -> None:
    """Write an image processor that squashes pictures to a square of ``SIDE``."""
    from transformers import AutoImageProcessor
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    made = ViTImageProcessorPil(size={"height": SIDE, "width": SIDE})
    made.save_pretrained(folder)
    AutoImageProcessor.from_pretrained(folder, backend="pil")


def vit(folder: Path) -> Path:
    """Write an untrained ViT of two layers."""
    return write(
        folder,
        "ViTModel",
        "ViTConfig",
        image_size=SIDE,
        patch_size=8,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
    )
