"""Which words of a text are hidden: the same ones whatever the tokenizer, so that models compare.

A word is what stands between spaces, or one character of a script without them. Knows no model.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from automl.tasks._text import IGNORED, Padder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Array = npt.NDArray[Any]
SHARE = 0.15
"""Of a text's words, this many are hidden when it is judged (Devlin et al. 2019)."""
NO_WORD = -1
NOT_ASKED, SEVERAL = -1, -2
SPELLINGS = ("[MASK]", "<mask>")
"""What people write where a word is missing; the tokenizer's own spelling takes its place."""
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]{{1,40}}")
_KEPT, _RANDOM = 0.1, 0.1
"""Of the tokens hidden in training, shares that stay, or become any other (Devlin et al. 2019)."""


def spans(text: str) -> list[tuple[int, int]]:
    """Return where the words of the text begin and end."""
    return [found.span() for found in _WORD.finditer(text)]


def hidden(text: str, words: int) -> Array:
    """Return which of so many words are hidden when the text is judged, at least one: 0 or 1."""
    found = np.zeros(words, dtype=np.int64)
    if words:
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        count = max(1, round(SHARE * words))
        rng = np.random.default_rng(int.from_bytes(digest, "big"))
        found[rng.choice(words, count, replace=False)] = 1
    return found


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text's tokens without what the model wants around them; lists of one length."""

    ids: list[int]
    words: list[int]
    """Each token's word by its place in the text; ``NO_WORD`` for special ones and spaces."""
    hidden: list[int]
    """1 where the token's word is hidden when the text is judged."""
    letters: list[int]
    """The word's length at its first token, else 0."""


def tokens(text: str, tokenizer: PreTrainedTokenizerBase) -> Tokens:
    """Return the text's tokens, each with what is to be known of its word."""
    for spelling in SPELLINGS:
        text = text.replace(spelling, str(tokenizer.mask_token))
    found = spans(text)
    ids, words = _placed(text, found, tokenizer)
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    words = [NO_WORD if each in special else word for each, word in zip(ids, words, strict=True)]
    chosen = hidden(text, len(found))
    firsts = {word: place for place, word in reversed(list(enumerate(words)))}
    return Tokens(
        ids,
        words,
        [int(word != NO_WORD and chosen[word]) for word in words],
        [
            found[word][1] - found[word][0] if word != NO_WORD and firsts[word] == place else 0
            for place, word in enumerate(words)
        ],
    )


def _placed(
    text: str, found: Sequence[tuple[int, int]], tokenizer: PreTrainedTokenizerBase
) -> tuple[list[int], list[int]]:
    """Return the text's token ids, and each one's word: that of the last character it covers.

    A token of a space alone goes with the word that follows.
    """
    if not tokenizer.is_fast:
        parts = [
            tokenizer(text[start:end], add_special_tokens=False)["input_ids"]
            for start, end in found
        ]
        return [each for part in parts for each in part], [
            word for word, part in enumerate(parts) for _ in part
        ]
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    at = np.full(len(text) + 1, NO_WORD)
    for word, (start, end) in enumerate(found):
        at[start:end] = word
    return list(encoded["input_ids"]), [
        int(at[end - 1] if at[end - 1] != NO_WORD else at[end]) if end else NO_WORD
        for _, end in encoded["offset_mapping"]
    ]


def around(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Return the special tokens that the model wants before and after a text."""
    bare = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    whole = list(tokenizer("a")["input_ids"])
    start = next(at for at in range(len(whole)) if whole[at : at + len(bare)] == bare)
    return whole[:start], whole[start + len(bare) :]


def windows(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> dict[str, list[Any]]:
    """Return the texts' tokens in pieces of at most ``max_length``, none left out.

    ``row`` is a piece's text by its place; ``asked`` the place of the one mask that the text
    itself has, ``NOT_ASKED`` where it has none, ``SEVERAL`` where it has more.
    """
    before, after = around(tokenizer)
    room = max(1, max_length - len(before) - len(after))
    names = ("input_ids", "attention_mask", "words", "hidden", "letters", "row", "asked")
    found: dict[str, list[Any]] = {name: [] for name in names}
    for row, text in enumerate(texts):
        whole = tokens(text, tokenizer)
        asked = whole.ids.count(int(tokenizer.mask_token_id or 0))
        for start in range(0, max(1, len(whole.ids)), room):
            piece = slice(start, start + room)
            ids = [*before, *whole.ids[piece], *after]
            found["input_ids"].append(ids)
            found["attention_mask"].append([1] * len(ids))
            for name, values, fill in (
                ("words", whole.words, NO_WORD),
                ("hidden", [0] * len(whole.ids) if asked else whole.hidden, 0),
                ("letters", whole.letters, 0),
            ):
                found[name].append([fill] * len(before) + values[piece] + [fill] * len(after))
            found["row"].append(row)
            place = ids.index(tokenizer.mask_token_id) if asked and _has(ids, tokenizer) else None
            found["asked"].append(NOT_ASKED if place is None else SEVERAL if asked > 1 else place)
    return found


def _has(ids: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> bool:
    return tokenizer.mask_token_id in ids


@dataclass(slots=True)
class Hider:
    """Turns encoded pieces into a batch with words hidden, the hidden ones' tokens as labels.

    For judging these are always the same. For training (``seed`` is set) they are a function of
    the seed, the ``epoch`` and the piece's tokens.
    """

    mask: int
    pad: int
    vocabulary: int
    seed: int | None = None
    share: float = SHARE
    whole_words: bool = False
    epoch: int = 0

    def __call__(self, rows: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Return input_ids, attention_mask, labels and asked as padded tensors."""
        fill = {"input_ids": self.pad, "labels": IGNORED}
        return Padder(fill)([self._hidden(row) for row in rows])

    def _hidden(self, row: Mapping[str, Any]) -> dict[str, Any]:
        given = np.asarray(row["input_ids"], dtype=np.int64)
        shown = given.copy()
        places = np.flatnonzero(row["hidden"])
        if self.seed is None:
            shown[places] = self.mask
        else:
            places = self._spoil(shown, np.asarray(row["words"]), self.seed)
        labels = np.full(len(given), IGNORED, dtype=np.int64)
        labels[places] = given[places]
        return {
            "input_ids": shown,
            "attention_mask": row["attention_mask"],
            "labels": labels,
            "asked": np.int64(row["asked"]),
        }

    def _spoil(self, ids: Array, words: Array, seed: int) -> Array:
        """Hide tokens in place and return where."""
        rng = np.random.default_rng([seed, self.epoch, crc32(ids.tobytes())])
        able = np.flatnonzero(words != NO_WORD)
        if not len(able):
            return able
        units = np.unique(words[able]) if self.whole_words else able
        chosen = rng.choice(units, max(1, round(self.share * len(units))), replace=False)
        places = able[np.isin(words[able], chosen)] if self.whole_words else np.sort(chosen)
        drawn = rng.random(len(places))
        others = rng.integers(0, self.vocabulary, len(places))
        ids[places] = np.where(
            drawn < _KEPT,
            ids[places],
            np.where(drawn < _KEPT + _RANDOM, others, self.mask),
        )
        return places


def guesses(train: Sequence[str], others: Mapping[str, Sequence[str]]) -> dict[str, Array]:
    """Return, by name of ``others``, what knowing how frequent train's words are is worth.

    Columns as ``fill_mask`` predicts them, a word for a token. A word that train has not is spelt
    by the frequencies of letters (Witten and Bell 1991). Letter case aside.
    """
    words = Counter(word for text in train for word in _lower(text))
    letters = Counter(letter for word in words for letter in word + " ")
    total, kinds, spelt = sum(words.values()), len(words), sum(letters.values())
    common = words.most_common(1)[0][0] if words else ""

    def cost(word: str) -> float:
        if word in words:
            return -math.log(words[word] / (total + kinds))
        new = -math.log(max(1, kinds) / (total + kinds + 1))
        chances = ((letters[each] + 1) / (spelt + len(letters) + 1) for each in word + " ")
        return new - sum(map(math.log, chances))

    def judged(text: str) -> Iterator[tuple[float, float, float]]:
        found = list(_lower(text))
        for word, chosen in zip(found, hidden(text, len(found)), strict=True):
            if chosen:
                yield cost(word), float(word == common), float(len(word))

    def row(text: str) -> tuple[float, ...]:
        nats, right, size = np.asarray([*judged(text)] or [(0.0, 0.0, 0.0)]).sum(axis=0)
        count = float(hidden(text, len(spans(text))).sum())
        return nats, count, right, count, right, size

    return {
        name: np.asarray([row(text) for text in texts], dtype=np.float32)
        for name, texts in others.items()
    }


def _lower(text: str) -> Iterator[str]:
    return (text[start:end].casefold() for start, end in spans(text))
