"""Floors of tasks over sounds: mel bands summed up over time, compared without any network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl import machine
from automl.tasks import _hearing

if TYPE_CHECKING:
    import numpy as np

STATISTICS = "mean and deviation over time of 40 log-mel bands and of their changes"
CLASSES = f"{STATISTICS}, logistic regression with C=1"
NEAREST = f"the transcription of the training sound that is nearest by {STATISTICS}"
RATE = 16_000
BANDS = 40
_AT_ONCE = 512
SHOWN = (240, 120)
"""Width and height of a spectrogram that is drawn."""


def statistics(sources: Sequence[Any]) -> np.ndarray:
    """Return float32 of shape (sounds, 4 * BANDS): means and deviations, then of the changes."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    with ThreadPoolExecutor(machine.cores()) as pool:
        return np.stack(list(pool.map(_of, sources)))


def _of(source: Any) -> np.ndarray:
    import numpy as np

    from automl.tasks import _sounds

    bands = _sounds.log_mel(_hearing.heard(source, RATE), RATE, BANDS)
    changes = np.diff(bands, axis=0) if len(bands) > 1 else np.zeros_like(bands)
    found = [each for part in (bands, changes) for each in (part.mean(axis=0), part.std(axis=0))]
    return np.concatenate(found).astype(np.float32)


def log_probabilities(
    train: Mapping[str, Sequence[Any]],
    others: Mapping[str, Mapping[str, Sequence[Any]]],
    targets: Any,
    labels: Sequence[str],
    seed: int,
) -> dict[str, np.ndarray]:
    """Return log-probabilities (rows, classes) by name of ``others``, learnt from ``train``.

    ``targets`` are the train rows' class indices. A class that train has not has the least there
    is.
    """
    from automl.tasks import _floors

    rest = {name: statistics(columns["audio"]) for name, columns in others.items()}
    return _floors.log_probabilities(statistics(train["audio"]), rest, targets, labels, seed)


def nearest(
    train: Mapping[str, Sequence[Any]], others: Mapping[str, Mapping[str, Sequence[Any]]]
) -> dict[str, list[str]]:
    """Return by name of ``others`` the ``text`` of each sound's nearest one in ``train``."""
    import numpy as np

    # As they are: on spoken digits of known speakers .93 are found, of standardised ones .87.
    known = statistics(train["audio"])
    squares = np.square(known).sum(axis=1)
    found: dict[str, list[str]] = {}
    for name, columns in others.items():
        asked = statistics(columns["audio"])
        rows: list[int] = []
        for start in range(0, len(asked), _AT_ONCE):
            far = squares - 2 * asked[start : start + _AT_ONCE] @ known.T
            rows += far.argmin(axis=1).tolist()
        found[name] = [str(train["text"][row]) for row in rows]
    return found


def picture(source: Any) -> Any:
    """Return the sound's log-mel bands as a Pillow image: time to the right, pitch upwards."""
    import numpy as np
    from PIL import Image

    from automl.tasks import _sounds

    bands = _sounds.log_mel(_hearing.heard(source, RATE), RATE, 2 * BANDS)
    low, high = np.percentile(bands, [5, 99.8])
    loud = np.clip((bands - low) / max(high - low, 1e-6), 0, 1).T[::-1]
    # From black over violet and orange to white: brighter is louder, also in grey.
    stops = np.array([[0, 0, 8], [90, 15, 110], [215, 70, 60], [252, 190, 50], [255, 255, 235]])
    at = loud * (len(stops) - 1)
    below = np.minimum(at.astype(int), len(stops) - 2)
    part = (at - below)[..., None]
    colours = stops[below] * (1 - part) + stops[below + 1] * part
    return Image.fromarray(colours.astype(np.uint8)).resize(SHOWN)
