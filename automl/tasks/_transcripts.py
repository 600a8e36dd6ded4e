"""Transcriptions: how they are spelled for a model, how they are compared, how many edits apart.

One place says what happens to letter case and punctuation. Knows texts alone: no sound, no model.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl.tasks import Columns, Labels, Metric
from automl.tasks._judging import named

if TYPE_CHECKING:
    import numpy as np

    from automl.jobs import SplitScore

METRICS = (
    Metric("wer", "minimize", "Word error rate: edits of words by words said, case and punctuation "
           "left out."),
    Metric("cer", "minimize", "Character error rate: the same of characters."),
    Metric("exact_match", "maximize", "Share of transcriptions without any edit."),
    Metric("wer_as_written", "minimize", "Word error rate where case and punctuation count."),
)  # fmt: skip
NOTE = (
    "Transcriptions are compared after NFKC, case folding and without punctuation (apostrophes "
    "within words stay); wer_as_written only brings them to NFKC and to single spaces. Rates are "
    "edits of the whole split by what was said in it."
)
APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}"
PAD, UNKNOWN, DELIMITER = "[PAD]", "[UNK]", "|"
MOST_UNKNOWN = 0.01
"""Share of letters that a model's own alphabet may lack; above, one is made of the data."""
SHOWN = 10
_SPACES = re.compile(r"\s+")


def as_written(text: str) -> str:
    """Return the text in NFKC with single spaces, nothing else changed."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip()


def normalised(text: str) -> str:
    """Return the text as it is compared: NFKC, case folded, without punctuation and symbols.

    What joins two words (a hyphen, a slash) parts them. Apostrophes between letters stay, written
    alike; letters keep their accents, numbers are not spelled out.
    """
    return _worded(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()))


def _worded(text: str, also: Collection[str] = ()) -> str:
    """Return the text's letters, marks and numbers, and what is ``also`` kept; else spaces."""
    for sign in APOSTROPHES:
        text = text.replace(sign, "'")
    kept = (
        sign
        if unicodedata.category(sign)[0] in "LMN"
        or (sign in also and sign != "'")
        or (sign == "'" and text[place - 1 : place].isalpha() and text[place + 1 :][:1].isalpha())
        else " "
        for place, sign in enumerate(text)
    )
    return _SPACES.sub(" ", "".join(kept)).strip()


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The letters of a model that spells, and how texts are brought to them."""

    letters: frozenset[str]

    @classmethod
    def of(cls, vocabulary: Iterable[str]) -> Alphabet:
        """Return the alphabet of a tokenizer's vocabulary: its tokens of one character."""
        return cls(frozenset(each for each in vocabulary if len(each) == 1 and each != DELIMITER))

    @property
    def case(self) -> str:
        """``upper`` or ``lower`` where the letters have one case alone, else ``both``."""
        upper = any(each.isupper() for each in self.letters)
        lower = any(each.islower() for each in self.letters)
        return "both" if upper == lower else "upper" if upper else "lower"

    def spelled(self, text: str) -> str:
        """Return the text in the letters' case, without punctuation that is none of them.

        Unknown letters stay (the tokenizer has a token for these), unknown apostrophes go.
        """
        text = as_written(text)
        if self.case != "both":
            text = text.upper() if self.case == "upper" else text.lower()
        told = _worded(text, self.letters)
        if "'" not in self.letters:
            told = told.replace("'", "")
        return "".join(sign if sign in self.letters else self._folded(sign) for sign in told)

    def _folded(self, sign: str) -> str:
        """Return what a letter folds into where that is known (ß: ss), else the letter."""
        folded = sign.casefold()
        return folded if all(each in self.letters for each in folded) else sign

    def unknown(self, texts: Iterable[str]) -> tuple[float, str]:
        """Return the share of the texts' letters that are missing here, and the commonest ones."""
        from collections import Counter

        counts = Counter(
            sign for text in texts for sign in self.spelled(text) if not sign.isspace()
        )
        lost = Counter({sign: n for sign, n in counts.items() if sign not in self.letters})
        total = sum(counts.values())
        return lost.total() / max(1, total), "".join(sign for sign, _ in lost.most_common(10))


def vocabulary(texts: Iterable[str]) -> dict[str, int]:
    """Return the tokens for what the texts say, normalised: the blank, unknown, a space, letters.

    The blank is first, as the pad token of wav2vec 2.0 and its kin.
    """
    letters = {sign for text in texts for sign in normalised(text)} - {" "}
    tokens = [PAD, UNKNOWN, DELIMITER, *sorted(letters)]
    return {token: place for place, token in enumerate(tokens)}


def edits(reference: str, said: str) -> tuple[int, int, int, int]:
    """Return edits of words, words, edits of characters, characters; of the reference as given."""
    import jiwer

    words = jiwer.process_words(reference, said)
    characters = jiwer.process_characters(reference, said)
    return (
        words.substitutions + words.deletions + words.insertions,
        words.hits + words.substitutions + words.deletions,
        characters.substitutions + characters.deletions + characters.insertions,
        characters.hits + characters.substitutions + characters.deletions,
    )


def counted(said: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Return by row, float64 of shape (rows, 7), what metrics are made of.

    Edits of words, words, edits of characters, characters; whether there is no edit; edits of words
    as written, words as written.
    """
    import numpy as np

    found = np.empty((len(references), 7))
    for row, (text, reference) in enumerate(zip(said, references, strict=True)):
        counts = edits(normalised(reference), normalised(text))
        written = edits(as_written(reference), as_written(text))
        found[row] = (*counts, float(counts[0] == 0), *written[:2])
    return found


def rates(counts: np.ndarray) -> dict[str, float]:
    """Return every metric of rows that ``counted`` has counted."""
    sums = counts.sum(axis=0)
    return {
        "wer": float(sums[0] / sums[1]),
        "cer": float(sums[2] / sums[3]),
        "exact_match": float(sums[4] / len(counts)),
        "wer_as_written": float(sums[5] / sums[6]),
    }


def targets(columns: Columns, labels: Labels) -> list[str]:
    """Return what was said in each row."""
    return [str(text) for text in columns["text"]]


def score(said: Sequence[str], references: Sequence[str], labels: Labels) -> dict[str, float]:
    """Return every metric of ``METRICS``."""
    return rates(counted(said, references))


def report(
    said: Sequence[str],
    references: Sequence[str],
    columns: Columns,
    labels: Labels,
    seed: int,
) -> SplitScore:
    """Return the metrics with intervals over resampled rows, and the rows with most edits."""
    from dataclasses import replace

    import numpy as np

    from automl.tasks import _bootstrap

    counts = counted(said, references)
    each = counts[:, 0] / counts[:, 1]
    worst = [row for row in np.argsort(-each, kind="stable")[:SHOWN] if each[row] > 0]
    names = named(columns)["audio"]
    examples = [
        {
            "audio": names[row],
            "label": references[row],
            "predicted": said[row],
            "score": float(each[row]),
        }
        for row in worst
    ]
    found = _bootstrap.report(lambda rows: rates(counts[rows]), len(said), seed, examples)
    return replace(found, notes=(NOTE, *_spaceless(references)))


def _spaceless(references: Sequence[str]) -> Collection[str]:
    """Say where words mean little."""
    whole = sum(" " not in normalised(each) and len(each) > 12 for each in references)
    if whole <= len(references) / 2:
        return ()
    return ("Most transcriptions have no spaces: look at cer, a word error rate says little.",)


def answers(said: Sequence[str], labels: Labels, top: int) -> list[dict[str, Any]]:
    """Return each transcription under the key that pipelines have for it."""
    return [{"text": text} for text in said]
