"""The words that training texts use most, as hashes: what is known of a text. Stores no text."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from zlib import crc32

MOST = 4096
"""Words that are kept: with 4 bytes each, 16 kB of a bundle."""
LEAST_SEEN = 2
"""Texts in which a word stands at least: what one text alone says is told to nobody."""
_WORD = re.compile(r"[^\W\d_]+")


def words(text: str) -> list[str]:
    """Return the text's runs of letters, in small letters."""
    return _WORD.findall(text.lower())


def learnt(texts: Iterable[str]) -> str:
    """Return the hashes of the words that the most texts have, as base64; sorted."""
    seen: Counter[int] = Counter()
    for text in texts:
        seen.update({_hash(word) for word in words(text)})
    kept = sorted(word for word, count in seen.most_common(MOST) if count >= LEAST_SEEN)
    return base64.b64encode(b"".join(word.to_bytes(4, "big") for word in kept)).decode()


def read(stored: str) -> frozenset[int]:
    """Return the hashes that ``learnt`` gave."""
    packed = base64.b64decode(stored)
    return frozenset(int.from_bytes(packed[at : at + 4], "big") for at in range(0, len(packed), 4))


def known(text: str, vocabulary: frozenset[int]) -> float | None:
    """Return the share of the text's words that the vocabulary has; None where it has no words."""
    found = words(text)
    return sum(_hash(word) in vocabulary for word in found) / len(found) if found else None


@lru_cache(maxsize=65536)
def _hash(word: str) -> int:
    return crc32(word.encode())
