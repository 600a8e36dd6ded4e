"""What tasks over sounds share: processors without torchaudio, models, batches, SpecAugment.

Samples are decoded once and kept as int16; what a processor makes of them (one scale, mel bands)
happens in the batch. Heavy libraries are imported inside. Knows no class names and no metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any
from zlib import crc32

from automl import machine
from automl.errors import CandidateError, DataError
from automl.plan import Scalar
from automl.tasks import Role

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from transformers import PreTrainedModel

    from automl.tasks._sound_augmenting import Augmenting

AUDIO = Role(
    "audio",
    "audio",
    True,
    ("audio", "sound", "recording", "clip", "speech", "wav", "file_name", "audio_path",
     "audio_file", "filename", "path", "file"),
)  # fmt: skip
UNIT = "frames of 20 ms"
STEP = 320
"""Samples of a frame of 20 ms at 16 kHz, the rate of every family that transformers can train
here; what one state of wav2vec 2.0 and its kin, and of Whisper, stands for."""
MOST_FRAMES = 3000
"""A minute: what is read of a sound by models that set no limit themselves. Attention over twice as
much takes four times the memory."""
LEAST_SAMPLES = 400
"""25 ms: the window of a mel frame, and what one state of wav2vec 2.0 looks at."""
CHUNK = 128
"""Sounds decoded at once: 123 MB where each lasts half a minute."""
SAMPLE_ROWS = 256
"""Sounds that candidates are tried on."""
FULL = 32768.0
"""Full scale of int16."""
_HEADS = ("projector.", "classifier.", "layer_weights", "lm_head.")
"""What follows the body, in every family."""
_LEAST_MASK = 1e-9
_MASK = "masked_spec_embed"
"""The state that stands for hidden ones in training; some checkpoints left it out."""


@dataclass(slots=True)
class Ears:
    """What prepares rows for a model: its feature extractor, and its tokenizer where it writes."""

    extractor: Any
    tokenizer: Any = None
    settings: dict[str, Any] = field(default_factory=dict)
    """What a task has settled for the data, as JSON values; part of what is encoded."""

    @property
    def rate(self) -> int:
        """Hertz at which the model hears."""
        return int(self.extractor.sampling_rate)

    @property
    def most_frames(self) -> int:
        """Frames that the model reads at most."""
        fixed = self.fixed_samples
        return MOST_FRAMES if fixed is None else max(1, fixed // STEP)

    @property
    def fixed_samples(self) -> int | None:
        """Samples that everything is filled up to, or cut to; None where batches are padded."""
        if hasattr(self.extractor, "chunk_length"):  # Whisper's windows, in seconds
            return int(self.extractor.n_samples)
        if hasattr(self.extractor, "num_mel_bins") and hasattr(self.extractor, "max_length"):
            return int(self.extractor.max_length) * self.hop  # AST's mel frames
        return None

    @property
    def hop(self) -> int:
        """Samples from one mel frame to the next."""
        return int(getattr(self.extractor, "hop_length", self.rate // 100))

    def to_dict(self) -> dict[str, Any]:
        """Return all that decides how a row is encoded, as JSON values."""
        words = {} if self.tokenizer is None else self.tokenizer.get_vocab()
        return {
            "extractor": self.extractor.to_dict(),
            "words": words,
            "settings": self.settings,
        }

    def save_pretrained(self, folder: str | Path) -> None:
        """Write what ``AutoFeatureExtractor`` and ``AutoTokenizer`` load."""
        self.extractor.save_pretrained(folder)
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(folder)

    def inputs(self, sounds: Sequence[npt.NDArray[Any]]) -> dict[str, Any]:
        """Return a batch of tensors of float samples, padded as the family was trained."""
        padding = "max_length" if hasattr(self.extractor, "chunk_length") else True
        found = self.extractor(
            list(sounds), sampling_rate=self.rate, padding=padding, return_tensors="pt"
        )
        return dict(found)


def load_processor(path: str, trust_remote_code: bool = False) -> Ears:
    """Return what prepares sounds for the folder's model.

    Raises CandidateError with a plain reason when it can't be loaded.
    """
    from transformers import AutoFeatureExtractor

    try:
        found = AutoFeatureExtractor.from_pretrained(path, trust_remote_code=trust_remote_code)
    except Exception as error:  # the file is someone else's: whatever it raises is the reason
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise CandidateError(f"its feature extractor can't be loaded: {words}") from error
    if not isinstance(getattr(found, "sampling_rate", None), int):
        raise CandidateError(f"its {type(found).__name__} does not say at which rate it hears")
    return Ears(found)


def load_model(
    auto_class: str,
    path: str,
    hyperparameters: Mapping[str, Scalar],
    trust_remote_code: bool,
    **settings: Any,
) -> PreTrainedModel:
    """Return the folder's model in float32 with a head of ``auto_class``, given ``settings``.

    ``freeze_feature_encoder`` keeps the convolutions over samples as they are (the default),
    ``time_mask`` and ``feature_mask`` are the shares of frames and of features hidden in training,
    where the family hides them itself. Layers are never left out at random: several processes would
    wait for each other. Raises CandidateError as ``_text.load_model`` does.
    """
    from automl.tasks import _text

    config = _text.load_config(path, hyperparameters, trust_remote_code, settings)
    for name in ("layerdrop", "encoder_layerdrop", "decoder_layerdrop"):
        if hasattr(config, name):
            setattr(config, name, 0.0)
    if hides_states(config.to_dict()):
        # Never 0: without masks the model has a weight less, and trials can't be averaged.
        config.mask_time_prob = max(_LEAST_MASK, float(hyperparameters.get("time_mask", 0.0)))
        config.mask_feature_prob = float(hyperparameters.get("feature_mask", 0.0))
        config.mask_time_min_masks = config.mask_feature_min_masks = 0
    model, new = _text.load_weights(auto_class, path, config, trust_remote_code)
    if lost := sorted(key for key in new if not _is_new(key)):
        raise _text.missing(lost)
    if hyperparameters.get("freeze_feature_encoder", True):
        freeze_feature_encoder(model)
    return model


def _is_new(key: str) -> bool:
    return key.startswith(_HEADS) or key.endswith(_MASK)


def hides_states(config: Mapping[str, object]) -> bool:
    """Return whether the family hides stretches of its own states in training (SpecAugment)."""
    return "mask_time_prob" in config and config.get("model_type") != "whisper"


def hears_samples(config: Mapping[str, object]) -> bool:
    """Return whether convolutions over samples come first: wav2vec 2.0 and its kin."""
    return "conv_stride" in config and "conv_kernel" in config


def freeze_feature_encoder(model: Any) -> None:
    """Let the convolutions over samples ask for no gradient, where the family has some."""
    if hears_samples(model.config.to_dict()):
        extractor = getattr(model.base_model, "feature_extractor", None)
        if extractor is not None:
            extractor._freeze_parameters()


def fit_masks(model: Any, rows: Any) -> None:
    """Let what is hidden in training be short beside the sounds: a tenth of the median at most.

    Ten frames of the pretrained families are half of a spoken word; of a sound that is shorter
    than a mask transformers makes an error.
    """
    import numpy as np

    config = model.config
    if not (hides_states(config.to_dict()) and hasattr(config, "mask_time_length")):
        return
    samples = rows.columns["samples"]
    frames = frames_of(model, np.diff(samples.offsets))
    longest = min(int(frames.min()), round(float(np.median(frames)) / 10))
    config.mask_time_length = max(1, min(config.mask_time_length, longest))
    config.mask_feature_length = max(1, min(config.mask_feature_length, config.hidden_size // 8))


def frames_of(model: Any, samples: Any) -> np.ndarray:
    """Return how many states the model has of sounds with so many samples."""
    import numpy as np
    import torch

    counts = np.asarray(samples, dtype=np.int64)
    if hears_samples(model.config.to_dict()):
        told = model._get_feat_extract_output_lengths(torch.from_numpy(counts))
        return np.asarray(told, dtype=np.int64)
    return np.maximum(1, counts // STEP)


def samples(sources: Sequence[Any], ears: Ears, frames: int, more: int = 0) -> list[np.ndarray]:
    """Return each sound at the model's rate, int16 (samples,), cut to so many frames and ``more``.

    ``sources`` are paths, bytes or arrays of samples at that rate. Raises DataError naming a file
    that can't be read, or that is shorter than what a model looks at at once.
    """
    from concurrent.futures import ThreadPoolExecutor

    def one(source: Any) -> np.ndarray:
        return _whole(heard(source, ears.rate)[: frames * STEP + more])

    # libsndfile lets go of the interpreter's lock while it decodes.
    with ThreadPoolExecutor(machine.cores()) as pool:
        return list(pool.map(one, sources))


def heard(source: Any, rate: int) -> npt.NDArray[np.float32]:
    """Return float32 samples at ``rate``; DataError says which file can't be heard."""
    from automl.tasks import _sounds

    try:
        found = _sounds.heard(source, rate)
    except DataError as error:
        raise DataError(f"{name(source)} {error}") from error
    if len(found) < LEAST_SAMPLES:
        raise DataError(
            f"{name(source)} lasts {1000 * len(found) / rate:.0f} ms; models look at "
            f"{1000 * LEAST_SAMPLES / rate:.0f} at once"
        )
    return found


def name(source: Any) -> str:
    """Return what to call a sound."""
    return PurePath(source).name if isinstance(source, str) else "the sound"


def _whole(found: npt.NDArray[Any]) -> np.ndarray:
    import numpy as np

    return np.clip(np.rint(found * FULL), -FULL, FULL - 1).astype(np.int16)


def lengths(encoded: Mapping[str, Sequence[Any]]) -> list[int]:
    """Return how many frames each row has, a begun one included."""
    return [max(1, -(-len(each) // STEP)) for each in encoded["samples"]]


@dataclass(slots=True)
class Collator:
    """Turns encoded sounds into a batch; for training (``seed`` is set) changed at random.

    What happens to a sound is a function of the seed, the ``epoch`` and its samples.
    """

    ears: Ears
    seed: int | None = None
    hyperparameters: Mapping[str, Scalar] | None = None
    epoch: int = 0

    def __call__(self, rows: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the model's inputs, padded, and labels where rows have some."""
        batch = self.heard(rows)
        if "labels" in rows[0]:
            batch["labels"] = _padded([row["labels"] for row in rows])
        return batch

    def heard(self, rows: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the model's inputs without labels."""
        import numpy as np

        chosen = self.hyperparameters or {}
        settings = None if self.seed is None else augmenting(chosen)
        generators = [self._generator(row) for row in rows]
        sounds = []
        for row, generator in zip(rows, generators, strict=True):
            sound = np.asarray(row["samples"], dtype=np.float32) / np.float32(FULL)
            if settings is not None and generator is not None:
                from automl.tasks import _sound_augmenting

                sound = _sound_augmenting.augmented(sound, settings, generator)
            sounds.append(sound)
        batch = self.ears.inputs(sounds)
        if self.seed is not None and self.ears.fixed_samples is not None:
            self._mask(batch, rows, generators)
        return batch

    def _generator(self, row: Mapping[str, Any]) -> Any:
        if self.seed is None:
            return None
        from automl.tasks import _augmenting

        key = crc32(row["samples"].tobytes())
        return _augmenting.generator(self.seed, self.epoch, key)

    def _mask(
        self, batch: dict[str, Any], rows: list[Mapping[str, Any]], generators: Sequence[Any]
    ) -> None:
        """Hide stretches of mel frames and bands, of what is sound and not of what is padding."""
        import torch

        from automl.tasks import _sound_augmenting

        chosen = self.hyperparameters or {}
        time, bands = float(chosen.get("time_mask", 0)), float(chosen.get("feature_mask", 0))
        if not time and not bands:
            return
        key = "input_features" if "input_features" in batch else "input_values"
        whole = batch[key].numpy()
        for row, features, generator in zip(rows, whole, generators, strict=True):
            by_frame = features.T if key == "input_features" else features
            there = max(1, min(len(by_frame), len(row["samples"]) // self.ears.hop))
            # Two masks of up to twice a half of the share: the share is what is hidden on average.
            by_frame[:there] = _sound_augmenting.spec_masks(
                by_frame[:there], generator, time_share=time, mel_share=bands
            )
        batch[key] = torch.from_numpy(whole)


def _padded(labels: Sequence[Any]) -> Any:
    """Return a class a row, or ids of all rows, padded with what losses leave out."""
    import numpy as np
    import torch

    from automl.tasks._text import IGNORED

    if not hasattr(labels[0], "__len__"):
        return torch.from_numpy(np.asarray(labels))
    found = np.full((len(labels), max(1, *map(len, labels))), IGNORED, dtype=np.int64)
    for row, ids in zip(found, labels, strict=True):
        row[: len(ids)] = ids
    return torch.from_numpy(found)


def augmenting(hyperparameters: Mapping[str, Scalar]) -> Augmenting | None:
    """Return how samples are changed in training; None where they are not."""
    from automl.tasks._sound_augmenting import Augmenting

    if str(hyperparameters.get("sound_augmentation", "none")) == "none":
        return None
    least = float(hyperparameters.get("noise", 20.0))
    return Augmenting(gain=6.0, noise=(least, least + 30.0), shift=0.1)


def collator(ears: Ears) -> Collator:
    """Return what makes a batch of sounds as they are."""
    return Collator(ears)


def training_collator(ears: Ears, seed: int, hyperparameters: Mapping[str, Scalar]) -> Collator:
    """Return what makes a batch of sounds changed as the hyperparameters say."""
    return Collator(ears, seed, hyperparameters)
