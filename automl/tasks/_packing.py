"""Several short rows side by side in one, so that nothing is padded: packing.

Each attends to itself alone and counts its positions from 0, so that the loss is that of rows one
below the other. Knows no data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl.errors import CandidateError
from automl.tasks._text import IGNORED

if TYPE_CHECKING:
    import numpy as np

WIDTH = 8
"""A packed row takes this many times the longest of its batch, whose rows are of like length: more
costs attention that is masked, less leaves more over."""
_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True)
class Packer:
    """Turns encoded rows into a batch of fewer, longer ones."""

    pad: int

    def __call__(self, rows: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Return input_ids, labels and position_ids (bins, width) and attention_mask.

        The mask is float32 of shape (bins, 1, width, width): 0 where a token sees, else the least
        number there is. A row's first token is learnt by no other.
        """
        import numpy as np
        import torch

        lengths = [len(row["input_ids"]) for row in rows]
        bins = packed(lengths, WIDTH * max(lengths))
        width = max(sum(lengths[row] for row in held) for held in bins)
        shape = len(bins), width
        ids = np.full(shape, self.pad, dtype=np.int64)
        labels = np.full(shape, IGNORED, dtype=np.int64)
        positions = np.zeros(shape, dtype=np.int64)
        whose = np.full(shape, -1, dtype=np.int64)
        for place, held in enumerate(bins):
            start = 0
            for row in held:
                stop = start + lengths[row]
                ids[place, start:stop] = rows[row]["input_ids"]
                labels[place, start + 1 : stop] = rows[row]["labels"][1:]
                positions[place, start:stop] = np.arange(lengths[row])
                whose[place, start:stop] = row
                start = stop
        return {
            "input_ids": torch.from_numpy(ids),
            "labels": torch.from_numpy(labels),
            "position_ids": torch.from_numpy(positions),
            "attention_mask": torch.from_numpy(_mask(whose)),
        }


def packed(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Return rows by bin: first fit, the longest first (Johnson 1973); each bin holds ``width``."""
    bins: list[list[int]] = []
    left: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        place = next((at for at, room in enumerate(left) if room >= lengths[row]), None)
        if place is None:
            place = len(bins)
            bins.append([])
            left.append(width)
        bins[place].append(row)
        left[place] -= lengths[row]
    return bins


def _mask(whose: np.ndarray) -> np.ndarray:
    """Return which tokens see which, by the row that each is of; padding sees itself."""
    import numpy as np

    width = whose.shape[1]
    same = whose[:, :, None] == whose[:, None, :]
    sees = same & np.tri(width, dtype=bool)[None]
    sees &= (whose >= 0)[:, :, None] | np.eye(width, dtype=bool)[None]
    found: np.ndarray = np.where(sees, np.float32(0), np.finfo(np.float32).min)
    return found[:, None].astype(np.float32)


def check(model: Any) -> None:
    """Raise CandidateError where what the model says of a row depends on what is packed beside it.

    Families differ in whether they heed positions and masks that are given.
    """
    import torch

    words = model.config.get_text_config().vocab_size
    rows: list[Mapping[str, Any]] = [
        {"input_ids": [(3 + step) % words for step in range(size)], "labels": [0] * size}
        for size in (7, 5)
    ]
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            batch = Packer(0)(rows)
            batch.pop("labels")
            beside = model(**batch).logits[0]
            alone = [model(input_ids=torch.tensor([row["input_ids"]])).logits[0] for row in rows]
    except Exception as error:  # the code may be someone else's: whatever it raises is the reason
        raise CandidateError(f"its rows can't be packed: {error}; leave packing out") from error
    finally:
        model.train(training)
    together = torch.cat(alone)
    if not torch.allclose(beside, together, atol=_ROUNDING * float(together.abs().max())):
        raise CandidateError(
            f"a {model.config.model_type} heeds no positions or masks that it is given, so its "
            "rows can't be packed; leave packing out"
        )
