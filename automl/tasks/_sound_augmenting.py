"""Sounds changed a little for training: shift, noise, gain; masks over their mel bands.

Pure: what comes out follows from the samples, the settings and the generator, which is that of
``_augmenting.generator``. Knows no files, no model, no labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Augmenting:
    """How sounds change; the defaults change nothing."""

    gain: float = 0.0
    """Decibels up or down at most."""
    noise: tuple[float, float] | None = None
    """Decibels that the sound is above the white noise it gets, at least and at most."""
    shift: float = 0.0
    """Share of the length that the sound moves by at most, either way; zeros come in."""

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing.

        Raises:
            ValueError: A number is out of its range.
        """
        if not 0 <= self.gain < math.inf:
            raise ValueError(f"gain is {self.gain}, which is not a number from 0 up")
        if self.noise is not None and not self.noise[0] <= self.noise[1]:
            raise ValueError(f"noise is {self.noise}, of which the first is above the second")
        if not 0 <= self.shift < 1:
            raise ValueError(f"shift is {self.shift}, which is not from 0 to below 1")


def augmented(samples: Samples, settings: Augmenting, generator: np.random.Generator) -> Samples:
    """Return samples (samples,) changed; the length stays, the input is left as it is.

    Noise is measured by the power of the whole sound; silence gets none. Loud samples may leave
    full scale.
    """
    import numpy as np

    found = samples.copy()
    if settings.shift:
        most = int(settings.shift * len(samples))
        by = int(generator.integers(-most, most + 1))
        found = np.zeros_like(samples)
        found[max(0, by) : len(samples) + min(0, by)] = samples[max(0, -by) : len(samples) - by]
    if settings.noise is not None:
        power = float(np.mean(np.square(samples, dtype=np.float64)))
        above = generator.uniform(*settings.noise)
        noise = generator.standard_normal(len(samples), dtype=np.float32)
        found += noise * np.float32((power / 10 ** (above / 10)) ** 0.5)
    if settings.gain:
        decibels = generator.uniform(-settings.gain, settings.gain)
        found *= np.float32(10 ** (decibels / 20))
    return found


def spec_masks(
    features: npt.NDArray[Any],
    generator: np.random.Generator,
    *,
    time_masks: int = 2,
    time_share: float = 0.1,
    mel_masks: int = 2,
    mel_share: float = 0.3,
) -> npt.NDArray[Any]:
    """Return features (frames, mels) with stretches of frames and of bands at the features' mean.

    A mask covers up to its share of the frames or the bands, none at all included. SpecAugment
    without time warping, which gains least (Park et al. 2019): 27 of 80 bands; of frames a share,
    as in its sequel (Park et al. 2020), so that short sounds keep most of theirs.
    """
    found = features.copy()
    mean = features.mean()
    for axis, masks, share in ((0, time_masks, time_share), (1, mel_masks, mel_share)):
        size = features.shape[axis]
        for _ in range(masks):
            width = int(generator.integers(int(share * size) + 1))
            start = int(generator.integers(size - width + 1))
            found.swapaxes(0, axis)[start : start + width] = mean
    return found
