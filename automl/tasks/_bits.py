"""How likely texts are under a model, in bits a byte: what is scored, reported and the floor.

Sums are float32 of shape (rows, 4): nats, tokens, rightly guessed tokens and bytes of each row.
Knows no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from automl.jobs import SplitScore
    from automl.tasks._bytes import Passage

SHOWN = 10


def score(sums: np.ndarray) -> dict[str, float]:
    """Return every metric over all tokens of the rows together, not the mean over rows."""
    import numpy as np

    nats, tokens, right, size = sums.astype(np.float64).sum(axis=0)
    return {
        "bits_per_byte": float(nats / size / np.log(2)),
        "loss": float(nats / tokens),
        "perplexity": float(np.exp(min(nats / tokens, 700.0))),
        "token_accuracy": float(right / tokens),
    }


def report(sums: np.ndarray, columns: Mapping[str, Sequence[Any]], seed: int) -> SplitScore:
    """Return metrics with intervals, and the rows that cost most bits a byte."""
    import numpy as np

    from automl.tasks import _bootstrap

    bits = sums[:, 0] / np.maximum(sums[:, 3], 1) / np.log(2)
    worst = np.argsort(-bits, kind="stable")[:SHOWN]
    examples = (
        {**{role: values[row] for role, values in columns.items()},
         "bits_per_byte": float(bits[row])}
        for row in worst
    )  # fmt: skip
    return _bootstrap.report(lambda rows: score(sums[rows]), len(sums), seed, examples)


def floor(
    train: Iterable[tuple[int, Passage]], others: Mapping[str, Iterable[tuple[int, Passage]]]
) -> dict[str, np.ndarray]:
    """Return sums by split of an n-gram model over the bytes of ``train``'s passages.

    A passage comes with its row; the rows rise.
    """
    import numpy as np

    from automl.tasks import _bytes

    model = _bytes.ByteModel([passage for _, passage in train])
    found = {}
    for name, held in others.items():
        rows, passages = zip(*held, strict=True)
        sums = np.zeros((rows[-1] + 1, 4))
        sizes = [max(1, len(passage.said)) for passage in passages]
        np.add.at(sums, list(rows), np.column_stack([model.judge(passages), sizes]))
        found[name] = sums.astype(np.float32)
    return found
