"""What tasks over pictures share: processors without torchvision, models, batches, augmentation.

Pixels are cut to the model's size once and kept as uint8; what a processor does to numbers happens
in the batch. Heavy libraries are imported inside. Knows no class names and no metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from zlib import crc32

from automl import machine
from automl.errors import CandidateError, DataError
from automl.plan import Scalar
from automl.tasks import Role, _weighting

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel

IMAGE = Role(
    "image",
    "image",
    True,
    ("image", "img", "photo", "picture", "file_name", "image_path", "image_file", "filename",
     "path", "file", "image_id"),
)  # fmt: skip
CHUNK = 512
"""Pictures decoded at once: 77 MB of 224 by 224."""
SAMPLE_ROWS = 256
"""Pictures that candidates are tried on."""
PATCH = 16
"""Side of the patches that most transformers read, by which memory is guessed before measuring."""
_NORMED = ("BatchNorm1d", "BatchNorm2d", "SyncBatchNorm")


def load_processor(path: str, trust_remote_code: bool = False) -> Any:
    """Return the folder's image processor, the one that works with Pillow where there is one.

    Raises CandidateError with a plain reason when it can't be loaded.
    """
    from transformers import AutoImageProcessor

    from automl.tasks import _timm

    if (made := _timm.processor(path)) is not None:
        return made
    given = {"trust_remote_code": trust_remote_code}
    try:
        try:
            found = AutoImageProcessor.from_pretrained(path, backend="pil", **given)
        except ValueError:  # code that comes with a model knows no backends
            if not trust_remote_code:
                raise
            found = AutoImageProcessor.from_pretrained(path, **given)
    except Exception as error:  # the file is someone else's: whatever it raises is the reason
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise CandidateError(f"its image processor can't be loaded: {words}") from error
    return found


def load_model(
    auto_class: str,
    path: str,
    hyperparameters: Mapping[str, Scalar],
    trust_remote_code: bool,
    **settings: Any,
) -> PreTrainedModel:
    """Return the folder's model as ``_text.load_model`` does.

    ``freeze_norm`` keeps what batch normalisation knows of the pictures it was pretrained on.
    """
    from automl.tasks import _text

    model = _text.load_model(auto_class, path, hyperparameters, trust_remote_code, **settings)
    if hyperparameters.get("freeze_norm", False):
        freeze_norm(model)
    return model


def freeze_norm(model: Any) -> None:
    """Let batch normalisation use its running statistics, and neither change: also in training."""
    for module in list(model.modules()):
        if type(module).__name__ in _NORMED:
            module.requires_grad_(False)
            module.__class__ = _frozen(type(module))
            module.eval()


def _frozen(kind: type) -> type:
    """Return the class of a layer that stays in evaluation mode; weights keep their names."""

    def train(self: Any, mode: bool = True) -> Any:
        self.training = False
        return self

    return type(kind.__name__, (kind,), {"train": train})


def pixels(sources: Sequence[Any], processor: Any) -> list[np.ndarray]:
    """Return each picture as the processor cuts it, uint8 of shape (height, width, 3).

    ``sources`` are paths, bytes or Pillow images. Raises DataError naming a file that can't be
    read.
    """
    from concurrent.futures import ThreadPoolExecutor

    def one(source: Any) -> np.ndarray:
        return cut(opened(source), processor)

    # Pillow lets go of the interpreter's lock while it decodes.
    with ThreadPoolExecutor(machine.cores()) as pool:
        return list(pool.map(one, sources))


def opened(source: Any) -> Any:
    """Return the picture as a Pillow image; DataError says which file can't be read."""
    from automl.tasks import _images

    try:
        return _images.opened(source)
    except DataError as error:
        name = PurePath(source).name if isinstance(source, str) else "the picture"
        raise DataError(f"{name} {error}") from error


def cut(image: Any, processor: Any) -> np.ndarray:
    """Return the picture resized and cropped, not yet brought to the model's numbers."""
    import numpy as np

    made = processor(
        image, do_rescale=False, do_normalize=False, return_tensors="np", input_data_format=None
    )
    found = np.asarray(made["pixel_values"][0])
    if found.dtype != np.uint8:
        found = np.clip(np.rint(found), 0, 255).astype(np.uint8)
    # Copied in the order of memory that augmentation and Pillow want.
    return np.ascontiguousarray(found.transpose(1, 2, 0))


def lengths(encoded: Mapping[str, Sequence[Any]]) -> list[int]:
    """Return how many patches a transformer would read of each picture."""
    return [
        max(1, (each.shape[0] // PATCH) * (each.shape[1] // PATCH)) for each in encoded["pixels"]
    ]


@dataclass(frozen=True, slots=True)
class Scale:
    """From pixels to a model's numbers: (pixel × factor − mean) / deviation, by channel."""

    factor: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(cls, processor: Any) -> Scale:
        """Return what the processor does to numbers."""
        said = processor.to_dict()
        factor = float(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 1.0
        if not said.get("do_normalize", True):
            return cls(factor, (0.0,), (1.0,))
        return cls(factor, tuple(said["image_mean"]), tuple(said["image_std"]))

    def scaled(self, batch: Any) -> Any:
        """Return uint8 pixels (rows, height, width, 3) as float32 (rows, 3, height, width)."""
        import torch

        mean, deviation = (
            torch.tensor(each, dtype=torch.float32).view(1, -1, 1, 1)
            for each in (self.mean, self.deviation)
        )
        return (batch.permute(0, 3, 1, 2).float() * self.factor - mean) / deviation


@dataclass(slots=True)
class Collator:
    """Turns encoded pictures into a batch; for training (``seed`` is set) changed at random.

    What happens to a picture is a function of the seed, the ``epoch`` and its pixels.
    """

    scale: Scale
    seed: int | None = None
    hyperparameters: Mapping[str, Scalar] | None = None
    epoch: int = 0

    def __call__(self, rows: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Return pixel_values (rows, 3, height, width), and labels where rows have some."""
        import numpy as np
        import torch

        shown = np.stack([self._augmented(row["pixels"]) for row in rows])
        batch = {"pixel_values": self.scale.scaled(torch.from_numpy(shown))}
        if "labels" in rows[0]:
            batch["labels"] = torch.from_numpy(np.asarray([row["labels"] for row in rows]))
        return batch if self.seed is None else self._mixed(batch, shown)

    def _mixed(self, batch: dict[str, Any], shown: np.ndarray) -> dict[str, Any]:
        """Mix pictures with each other where that is wished, and say of whom each is how much."""
        import torch

        from automl.tasks import _augmenting

        wishes = self.hyperparameters or {}
        kind = str(wishes.get("mixing", "none"))
        if kind == "none" or len(shown) < 2 or self.seed is None:
            return batch
        alpha = float(wishes.get("mixing_alpha", 0.2))
        generator = _augmenting.generator(self.seed, self.epoch, crc32(shown.tobytes()))
        found, mixture = _augmenting.mixed(
            batch["pixel_values"],
            torch.eye(len(shown)),
            "mixup" if kind == "mixup" else "cutmix",
            alpha,
            generator,
        )
        return {**batch, "pixel_values": found, _weighting.MIXTURE: mixture}

    def _augmented(self, given: np.ndarray) -> np.ndarray:
        settings = self._settings()
        if settings is None or self.seed is None:
            return given
        from automl.tasks import _augmenting

        generator = _augmenting.generator(self.seed, self.epoch, crc32(given.tobytes()))
        return _augmenting.augmented(given, settings, generator)

    def _settings(self) -> Any:
        return None if self.hyperparameters is None else settings(self.hyperparameters)


def settings(hyperparameters: Mapping[str, Scalar]) -> Any:
    """Return how pictures are changed in training; None where they are not."""
    from automl.tasks import _augmenting

    policy = str(hyperparameters.get("augmentation", "none"))
    if policy == "none":
        return None
    return _augmenting.Augmenting(
        flip=bool(hyperparameters.get("flip", False)),
        crop=float(hyperparameters.get("crop", 1.0)),
        colour=0.2,
        policy="randaugment" if policy == "randaugment" else "none",
        magnitude=int(hyperparameters.get("magnitude", 5)),
        erase=0.0,
    )


def still_settings(hyperparameters: Mapping[str, Scalar] | None) -> Any:
    """Return the same where things in pictures have places: boxes, or a mask.

    RandAugment's operations would move them off these: where it is asked for, colours change twice
    as much instead.
    """
    found = None if hyperparameters is None else settings(hyperparameters)
    if found is None or found.policy == "none":
        return found
    return replace(found, policy="none", colour=min(1.0, 2 * found.colour))


def collator(processor: Any) -> Collator:
    """Return what makes a batch of pictures as they are."""
    return Collator(Scale.of(processor))


def training_collator(processor: Any, seed: int, hyperparameters: Mapping[str, Scalar]) -> Collator:
    """Return what makes a batch of pictures changed as the hyperparameters say."""
    return Collator(Scale.of(processor), seed, hyperparameters)
