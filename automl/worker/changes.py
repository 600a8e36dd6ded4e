"""Texts changed in ways that should not change what is said of them. Pure text, seeded.

The ways are those of CheckList's invariance tests (Ribeiro et al. 2020) and letter case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from zlib import crc32

Words = Sequence[Sequence[str]]
WORDS_PER_TYPO = 10
"""A longer text has a typo for each so many words; every text with a word to misspell has one."""
SHORTEST_MISSPELT = 4
"""Letters; in shorter words a typo often makes another word."""
MOST_VARIANTS = 5
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_END = re.compile(r"[.!?…]+\s*$")


def variants(change: str, text: str, seed: int, words: Words = ()) -> list[str]:
    """Return the text changed as ``change`` says, each way once; none where it has nothing to.

    ``words`` are groups of words that mean the same, for a change that is not one of the others.
    """
    if change == "typos":
        found = [_misspelt(text, Random(crc32(text.encode()) ^ seed))]
    elif change == "case":
        found = [text.lower(), text.upper()]
    elif change == "punctuation":
        bare = _END.sub("", text)
        found = [bare] if bare != text else [f"{text.rstrip()}."]
    else:
        found = list(_reworded(text, words))
    return [each for each in dict.fromkeys(found) if each != text]


def _misspelt(text: str, random: Random) -> str:
    """Return the text with two neighbouring letters swapped within some of its words."""
    words = list(_WORD.finditer(text))
    able = [word for word in words if len(word[0]) >= SHORTEST_MISSPELT]
    count = min(len(able), max(1, len(words) // WORDS_PER_TYPO))
    letters = list(text)
    for word in random.sample(able, count):
        # The first letter stays, as it mostly does where people mistype.
        unlike = [i for i in range(word.start() + 1, word.end() - 1) if text[i] != text[i + 1]]
        if unlike:
            place = random.choice(unlike)
            letters[place], letters[place + 1] = letters[place + 1], letters[place]
    return "".join(letters)


def _reworded(text: str, groups: Words) -> list[str]:
    """Return the text once for each other word of the first group that it has a word of."""
    for group in groups:
        for word in group:
            found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)
            if found is None:
                continue
            others = [other for other in group if other.casefold() != word.casefold()]
            begin, end = found.span()
            return [
                text[:begin] + _cased(other, found[0]) + text[end:]
                for other in others[:MOST_VARIANTS]
            ]
    return []


def _cased(word: str, like: str) -> str:
    """Return the word in capitals, or with one, where ``like`` is."""
    if len(like) > 1 and like.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if like[:1].isupper() else word
