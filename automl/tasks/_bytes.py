"""A floor for language models: an n-gram model over bytes, seconds on a CPU. Knows no tokenizer.

Interpolated Kneser-Ney smoothing (Kneser and Ney 1995; Chen and Goodman 1999): every n-gram seen
gives up a part of its count to the context that is one byte shorter, where a byte counts by how
many contexts it was seen in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ORDER = 5
"""Bytes of context at most; with the byte itself up to 7 fit into 64 bits."""
DISCOUNT = 0.75
"""Of every count; the usual value (Jurafsky and Martin, chapter 3)."""
SYMBOLS = 257
"""Bytes, and the end of a text."""
MOST_BYTES = 4_000_000
"""Of training text, the first: more costs seconds and gains hundredths of a bit."""
_END = 256

Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Passage:
    """What is given and what is to be predicted after it, with the end that follows."""

    given: bytes
    said: bytes


@dataclass(frozen=True, slots=True)
class _Order:
    """Counts after contexts of one length: keys are sorted."""

    contexts: Array
    seen: Array
    kinds: Array
    best: Array
    """The byte that follows the context most often."""
    grams: Array
    counts: Array


class ByteModel:
    """Trained on passages, all of their bytes; judges what passages say."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        kept, room = [], MOST_BYTES
        for passage in passages:
            kept.append(passage)
            room -= len(passage.given) + len(passage.said)
            if room <= 0:
                break
        stream = _Stream(kept)
        grams = stream.contexts(ORDER) * SYMBOLS + stream.symbols
        self.orders: list[_Order] = []
        """Shortest context first."""
        for _ in range(ORDER + 1):
            self.orders.insert(0, _order(*np.unique(grams, return_counts=True)))
            grams = _shorter(self.orders[0].grams)

    def judge(self, passages: Sequence[Passage]) -> npt.NDArray[np.float64]:
        """Return nats, symbols and rightly guessed symbols of what each passage says.

        Of shape (passages, 3); the end counts as a symbol.
        """
        stream = _Stream(passages)
        probability = np.full(len(stream.symbols), 1 / SYMBOLS)
        guess = np.full(len(stream.symbols), -1, dtype=np.int64)
        for length, order in enumerate(self.orders):
            contexts = stream.contexts(length)
            at, known = _find(order.contexts, contexts)
            gram, there = _find(order.grams, contexts * SYMBOLS + stream.symbols)
            count = np.where(there, order.counts[gram], 0)
            kinds, seen = order.kinds[at], order.seen[at]
            kept = np.maximum(count - DISCOUNT, 0.0)
            mixed = (kept + DISCOUNT * kinds * probability) / np.maximum(seen, 1)
            probability = np.where(known, mixed, probability)
            guess = np.where(known, order.best[at], guess)
        nats, right = -np.log(probability), guess == stream.symbols
        found = np.zeros((len(passages), 3))
        for column, values in enumerate((nats, np.ones_like(nats), right)):
            np.add.at(found[:, column], stream.rows[stream.told], values[stream.told])
        return found


class _Stream:
    """Passages one after the other as symbols, each with its passage and whether it is said."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.symbols = np.concatenate(
            [np.frombuffer(p.given + p.said + b"\0", dtype=np.uint8) for p in passages]
        ).astype(np.int64)
        sizes = np.array([len(p.given) + len(p.said) + 1 for p in passages])
        ends = np.cumsum(sizes)
        self.symbols[ends - 1] = _END
        self.rows = np.repeat(np.arange(len(passages)), sizes)
        self.starts = np.repeat(ends - sizes, sizes)
        given = np.repeat([len(p.given) for p in passages], sizes)
        self.told = np.arange(len(self.symbols)) - self.starts >= given

    def contexts(self, length: int) -> Array:
        """Return the last ``length`` symbols before each as a number; an end before a beginning."""
        found = np.zeros(len(self.symbols), dtype=np.int64)
        places = np.arange(len(self.symbols))
        for back in range(1, length + 1):
            inside = places - back >= self.starts
            before = np.where(inside, self.symbols[np.maximum(places - back, 0)], _END)
            found = found * SYMBOLS + before
        return found


def _shorter(grams: Array) -> Array:
    """Return the grams without the byte that is furthest before."""
    return grams // SYMBOLS // SYMBOLS * SYMBOLS + grams % SYMBOLS


def _order(grams: Array, counts: Array) -> _Order:
    owners, first = np.unique(grams // SYMBOLS, return_index=True)
    ranked = np.lexsort((-counts, grams // SYMBOLS))
    return _Order(
        contexts=owners,
        seen=np.add.reduceat(counts, first),
        kinds=np.diff([*first, len(grams)]),
        best=grams[ranked[first]] % SYMBOLS,
        grams=grams,
        counts=counts,
    )


def _find(keys: Array, wanted: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return where in the sorted keys the wanted ones are, and whether they are."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return at, keys[at] == wanted
