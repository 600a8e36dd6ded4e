"""Models as timm publishes them: how they want pictures cut, and which weights are their head.

Needs neither timm nor torchvision itself; knows no task.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl.errors import CandidateError

_RESAMPLING = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}
"""Pillow's numbers of timm's words."""


def processor(path: str) -> Any | None:
    """Return an image processor that cuts pictures as the folder's ``pretrained_cfg`` says.

    Transformers' own for such folders does the same with torchvision, and whatever other processor
    lies there it takes no note of. None where the model is not timm's. Raises CandidateError for a
    way of cutting that is not known.
    """
    config = Path(path, "config.json")
    if not config.is_file():
        return None
    found = json.loads(config.read_bytes())
    told = found.get("pretrained_cfg") if isinstance(found, dict) else None
    return _made(told) if isinstance(told, Mapping) and "architecture" in found else None


def _made(told: Mapping[str, Any]) -> Any:
    from transformers import AutoImageProcessor

    mode = told.get("crop_mode", "center")
    height, width = (int(side) for side in told["input_size"][1:])
    if mode not in ("center", "squash"):
        raise CandidateError(f"its pictures are cut in a way not known here: crop_mode {mode!r}")
    share = float(told.get("crop_pct") or 1.0)
    larger = [math.floor(side / share) for side in (height, width)]
    squashed = mode == "squash" or height != width
    settings = {
        "image_processor_type": "BitImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"height": larger[0], "width": larger[1]}
        if squashed
        else {"shortest_edge": larger[0]},
        "resample": _RESAMPLING.get(told.get("interpolation", "bicubic"), 3),
        "do_center_crop": True,
        "crop_size": {"height": height, "width": width},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(told["mean"]),
        "image_std": list(told["std"]),
    }
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "preprocessor_config.json").write_text(json.dumps(settings))
        return AutoImageProcessor.from_pretrained(folder, backend="pil")


def head(model: Any) -> frozenset[str]:
    """Return the names of the head's weights; each of timm's families calls it its own.

    Empty for models that are not timm's.
    """
    if not hasattr(model, "timm_model"):
        return frozenset()
    weights = {id(weight) for weight in model.timm_model.get_classifier().parameters()}
    return frozenset(name for name, weight in model.named_parameters() if id(weight) in weights)
