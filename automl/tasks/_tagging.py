"""What tasks that tag the words of a text share: pieces and words, what is said of each word.

Knows no tags by meaning, and no training. A word is tagged by its first piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from automl.errors import DataError
from automl.plan import Scalar
from automl.tasks import Columns, Labels
from automl.tasks._tags import OUTSIDE, Entity, entities, is_chunked, runs
from automl.tasks._text import IGNORED, indices, load_model, padder
from automl.tasks._windows import ROW, Collator, by_row, overlap, refuse_slow
from automl.tasks._words import Document, Word

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from automl.jobs import SplitScore

AUTO_CLASS = "AutoModelForTokenClassification"
WORDS = "words"
"""Encoded column: the word that each piece is the first one of; -1 for other pieces."""


class Tagged(NamedTuple):
    """A text with a tag, and its probability, for each of its words."""

    text: str
    words: tuple[Word, ...]
    tags: list[str]
    scores: list[float]

    def entities(self) -> list[Entity]:
        """Return type, first word and the word after the last of each entity."""
        return found(self.tags)


def found(tags: Sequence[str]) -> list[Entity]:
    """Return the entities that tags make; of plain tags, the stretches of one tag."""
    return entities(tags) if is_chunked(tags) else runs(tags)


def encode(
    documents: Sequence[Document],
    tags: Sequence[Sequence[str]] | None,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    labels: Labels,
) -> dict[str, list[Any]]:
    """Return windows of the texts, ``labels`` at the first piece of each word where there are tags.

    Raises CandidateError for a tokenizer that can't say where its pieces stand.
    """
    refuse_slow(tokenizer)
    inputs = tokenizer(
        [document.text for document in documents],
        truncation=True,
        max_length=max_length,
        stride=overlap(max_length),
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    rows = inputs.pop("overflow_to_sample_mapping")
    offsets = inputs.pop("offset_mapping")
    words = [
        first_pieces(documents[row].words, spots, continues=place > 0 and rows[place - 1] == row)
        for place, (row, spots) in enumerate(zip(rows, offsets, strict=True))
    ]
    return windows({**inputs, ROW: rows, WORDS: words}, tags, labels)


def windows(
    encoded: Mapping[str, Sequence[Any]], tags: Sequence[Sequence[str]] | None, labels: Labels
) -> dict[str, list[Any]]:
    """Return windows with the targets of their words; without words there is nothing to learn."""
    made = {name: list(values) for name, values in encoded.items()}
    if tags is None:
        return made
    known = [indices(row, labels) for row in tags]
    made["labels"] = [
        [known[row][word] if word >= 0 else IGNORED for word in words]
        for row, words in zip(made[ROW], made[WORDS], strict=True)
    ]
    kept = [place for place, words in enumerate(made[WORDS]) if max(words, default=-1) >= 0]
    return {name: [values[place] for place in kept] for name, values in made.items()}


def first_pieces(
    words: Sequence[Word], offsets: Sequence[tuple[int, int]], continues: bool
) -> list[int]:
    """Return, for each piece, the word it is the first one of, or -1.

    ``offsets`` are the pieces' characters, empty for special tokens. ``continues`` says that the
    window may begin inside a word. A piece that spans several words is the first one of one.
    """
    places = []
    word, before = 0, -1
    for start, end in offsets:
        place = -1
        if start < end:
            while word < len(words) and words[word][1] <= start:
                word += 1
            there = word < len(words) and words[word][0] < end
            if there and word != before and not (continues and start > words[word][0]):
                place = word
            before, continues = word if there else before, False
        places.append(place)
    return places


def build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    """Return the folder's model with a head that tags each piece."""
    return load_model(
        AUTO_CLASS,
        path,
        hyperparameters,
        trust_remote_code,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )


def collator(tokenizer: PreTrainedTokenizerBase) -> Collator:
    """Return what pads windows."""
    return Collator(padder(tokenizer), left_out=(ROW, WORDS))


def infer(model: Any, inputs: dict[str, Any]) -> np.ndarray:
    """Return each piece's most probable tag and its probability, of shape (rows, pieces, 2)."""
    import torch

    given = {name: values for name, values in inputs.items() if name != "labels"}
    best = model(**given).logits.float().softmax(dim=-1).max(dim=-1)
    made: np.ndarray = torch.stack([best.indices.float(), best.values], dim=-1).cpu().numpy()
    return made


def decode(
    documents: Sequence[Document], outputs: Sequence[Any], rows: Any, labels: Labels
) -> list[Tagged]:
    """Return each text with its words tagged; in several windows, where most stands around it.

    A word without a piece of its own (a mark that the tokenizer leaves out, or glued to the word
    before) is tagged as what goes on there, else as nothing.
    """
    made = by_row(rows, outputs, len(documents))
    return [_tagged(one, windows, labels) for one, windows in zip(documents, made, strict=True)]


def _tagged(document: Document, windows: Sequence[tuple[Any, Any]], labels: Labels) -> Tagged:
    best: dict[int, tuple[int, int, float]] = {}
    for window, output in windows:
        last = len(window[WORDS]) - 1
        for place, word in enumerate(window[WORDS]):
            around = min(place, last - place)
            if word >= 0 and around > best.get(int(word), (-1,))[0]:
                best[int(word)] = around, int(output[place][0]), float(output[place][1])
    tags = [labels[best[word][1]] if word in best else None for word in range(len(document.words))]
    scores = [best[word][2] if word in best else 0.0 for word in range(len(document.words))]
    return Tagged(document.text, document.words, list(_filled(tags, document, labels)), scores)


def _filled(tags: Sequence[str | None], document: Document, labels: Labels) -> Iterator[str]:
    nothing = OUTSIDE if OUTSIDE in labels else labels[0]
    before = nothing
    for place, tag in enumerate(tags):
        glued = place > 0 and document.words[place - 1][1] == document.words[place][0]
        inside = f"I-{before[2:]}" if before[:2] in ("B-", "I-") else before
        before = tag or (inside if glued and inside in labels else nothing)
        yield before


def targets(tags: Sequence[Sequence[str]], labels: Labels) -> list[list[str]]:
    """Return the rows' tags. DataError names one that is not among the labels."""
    known = set(labels)
    for row in tags:
        if strange := next((tag for tag in row if tag not in known), None):
            raise DataError(f"tag {strange!r} is not one of {', '.join(labels)}")
    return [list(row) for row in tags]


def score(predictions: Sequence[Tagged], truth: Any, labels: Labels) -> dict[str, float]:
    """Return the metrics of tagging."""
    from automl.tasks import _entities

    return _entities.score(predictions, truth, labels)


def report(
    predictions: Sequence[Tagged], truth: Any, columns: Columns, labels: Labels, seed: int
) -> SplitScore:
    """Return the metrics of tagging with intervals, the table by type, and mistakes."""
    from automl.tasks import _entities

    return _entities.report(predictions, truth, labels, seed)


def answers(predictions: Sequence[Tagged], labels: Labels, top: int) -> list[dict[str, Any]]:
    """Return the entities of each text: text, start, end, label, score (mean of its words)."""
    return [{"entities": list(_answers(each))} for each in predictions]


def _answers(tagged: Tagged) -> Iterator[dict[str, Any]]:
    for kind, first, last in tagged.entities():
        start, end = tagged.words[first][0], tagged.words[last - 1][1]
        yield {
            "text": tagged.text[start:end],
            "start": start,
            "end": end,
            "label": kind,
            "score": sum(tagged.scores[first:last]) / (last - first),
        }
