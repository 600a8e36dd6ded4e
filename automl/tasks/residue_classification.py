"""Residue classification: a protein's amino acids in, a label for each of them out (ESM and kin).

Token classification whose words are single letters; knows no trial and no recipe.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.errors import CandidateError
from automl.tasks import (
    ENCODER,
    Columns,
    Labels,
    Malformed,
    Prepared,
    Role,
    Task,
    _dictionary,
    _tagging,
    _tags,
)
from automl.tasks._metrics import TAGGING
from automl.tasks._tagging import WORDS, Tagged
from automl.tasks._windows import ROW, overlap
from automl.tasks._words import Document

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SEQUENCE, LABELS = "sequence", "labels"
_LETTERS = re.compile(r"[A-Za-z*-]")
_USAGE = """\
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({repository!r})
model = AutoModelForTokenClassification.from_pretrained({repository!r}).eval()
sequence = "MKTAYIAKQR"
inputs = tokenizer(" ".join(sequence), return_tensors="pt")  # of up to {max_length} tokens
with torch.no_grad():
    best = model(**inputs).logits[0].argmax(dim=-1).tolist()
print([model.config.id2label[each] for each in best[1 : 1 + len(sequence)]])
"""


def _prepare(columns: Columns) -> Prepared:
    """Return sequences in capitals without spaces, and a label for each residue.

    Labels are a string with a letter a residue, or a list. Malformed are sequences with other signs
    than letters, and rows with another number of labels than of residues.
    """
    sequences = ["".join(str(each).split()).upper() for each in columns[SEQUENCE]]
    wrong = [
        Malformed(row, f"residue {at + 1} is {sequence[at]!r}, no letter of an amino acid",
                  "write one letter a residue: MKTAYIAK; X is an unknown one")
        for row, sequence in enumerate(sequences)
        if (at := next((n for n, each in enumerate(sequence) if not _LETTERS.match(each)), None))
        is not None
    ]  # fmt: skip
    if LABELS not in columns:
        return Prepared({SEQUENCE: sequences}, (), tuple(wrong))
    labels = [_labels(value) for value in columns[LABELS]]
    wrong += [
        Malformed(row, f"{LABELS} has {len(each)} entries, the sequence {len(sequence)} residues",
                  "give each residue one label")
        for row, (sequence, each) in enumerate(zip(sequences, labels, strict=True))
        if len(sequence) != len(each)
    ]  # fmt: skip
    if wrong:
        return Prepared({SEQUENCE: sequences}, (), tuple(wrong))
    stored = [json.dumps(each) for each in labels]
    return Prepared({SEQUENCE: sequences, LABELS: stored})


def _labels(value: str) -> list[str]:
    found = json.loads(value)
    if isinstance(found, list):
        return [str(each) for each in found]
    return list(str(found))


def _classes(columns: Columns) -> tuple[str, ...]:
    return tuple(sorted({each for row in _of(columns) for each in row}))


def _of(columns: Columns) -> list[list[str]]:
    return [json.loads(value) for value in columns[LABELS]]


def _documents(columns: Columns) -> list[Document]:
    return [
        Document(sequence, tuple((at, at + 1) for at in range(len(sequence))))
        for sequence in columns[SEQUENCE]
    ]


def _encode(
    columns: Columns, tokenizer: PreTrainedTokenizerBase, max_length: int, labels: Labels
) -> dict[str, list[Any]]:
    """Return windows of the sequences, a piece for each residue.

    Raises CandidateError for a tokenizer that makes anything else of residues.
    """
    room = max_length - tokenizer.num_special_tokens_to_add()
    parts = [
        (row, start, sequence[start : start + room])
        for row, sequence in enumerate(columns[SEQUENCE])
        for start in _starts(len(sequence), room)
    ]
    inputs = tokenizer([" ".join(part) for _, _, part in parts])
    ends = {*tokenizer.all_special_ids} - {tokenizer.unk_token_id}
    words = [
        _residues(ids, ends, start, part)
        for ids, (_, start, part) in zip(inputs["input_ids"], parts, strict=True)
    ]
    made = {name: list(inputs[name]) for name in inputs}
    encoded = {**made, ROW: [row for row, _, _ in parts], WORDS: words}
    return _tagging.windows(encoded, _of(columns) if LABELS in columns else None, labels)


def _starts(length: int, room: int) -> Iterator[int]:
    """Yield where windows of ``room`` residues start, the last one reaching the end."""
    step = max(1, room - overlap(room))
    yield from range(0, max(1, length - room + step), step)


def _residues(ids: Sequence[int], ends: Collection[int], start: int, part: str) -> list[int]:
    places = [-1 if each in ends else 0 for each in ids]
    inside = [place for place, kind in enumerate(places) if kind == 0]
    if len(inside) != len(part):
        raise CandidateError(
            f"its tokenizer makes {len(inside)} pieces of {len(part)} residues: it is not one of "
            "amino acids"
        )
    for residue, place in enumerate(inside):
        places[place] = start + residue
    return places


def _decode(
    outputs: Sequence[Any],
    rows: Any,
    columns: Columns,
    tokenizer: PreTrainedTokenizerBase,
    labels: Labels,
) -> list[Tagged]:
    return _tagging.decode(_documents(columns), outputs, rows, labels)


def _targets(columns: Columns, labels: Labels) -> list[list[str]]:
    return _tagging.targets(_of(columns), labels)


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, list[Tagged]]:
    rows = {name: _documents(columns) for name, columns in others.items()}
    return _dictionary.tag(_documents(train), _of(train), rows, labels)


def _answers(predictions: Sequence[Tagged], labels: Labels, top: int) -> list[dict[str, Any]]:
    """Return each residue's label, as one string where all are letters, and its probability."""
    letters = all(len(label) == 1 for label in labels)
    return [
        {"labels": "".join(each.tags) if letters else each.tags, "scores": each.scores}
        for each in predictions
    ]


def _usage(repository: str, max_length: int, roles: Collection[str] = ()) -> str:
    return _USAGE.format(repository=repository, max_length=max_length)


TASK = Task(
    name="residue-classification",
    pipeline_tag="token-classification",
    auto_class=_tagging.AUTO_CLASS,
    mapping="MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
    roles=(
        Role(SEQUENCE, "text", True, (SEQUENCE, "seq", "protein", "primary", "input", "residues")),
        Role(LABELS, "json", True,
             (LABELS, "label", "dssp3", "dssp8", "ss3", "ss8", "target", "disorder", "structure"),
             target=True),
    ),
    metrics=TAGGING,
    objective="accuracy",
    floor_description="each residue's most frequent label in training",
    knobs=ENCODER,
    windows=True,
    encode=_encode,
    build=_tagging.build,
    targets=_targets,
    score=_tagging.score,
    report=_tagging.report,
    floor=_floor,
    answers=_answers,
    says=("labels", "scores"),
    usage=_usage,
    collator=_tagging.collator,
    infer=_tagging.infer,
    decode=_decode,
    prepare=_prepare,
    classes=_classes,
    kinds=_tags.kinds,
)  # fmt: skip
"""A label for each amino acid of a protein: secondary structure, disorder, binding sites."""
