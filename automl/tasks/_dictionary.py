"""The floor for tagged words: what training rows called a word, or words in a row. No network.

A name counts where it was mostly one there; an unknown word is tagged as words of its ending.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from automl.tasks._tagging import Tagged
from automl.tasks._tags import OUTSIDE, entities, is_chunked, written
from automl.tasks._words import Document

DESCRIPTION = (
    "dictionary of the training rows: the longest known names first, or, where tags are plain, "
    "each word's most frequent tag"
)
ENDINGS = (4, 3, 2)
"""Letters by which an unknown word is likened to known ones."""
LONGEST = 12
"""Words that a remembered entity has at most."""


@dataclass(slots=True)
class Phrases:
    """Sequences of words that were entities more often than not."""

    kinds: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    @classmethod
    def learnt(cls, words: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]) -> Phrases:
        """Return what rows of words and their tags teach."""
        named: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for row, theirs in zip(words, tags, strict=True):
            for kind, start, end in entities(theirs):
                if end - start <= LONGEST:
                    named[tuple(row[start:end])][kind] += 1
        seen: Counter[tuple[str, ...]] = Counter()
        for row in words:
            for start in range(len(row)):
                for length in range(1, min(LONGEST, len(row) - start) + 1):
                    if (phrase := tuple(row[start : start + length])) in named:
                        seen[phrase] += 1
        kinds = {
            phrase: counts.most_common(1)[0][0]
            for phrase, counts in named.items()
            if 2 * counts.most_common(1)[0][1] >= seen[phrase]
        }
        return cls(kinds)

    def tags(self, row: Sequence[str]) -> list[str]:
        """Return the row's tags, from the left, the longest phrase first."""
        found = []
        start = 0
        while start < len(row):
            for length in range(min(LONGEST, len(row) - start), 0, -1):
                if kind := self.kinds.get(tuple(row[start : start + length])):
                    found.append((kind, start, start + length))
                    start += length - 1
                    break
            start += 1
        return written(found, len(row))


@dataclass(slots=True)
class Single:
    """The most frequent tag of each word, of each ending, and of all."""

    words: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    every: Counter[str] = field(default_factory=Counter)

    @classmethod
    def learnt(cls, words: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]) -> Single:
        """Return what rows of words and their tags teach."""
        made = cls()
        for row, theirs in zip(words, tags, strict=True):
            made.every.update(theirs)
            for word, tag in zip(row, theirs, strict=True):
                for key in made._keys(word):
                    made.words[key][tag] += 1
        return made

    def _keys(self, word: str) -> list[str]:
        """Return what a word is known by, the most telling first."""
        endings = [f"…{word.lower()[-size:]}" for size in ENDINGS if len(word) > size]
        return [word, f"={word.lower()}", *endings]

    def tags(self, row: Sequence[str]) -> list[str]:
        """Return the row's tags."""
        return [self._tag(word) for word in row]

    def _tag(self, word: str) -> str:
        known = next((key for key in self._keys(word) if key in self.words), None)
        counts = self.every if known is None else self.words[known]
        return min(counts, key=lambda tag: (-counts[tag], tag), default=OUTSIDE)


def tag(
    documents: Sequence[Document],
    tags: Sequence[Sequence[str]],
    others: Mapping[str, Sequence[Document]],
    labels: Sequence[str],
) -> dict[str, list[Tagged]]:
    """Return the words of ``others`` tagged by what the tagged ``documents`` teach."""
    method = Phrases if is_chunked(labels) else Single
    learnt = method.learnt([_words(each) for each in documents], tags)
    return {
        name: [_tagged(each, learnt.tags(_words(each))) for each in rows]
        for name, rows in others.items()
    }


def _words(document: Document) -> list[str]:
    return [document.text[start:end] for start, end in document.words]


def _tagged(document: Document, tags: list[str]) -> Tagged:
    return Tagged(document.text, document.words, tags, [1.0] * len(tags))
