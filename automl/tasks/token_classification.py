"""Token classification: a text or its tokens in, a tag for each word and their entities out.

Rows are stored as tokens or as a text, with a tag for each word. Knows no trial and no recipe.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.tasks import (
    ENCODER,
    Columns,
    Labels,
    Malformed,
    Prepared,
    Role,
    Task,
    _tagging,
    _tags,
    _words,
)
from automl.tasks._dictionary import DESCRIPTION
from automl.tasks._metrics import TAGGING
from automl.tasks._tagging import Tagged
from automl.tasks._words import Document

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOKENS, TEXT, TAGS, SPANS = "tokens", "text", "tags", "spans"
_USAGE = """\
from transformers import pipeline

tag = pipeline("token-classification", model={repository!r}, aggregation_strategy="first")
print(tag({example}))
"""
_TEXT = '"Put a text here."'
_WORDS = '["Put", "tokens", "here", "."], is_split_into_words=True'


def _documents(columns: Columns) -> list[Document]:
    if TOKENS in columns:
        return [_words.joined(tokens) for tokens in columns[TOKENS]]
    return [_words.parted(str(text)) for text in columns[TEXT]]


def _prepare(columns: Columns) -> Prepared:
    """Return rows with a tag for each word, in BIO or plain.

    Malformed are rows with another number of tags than of words, tags that say nothing certain
    (see ``_tags.read``) and spans that don't fit their text (see ``_words.marked``).
    """
    inputs = {TOKENS if TOKENS in columns else TEXT: columns.get(TOKENS, columns.get(TEXT, ()))}
    if TAGS not in columns and SPANS not in columns:
        return Prepared(inputs)
    if TAGS not in columns:
        return _of_spans(inputs, columns[SPANS])
    tags = [_apart(row) for row in columns[TAGS]]
    if TEXT in inputs:
        # Tags are of the words between spaces: only those are there to count.
        inputs = {TOKENS: [str(text).split() for text in inputs[TEXT]]}
    wrong = tuple(
        Malformed(
            number,
            f"{TAGS} has {len(row)} entries, the row {len(tokens)} tokens",
            "give each token one tag, O where it has none",
        )
        for number, (tokens, row) in enumerate(zip(inputs[TOKENS], tags, strict=True))
        if len(tokens) != len(row)
    )
    return _read(inputs, tags, (), wrong)


def _of_spans(inputs: Columns, spans: Sequence[str | None]) -> Prepared:
    if TOKENS in inputs:
        rule = f"{SPANS} count characters of a text, and the row has {TOKENS}"
        return Prepared(inputs, (), (Malformed(0, rule, "name the text: columns: {text: text}"),))
    texts = [str(text) for text in inputs[TEXT]]
    tags, notes, wrong = _words.of_whole_rows(texts, spans)
    return _read({TEXT: texts}, tags, notes, wrong)


def _read(
    inputs: Columns, tags: list[list[str]], notes: tuple[str, ...], wrong: tuple[Malformed, ...]
) -> Prepared:
    if wrong:
        return Prepared(inputs, notes, wrong)
    found = _tags.read(tags)
    return Prepared({**inputs, TAGS: found.rows}, (*notes, *found.notes), found.malformed)


def _apart(row: Sequence[str]) -> list[str]:
    """Return tags as they are, or, where a cell held them all, parted at spaces."""
    return row[0].split() if len(row) == 1 and " " in row[0] else list(row)


def _encode(
    columns: Columns, tokenizer: PreTrainedTokenizerBase, max_length: int, labels: Labels
) -> dict[str, list[Any]]:
    tags = columns.get(TAGS)
    return _tagging.encode(_documents(columns), tags, tokenizer, max_length, labels)


def _decode(
    outputs: Sequence[Any],
    rows: Any,
    columns: Columns,
    tokenizer: PreTrainedTokenizerBase,
    labels: Labels,
) -> list[Tagged]:
    return _tagging.decode(_documents(columns), outputs, rows, labels)


def _targets(columns: Columns, labels: Labels) -> list[list[str]]:
    return _tagging.targets(columns[TAGS], labels)


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, list[Tagged]]:
    from automl.tasks import _dictionary

    rows = {name: _documents(columns) for name, columns in others.items()}
    return _dictionary.tag(_documents(train), train[TAGS], rows, labels)


def _usage(repository: str, max_length: int, roles: Collection[str] = ()) -> str:
    return _USAGE.format(repository=repository, example=_WORDS if TOKENS in roles else _TEXT)


TASK = Task(
    name="token-classification",
    pipeline_tag="token-classification",
    auto_class=_tagging.AUTO_CLASS,
    mapping="MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
    roles=(
        Role(TOKENS, "texts", True, (TOKENS, "words", "token", "word", "pieces")),
        Role(
            TEXT,
            "text",
            False,
            (TEXT, "sentence", "content", "body", "document"),
            instead_of=TOKENS,
        ),
        Role(
            TAGS,
            "classes",
            True,
            (TAGS, "ner_tags", "ner", "bio_tags", "bio", "iob_tags", "labels", "ner_labels"),
        ),
        Role(
            SPANS, "json", False, (SPANS, "entities", "annotations"), target=True, instead_of=TAGS
        ),
    ),
    metrics=TAGGING,
    objective="f1",
    floor_description=DESCRIPTION,
    knobs=ENCODER,
    windows=True,
    encode=_encode,
    build=_tagging.build,
    targets=_targets,
    score=_tagging.score,
    report=_tagging.report,
    floor=_floor,
    answers=_tagging.answers,
    says=("entities",),
    usage=_usage,
    collator=_tagging.collator,
    infer=_tagging.infer,
    decode=_decode,
    prepare=_prepare,
    kinds=_tags.kinds,
)
"""A tag for each word: of entities (BIO and what is like it), or plain ones (parts of speech)."""
