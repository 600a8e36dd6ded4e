"""Sounds decoded: every file that libsndfile reads becomes one channel at one rate, or is refused.

Knows files and samples; no model, no labels, no augmentation. A rule is what is said of the file
("is cut short ..."); which file it is, the caller says.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from automl.errors import DataError
from automl.tasks import _images

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]

Source = Union[str, bytes, "npt.NDArray[Any]"]
"""The path of a file, the bytes of one, or samples (one channel, or samples by channels)."""

SILENT = 1e-3
"""A peak below is silence: -60 dBFS."""
BLOCK = 1 << 18
"""Frames read at once."""
UNKNOWN = 1 << 60
"""Frames of a file that does not say how many it holds: libsndfile gives the greatest number."""
MP3_SLACK = 2 * 1152
"""Samples that an MP3's header may promise too many: two frames, encoder delay and padding."""
STREAMED = (0, 0x7FFF0000)
"""Sizes in the header of a WAV that was written into a pipe: nothing, or as much as can be."""
RATES = (1000, 1_000_000)
"""Of files, in Hz; a damaged header that says less would make seconds into hours."""
LOWEST = 1e-10
"""Energy of a mel band at least, so that its logarithm is finite."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What a file holds. One with a ``fault`` (a rule) can't be heard; the rest is then 0."""

    seconds: float
    rate: int
    channels: int
    silent: bool
    fault: str | None = None


def heard(source: Source, rate: int) -> Samples:
    """Return float32 samples of shape (samples,) at ``rate``, full scale 1; channels averaged.

    Samples given as an array are at ``rate`` already; integers are scaled by their type.

    Raises:
        DataError: The source is no sound, is damaged, cut short or empty, or holds values that
            are no numbers; its message is a rule without the name of the file.
    """
    import numpy as np
    import soxr

    if isinstance(source, np.ndarray):
        samples, given = _mono(_scaled(source)), rate
    else:
        with _file(source) as file:
            samples = np.concatenate([_mono(block) for block in _blocks(file)])
            given = file.samplerate
            _refuse_cut(file, len(samples))
    if len(samples) == 0:
        raise DataError("holds no samples")
    if not np.isfinite(samples).all():
        raise DataError("holds samples that are no numbers")
    if given != rate:
        samples = soxr.resample(samples, given, rate, quality="HQ")
        if len(samples) == 0:
            raise DataError(f"is too short: nothing is left of it at {rate} Hz")
    return samples


def looked_at(path: str) -> Sound:
    """Return what the file holds, all of it decoded; a bad file has a fault, nothing is raised."""
    import numpy as np

    try:
        with _file(path) as file:
            frames, peak = 0, 0.0
            for block in _blocks(file):
                frames += len(block)
                if not np.isfinite(block).all():
                    raise DataError("holds samples that are no numbers")
                peak = max(peak, float(np.abs(block).max(initial=0.0)))
            _refuse_cut(file, frames)
            if frames == 0:
                raise DataError("holds no samples")
            rate = int(file.samplerate)
            return Sound(frames / rate, rate, int(file.channels), peak < SILENT)
    except DataError as error:
        return Sound(0.0, 0, 0, False, str(error))


def checked(paths: Iterable[str], threads: int) -> list[Sound]:
    """Return a look at each path, in order; libsndfile works without the GIL."""
    return _images.checked(paths, looked_at, threads)


def log_mel(
    samples: npt.NDArray[Any],
    rate: int,
    mels: int = 40,
    window_seconds: float = 0.025,
    hop_seconds: float = 0.010,
) -> Samples:
    """Return natural logarithms of mel band energies, float32 of shape (frames, mels).

    Windows are Hann's. A frame is whole, what remains at the end has none; a sound shorter than
    one window is filled up with zeros. Bands are triangles on the mel scale of HTK up to half the
    rate, not normalised.
    """
    import numpy as np

    length, step = round(window_seconds * rate), round(hop_seconds * rate)
    size = 1 << (length - 1).bit_length()
    padded = np.pad(samples.astype(np.float64), (0, max(0, length - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, length)[::step]
    shape = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    power = np.abs(np.fft.rfft(frames * shape, size)) ** 2
    found = np.log(np.maximum(power @ _triangles(size, rate, mels), LOWEST))
    return found.astype(np.float32)


def _triangles(size: int, rate: int, mels: int) -> npt.NDArray[np.float64]:
    """Return weights of frequencies in bands, of shape (size // 2 + 1, mels)."""
    import numpy as np

    top = 2595 * np.log10(1 + rate / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, top, mels + 2) / 2595) - 1)
    hertz = np.linspace(0, rate / 2, size // 2 + 1)[:, None]
    rising = (hertz - corners[:-2]) / np.diff(corners)[:-1]
    falling = (corners[2:] - hertz) / np.diff(corners)[1:]
    found: npt.NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling))
    return found


def _scaled(values: npt.NDArray[Any]) -> Samples:
    import numpy as np

    if values.ndim not in (1, 2):
        raise DataError(f"has {values.ndim} dimensions; samples, or samples by channels, are read")
    if np.issubdtype(values.dtype, np.signedinteger):
        return (values / -float(np.iinfo(values.dtype).min)).astype(np.float32)
    if np.issubdtype(values.dtype, np.floating):
        return values.astype(np.float32)
    raise DataError(f"holds {values.dtype}, which are no samples; floats and signed integers are")


def _mono(samples: Samples) -> Samples:
    if samples.ndim == 1:
        return samples
    if samples.shape[1] == 1:
        return samples[:, 0]
    found: Samples = samples.mean(axis=1, dtype=samples.dtype)
    return found


def _stream(source: str | bytes) -> io.FileIO | io.BytesIO:
    return io.FileIO(source) if isinstance(source, str) else io.BytesIO(source)


@contextmanager
def _file(source: str | bytes) -> Iterator[Any]:
    """Give the open file; what goes wrong with it is raised as ``DataError``."""
    import soundfile

    try:
        with _stream(source) as stream:
            size = stream.seek(0, os.SEEK_END)
            if size == 0:
                raise DataError("is empty: it has no bytes")
            stream.seek(0)
            _refuse_cut_wav(stream, size)
            stream.seek(0)
            # Of a file libsndfile reads by itself, without a call of Python for each piece.
            given = stream.fileno() if isinstance(source, str) else stream
            with soundfile.SoundFile(given, closefd=False) as file:
                # Else each read ends with a seek, which fails in a FLAC of unsaid length.
                file.seekable = bool
                if not RATES[0] <= file.samplerate <= RATES[1]:
                    raise DataError(
                        f"has a rate of {file.samplerate} Hz; {RATES[0]} to {RATES[1]:,} are read"
                    )
                yield file
    except OSError as error:
        raise DataError(f"can't be read: {error.strerror or error}") from None
    except soundfile.LibsndfileError as error:
        said = error.error_string.removeprefix("Error : ").rstrip(".")
        if "lost sync" in said:
            raise DataError("is cut short or damaged: " + said) from None
        raise DataError("is no sound that can be read: " + said) from None


def _blocks(file: Any) -> Iterator[Samples]:
    """Give what the file holds in pieces, float32 of shape (frames, channels); the last is empty.

    Never asks how many there are, which a streamed file does not say.
    """
    while True:
        block = file.read(BLOCK, dtype="float32", always_2d=True)
        yield block
        if len(block) == 0:
            return


def _refuse_cut(file: Any, frames: int) -> None:
    """Refuse a file that gave fewer frames than its header promises."""
    slack = MP3_SLACK if file.format == "MP3" else 0
    if frames + slack < file.frames < UNKNOWN:
        raise DataError(f"is cut short: {frames} of {file.frames} samples are there")


def _refuse_cut_wav(stream: io.FileIO | io.BytesIO, size: int) -> None:
    """Refuse a WAV that ends before its samples do: libsndfile would take what there is."""
    head = stream.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return
    place = 12
    while len(head := stream.read(8)) == 8:
        name, length = struct.unpack("<4sI", head)
        place += 8
        if name == b"data":
            if STREAMED[0] < length < STREAMED[1] and place + length > size:
                raise DataError(f"is cut short: {size - place} of {length} bytes are there")
            return
        place = stream.seek(place + length + length % 2)
