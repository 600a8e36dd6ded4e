"""What segmentation does with pictures, masks and models: encoded, in batches, read off the model.

Pictures are brought to the model's size whole, never cropped, so that its map is of all of them,
as pipelines take it to be. Knows no metric.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

from automl.errors import CandidateError
from automl.plan import Scalar
from automl.tasks import Columns, Labels, _detecting, _images, _masks, _vision
from automl.tasks._text import IGNORED

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel

    from automl.tasks._maps import Map

AUTO_CLASS = "AutoModelForSemanticSegmentation"
CHUNK = 64
"""Pictures decoded at once: 67 MB of 512 by 512, masks included."""
UNMARKED = _masks.IGNORED
_IGNORED_KEYS = ("semantic_loss_ignore_index", "loss_ignore_index")
"""What families call the target that their loss leaves out."""


def adapt(processor: Any, config: Mapping[str, Any], columns: Columns) -> tuple[str, ...]:
    """Let the processor bring whole pictures to one size, where it would crop or keep proportions.

    It is the size that it would crop to, else that of a picture of the usual proportions. Raises
    CandidateError where a pipeline could not read the model's maps off with it.
    """
    if not hasattr(processor, "post_process_semantic_segmentation"):
        raise CandidateError(
            f"its image processor, a {type(processor).__name__}, reads no maps of classes off a "
            "model; those of SegFormer, BEiT, DPT and MobileNet do"
        )
    if getattr(processor, "do_reduce_labels", None):
        processor.do_reduce_labels = False  # masks are encoded without it
    if getattr(processor, "keep_aspect_ratio", None):
        processor.keep_aspect_ratio = False
    said = processor.to_dict()
    crop = said.get("crop_size")
    if not said.get("do_center_crop") or not crop:
        return _detecting.adapt(processor, config, columns)
    height, width = crop["height"], crop["width"]
    processor.size = type(processor.size)(height=height, width=width)
    processor.do_center_crop = False
    return (f"pictures are brought to {width} x {height} pixels, rather than cropped to them",)


def build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    """Return the folder's model with a head for ``labels``.

    Raises CandidateError as ``_text.load_model`` does, and where there are too many classes, or
    too few to tell apart.
    """
    if not 2 <= len(labels) <= _masks.MOST_CLASSES:
        raise CandidateError(
            f"the masks have {len(labels)} class{'' if len(labels) == 1 else 'es'}; it takes 2 to "
            f"{_masks.MOST_CLASSES}"
        )
    return _vision.load_model(
        AUTO_CLASS,
        path,
        hyperparameters,
        trust_remote_code,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )


def encode(columns: Columns, processor: Any, max_length: int, labels: Labels) -> dict[str, Any]:
    """Return ``pixels``, uint8 (height, width, 3), ``size`` (height and width of the whole picture)
    and ``labels``, uint8 (height, width), where the rows have masks.

    Raises DataError naming a file that can't be read or holds a value that is no class.
    """
    import numpy as np

    sizes = [_images.size(each) for each in columns["image"]]
    pixels = _vision.pixels(columns["image"], processor)
    encoded: dict[str, Any] = {
        "pixels": pixels,
        "size": [np.asarray([high, wide], dtype=np.int32) for wide, high in sizes],
    }
    if _masks.MASK in columns:
        masks = _masks.indices(columns, labels)
        encoded["labels"] = [
            _shrunk(mask, shown.shape[:2]) for mask, shown in zip(masks, pixels, strict=True)
        ]
    return encoded


def _shrunk(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the mask in this height and width, each pixel that of the nearest place."""
    import numpy as np

    rows, columns = (
        ((np.arange(size) + 0.5) * (there / size)).astype(int)
        for size, there in zip(shape, mask.shape, strict=True)
    )
    found: np.ndarray = mask[np.ix_(rows, columns)]
    return found


def targets(columns: Columns, labels: Labels) -> list[Map]:
    """Return each mask as a map, in its own size."""
    from automl.tasks._maps import Map

    return [Map.of(mask) for mask in _masks.indices(columns, labels)]


@dataclass(slots=True)
class Collator:
    """Turns encoded pictures into a batch; for training (``seed`` is set) changed at random.

    What happens to a picture is a function of the seed, the ``epoch`` and its pixels, and its mask
    moves along. Only batches to predict hold ``size``.
    """

    scale: _vision.Scale
    seed: int | None = None
    hyperparameters: Mapping[str, Scalar] | None = None
    epoch: int = 0

    def __call__(self, rows: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Return pixel_values (rows, 3, height, width) and int64 labels (rows, height, width).

        Pixels without a class have the label that losses leave out, and are not counted with.
        """
        import numpy as np
        import torch

        seen = [self._augmented(row) for row in rows]
        shown = np.stack([pixels for pixels, _ in seen])
        batch = {"pixel_values": self.scale.scaled(torch.from_numpy(shown))}
        if "labels" in rows[0]:
            masks = np.stack([mask for _, mask in seen]).astype(np.int64)
            masks[masks == UNMARKED] = IGNORED
            batch["labels"] = torch.from_numpy(masks)
        if self.seed is None:
            batch["size"] = torch.from_numpy(np.stack([row["size"] for row in rows]))
        return batch

    def _augmented(self, row: Mapping[str, Any]) -> tuple[Any, Any]:
        pixels, mask = row["pixels"], row.get("labels")
        found = _vision.still_settings(self.hyperparameters)
        if found is None or self.seed is None or mask is None:
            return pixels, mask
        from automl.tasks import _augmenting

        generator = _augmenting.generator(self.seed, self.epoch, crc32(pixels.tobytes()))
        moved, mask = _augmenting.moved_mask(pixels, mask, found, generator)
        return _augmenting.restyled(moved, found, generator), mask


def collator(processor: Any) -> Collator:
    """Return what makes a batch of pictures as they are."""
    return Collator(_vision.Scale.of(processor))


def training_collator(processor: Any, seed: int, hyperparameters: Mapping[str, Scalar]) -> Collator:
    """Return what makes a batch of pictures changed as the hyperparameters say."""
    return Collator(_vision.Scale.of(processor), seed, hyperparameters)


def loss(model: Any, inputs: dict[str, Any]) -> Any:
    """Return the model's own loss: cross-entropy over the pixels that have a class.

    0 of a batch without any, of which it would be no number.
    """
    labels = inputs["labels"]
    config = getattr(model, "module", model).config
    given = {"pixel_values": inputs["pixel_values"]}
    if bool((labels == IGNORED).all()):
        return model(**given).logits.float().sum() * 0.0
    ignored = next((getattr(config, key) for key in _IGNORED_KEYS if hasattr(config, key)), IGNORED)
    return model(**given, labels=labels.masked_fill(labels == IGNORED, ignored)).loss


def infer(model: Any, inputs: dict[str, Any]) -> Iterator[Map]:
    """Yield a map of each picture, in its own size.

    Logits are stretched to it, as processors' ``post_process_semantic_segmentation`` does.
    """
    from torch.nn.functional import interpolate

    from automl.tasks._maps import Map

    logits = model(pixel_values=inputs["pixel_values"]).logits.float()
    for each, size in zip(logits, inputs["size"].tolist(), strict=True):
        whole = interpolate(each[None], size=tuple(size), mode="bilinear", align_corners=False)
        yield Map.of(whole[0].argmax(dim=0).cpu().numpy())


def decode(
    outputs: Sequence[Map], rows: Any, columns: Columns, processor: Any, labels: Labels
) -> list[Map]:
    """Return the maps as they are."""
    return list(outputs)
