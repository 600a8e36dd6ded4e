"""What detection does with pictures, boxes and models: encoded, in batches, read off the model.

Pictures are brought to one size, which is kept with the processor: so a pipeline does the same.
Knows no metric.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from automl.errors import CandidateError
from automl.plan import Scalar
from automl.tasks import ADAPTING, Columns, Labels, _boxes, _images, _text, _vision

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel

AUTO_CLASS = "AutoModelForObjectDetection"
CHUNK = 64
"""Pictures decoded at once: 205 MB of 800 by 1333."""
STRIDE = 32
"""Sides are multiples of this: what the last features of a backbone are smaller by."""
MOST = 100
"""Objects that a picture has at most, the most certain ones, as COCO's evaluation has it."""
THRESHOLD = "automl_threshold"
"""The config's key for the score from which an object is shown."""
SHOWN_FROM = 0.5
"""Where nothing was settled: what pipelines take."""
_HEADS = ("class_embed", "score_head", "class_labels_classifier")
"""Parts that say classes, wherever a family has them: new for new classes."""
_COUNT, _CLASSES, _BOXES = "count", "class_labels", "boxes"
_AT_ONCE = 256
"""Pictures whose objects are read off at once."""


def adapt(processor: Any, config: Mapping[str, Any], columns: Columns) -> tuple[str, ...]:
    """Let the processor bring all pictures to one size, where it would keep their proportions.

    It is the size that it gives to a picture of the usual proportions, in steps of ``STRIDE``.
    """
    import statistics

    size = processor.to_dict().get("size") or {}
    if size.get("height") and size.get("width"):
        return ()
    sizes = [_images.size(each) for each in columns["image"][: _vision.SAMPLE_ROWS]]
    shape = statistics.median(width / height for width, height in sizes)
    height, width = _fitted(shape, size)
    processor.size = type(processor.size)(height=height, width=width)
    processor.do_pad = False
    apart = sum(abs(each[0] / each[1] / shape - 1) > 0.1 for each in sizes)
    note = f"pictures are brought to {width} x {height} pixels"
    if apart:
        note += f", which distorts {apart} of the first {len(sizes)}: their proportions differ"
    return (note,)


def _fitted(shape: float, size: Mapping[str, Any]) -> tuple[int, int]:
    """Return height and width of a picture that is ``shape`` times as wide as high."""
    if size.get("shortest_edge"):
        short = float(size["shortest_edge"])
        longer = max(shape, 1 / shape)
        short = min(short, float(size.get("longest_edge") or short * longer) / longer)
        wide, high = (short * longer, short) if shape >= 1 else (short, short * longer)
    elif size.get("max_height") and size.get("max_width"):
        high = min(float(size["max_height"]), float(size["max_width"]) / shape)
        wide = high * shape
    else:
        raise CandidateError(f"its image processor has no size that is known: {dict(size)}")
    return _stepped(high), _stepped(wide)


def _stepped(side: float) -> int:
    return max(STRIDE, round(side / STRIDE) * STRIDE)


def build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    """Return the folder's model with a head for ``labels``.

    Raises CandidateError where weights outside of what says classes are missing, where its backbone
    needs a package that is not there, and where adapters could not learn the classes.
    """
    _refuse_timm(path)
    settings = {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    config = _text.load_config(path, hyperparameters, trust_remote_code, settings)
    if getattr(config, "use_pretrained_backbone", False):
        config.use_pretrained_backbone = False  # the folder has its weights
    model, new = _text.load_weights(AUTO_CLASS, path, config, trust_remote_code)
    if lost := sorted(key for key in new if not any(part in key for part in _HEADS)):
        raise _text.missing(lost)
    inside = f"{model.base_model_prefix}."
    if hyperparameters.get("method") in ADAPTING and any(key.startswith(inside) for key in new):
        raise CandidateError(
            f"a {config.model_type} says classes within its decoder, which adapters would leave as "
            "it was drawn: leave lora and qlora out of search.space.method"
        )
    return model


def _refuse_timm(path: str) -> None:
    """Raise CandidateError where the model's backbone is one of timm's, which is not installed."""
    file = Path(path) / "config.json"
    if not file.is_file() or importlib.util.find_spec("timm") is not None:
        return
    try:
        config = json.loads(file.read_bytes())
    except ValueError:
        return  # what can't be read is told where it is loaded
    backbone = config.get("backbone_config") or {}
    named = config.get("backbone") and config.get("use_timm_backbone", True)
    if backbone.get("model_type") == "timm_backbone" or (not backbone and named):
        raise CandidateError(
            "its backbone needs the package timm, which is not installed; some repositories have a "
            "revision without (facebook/detr-resnet-50@no_timm)"
        )


def encode(columns: Columns, processor: Any, max_length: int, labels: Labels) -> dict[str, Any]:
    """Return ``pixels``, uint8 (height, width, 3), ``size`` of the whole picture, and its objects.

    These are ``class_labels`` and ``boxes``, four corners each as shares of width and height, where
    the rows have some. Raises DataError naming a label that is not one of ``labels``.
    """
    import numpy as np

    sizes = [_images.size(each) for each in columns["image"]]
    encoded: dict[str, Any] = {
        "pixels": _vision.pixels(columns["image"], processor),
        "size": [np.asarray(size, dtype=np.int32) for size in sizes],
    }
    if _boxes.OBJECTS in columns:
        found = [_boxes.objects(value) for value in columns[_boxes.OBJECTS]]
        encoded[_CLASSES] = [
            np.asarray(_text.indices([each.label for each in row], labels), dtype=np.int64)
            for row in found
        ]
        encoded[_BOXES] = [
            (_corners(row) / np.asarray([*size, *size])).astype(np.float32).ravel()
            for row, size in zip(found, sizes, strict=True)
        ]
    return encoded


def _corners(row: Sequence[_boxes.Object]) -> np.ndarray:
    import numpy as np

    return np.asarray([each.box for each in row], dtype=np.float64).reshape(-1, 4)


def targets(columns: Columns, labels: Labels) -> list[np.ndarray]:
    """Return each picture's objects, float64 of (objects, 5): class, and corners in pixels."""
    import numpy as np

    found = []
    for value in columns[_boxes.OBJECTS]:
        row = _boxes.objects(value)
        classes = _text.indices([each.label for each in row], labels)
        found.append(np.column_stack([np.asarray(classes, dtype=np.float64), _corners(row)]))
    return found


@dataclass(slots=True)
class Collator:
    """Turns encoded pictures into a batch; for training (``seed`` is set) changed at random.

    What happens to a picture is a function of the seed, the ``epoch`` and its pixels, and its boxes
    move along. Objects are padded to the most of a picture, their number is under ``count``.
    """

    scale: _vision.Scale
    seed: int | None = None
    hyperparameters: Mapping[str, Scalar] | None = None
    epoch: int = 0

    def __call__(self, rows: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Return pixel_values (rows, 3, height, width), and objects where rows have them.

        Boxes are centre, width and height as shares of the picture: (rows, objects, 4).
        """
        import numpy as np
        import torch

        seen = [self._augmented(row) for row in rows]
        shown = np.stack([pixels for pixels, *_ in seen])
        batch = {"pixel_values": self.scale.scaled(torch.from_numpy(shown))}
        if _CLASSES in rows[0]:
            most = max(1, *(len(classes) for _, classes, _ in seen))
            padded = np.zeros((len(rows), most), dtype=np.int64)
            boxes = np.zeros((len(rows), most, 4), dtype=np.float32)
            for row, (_, classes, corners) in enumerate(seen):
                padded[row, : len(classes)] = classes
                boxes[row, : len(classes), :2] = (corners[:, :2] + corners[:, 2:]) / 2
                boxes[row, : len(classes), 2:] = corners[:, 2:] - corners[:, :2]
            counts = np.asarray([len(classes) for _, classes, _ in seen], dtype=np.int64)
            batch |= {_CLASSES: torch.from_numpy(padded), _BOXES: torch.from_numpy(boxes),
                      _COUNT: torch.from_numpy(counts)}  # fmt: skip
        return batch

    def _augmented(self, row: Mapping[str, Any]) -> tuple[Any, Any, Any]:
        """Return pixels, classes and corners of what is left of the row."""
        import numpy as np

        pixels = row["pixels"]
        classes = np.asarray(row.get(_CLASSES, ()), dtype=np.int64)
        corners = np.asarray(row.get(_BOXES, ()), dtype=np.float32).reshape(-1, 4)
        settings = _vision.still_settings(self.hyperparameters)
        if settings is None or self.seed is None:
            return pixels, classes, corners
        from automl.tasks import _augmenting

        generator = _augmenting.generator(self.seed, self.epoch, crc32(pixels.tobytes()))
        height, width = pixels.shape[:2]
        whole = np.asarray([width, height, width, height], dtype=np.float32)
        moved, found, kept = _augmenting.moved_boxes(pixels, corners * whole, settings, generator)
        return _augmenting.restyled(moved, settings, generator), classes[kept], found / whole


def collator(processor: Any) -> Collator:
    """Return what makes a batch of pictures as they are."""
    return Collator(_vision.Scale.of(processor))


def training_collator(processor: Any, seed: int, hyperparameters: Mapping[str, Scalar]) -> Collator:
    """Return what makes a batch of pictures changed as the hyperparameters say."""
    return Collator(_vision.Scale.of(processor), seed, hyperparameters)


def loss(model: Any, inputs: dict[str, Any]) -> Any:
    """Return the model's own loss: objects matched one to one, classes and boxes (Carion et al.
    2020).
    """
    counts = inputs[_COUNT].tolist()
    labels = [
        {_CLASSES: classes[:count], _BOXES: boxes[:count]}
        for classes, boxes, count in zip(inputs[_CLASSES], inputs[_BOXES], counts, strict=True)
    ]
    return model(pixel_values=inputs["pixel_values"], labels=labels).loss


class Seen(NamedTuple):
    """What a model says of one picture: of each query classes and a box; from where it is shown."""

    logits: np.ndarray
    boxes: np.ndarray
    threshold: float


def infer(model: Any, inputs: dict[str, Any]) -> Iterator[Seen]:
    """Yield what the model says of each picture of the batch, float32."""
    said = model(pixel_values=inputs["pixel_values"])
    least = float(getattr(model.config, THRESHOLD, SHOWN_FROM))
    logits, boxes = (each.float().cpu().numpy() for each in (said.logits, said.pred_boxes))
    return (Seen(*each, least) for each in zip(logits, boxes, strict=True))


def decode(
    outputs: Sequence[Seen], rows: Any, columns: Columns, processor: Any, labels: Labels
) -> np.ndarray:
    """Return up to ``MOST`` objects of each picture, as the processor reads them off the model.

    Float32 of (pictures, objects, 7), the most certain first: class, score, corners in pixels of
    the whole picture, and 1 where it is shown. What is not there has class -1 and score 0.
    """
    import numpy as np
    import torch

    found = np.zeros((len(outputs), MOST, 7), dtype=np.float32)
    found[:, :, 0] = -1
    for start in range(0, len(outputs), _AT_ONCE):
        part = outputs[start : start + _AT_ONCE]
        said = SimpleNamespace(
            logits=torch.from_numpy(np.stack([each.logits for each in part])),
            pred_boxes=torch.from_numpy(np.stack([each.boxes for each in part])),
        )
        sizes = [rows[start + place]["size"] for place in range(len(part))]
        whole = torch.tensor([[int(size[1]), int(size[0])] for size in sizes])
        read = processor.post_process_object_detection(said, threshold=0.0, target_sizes=whole)
        for row, each in enumerate(read, start):
            scores = each["scores"].numpy()
            order = np.argsort(-scores, kind="stable")[:MOST]
            found[row, : len(order), 0] = each["labels"].numpy()[order]
            found[row, : len(order), 1] = scores[order]
            found[row, : len(order), 2:6] = each["boxes"].numpy()[order]
            found[row, : len(order), 6] = scores[order] > outputs[row].threshold
    return found


def settle(model: Any, predictions: np.ndarray, targets: Sequence[Any], labels: Labels) -> Any:
    """Show objects from the score that gives the best F1 of these rows; return what is shown so."""
    from automl.tasks import _average_precision

    matched = _average_precision.matched(predictions, targets, len(labels))
    least = _average_precision.threshold(matched)
    setattr(model.config, THRESHOLD, least)
    found = predictions.copy()
    found[:, :, 6] = (found[:, :, 0] >= 0) & (found[:, :, 1] > least)
    return found


def answers(predictions: np.ndarray, labels: Labels, top: int) -> list[dict[str, Any]]:
    """Return each picture's objects that are shown, the most certain first, and their number.

    Boxes are whole pixels, cut off as pipelines do.
    """
    found = []
    for picture in predictions:
        objects = [
            {
                "label": labels[int(each[0])],
                "score": float(each[1]),
                "box": {
                    name: int(value)
                    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), each[2:6], strict=True)
                },
            }
            for each in picture
            if each[6] > 0
        ]
        found.append({"objects": objects, "count": len(objects)})
    return found
