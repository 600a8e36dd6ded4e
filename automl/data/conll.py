"""Reads tagged text in columns: a token a line, a blank line between sentences (CoNLL, BIO, IOB).

Knows no tags by meaning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

import pyarrow as pa

from automl.data.arrays import integers, strings
from automl.data.part import Part, Target, refused
from automl.data.streams import opened, text_of, undecodable_line

DOCUMENT = "-DOCSTART-"
"""Token of a line that begins a document; it belongs to no sentence."""
TOKENS, TAGS = "tokens", "tags"
Line = tuple[int, list[str]]
_FORM = "a line is a token and its tag: Paris B-LOC"


def read_conll(target: Target) -> Part:
    """Return a row for each sentence, numbered by its first line, with a list in each column.

    The first column is ``tokens``, the last ``tags``, those between ``column_2``, ``column_3`` ...
    Columns are parted by tabs where the file has any, else by white space. Lines that begin with
    ``#`` and have not as many columns as the others are comments. Raises DataError naming the line
    for another number of columns than others have, and for files without tags.
    """
    try:
        with opened(target.path) as stream, text_of(stream) as text:
            sentences = list(_sentences(target, text))
    except UnicodeDecodeError as error:
        raise undecodable_line(target, error) from error
    if not sentences:
        raise refused(f"{target.name} holds no sentence", _FORM)
    width = len(sentences[0][0][1])
    names = [TOKENS, *(f"column_{place}" for place in range(2, width)), TAGS]
    offsets = [0]
    for sentence in sentences:
        offsets.append(offsets[-1] + len(sentence))
    columns = {
        name: pa.ListArray.from_arrays(
            integers(offsets).cast(pa.int32()),
            strings(fields[place] for sentence in sentences for _, fields in sentence),
        )
        for place, name in enumerate(names)
    }
    numbers = integers(sentence[0][0] for sentence in sentences)
    return Part(target.name, pa.table(columns), numbers, typed=True)


def _sentences(target: Target, text: IO[str]) -> Iterator[list[Line]]:
    lines = [line.rstrip("\r\n") for line in text]
    by_tab = any("\t" in line for line in lines)
    found: list[Line] = []
    for number, fields in _rows(target, lines, by_tab):
        if fields and fields[0] != DOCUMENT:
            found.append((number, fields))
        elif found:
            yield found
            found = []
    if found:
        yield found


def _rows(target: Target, lines: Sequence[str], by_tab: bool) -> Iterator[Line]:
    """Yield each line's number and fields, none where it is blank; comments are left out."""
    split = [line.split("\t" if by_tab else None) if line.strip() else [] for line in lines]
    held = [fields for fields in split if fields and fields[0] != DOCUMENT]
    first = next((fields for fields in held if not fields[0].startswith("#")), held[:1])
    for number, fields in enumerate(split, 1):
        if fields and fields[0].startswith("#") and len(fields) != len(first):
            continue
        if fields and fields[0] != DOCUMENT:
            _refuse_unlike(target, number, fields, len(first))
        yield number, fields


def _refuse_unlike(target: Target, number: int, fields: list[str], width: int) -> None:
    if width < 2:
        raise refused(f"{target.name}:{number}: {fields[0]!r} stands alone", _FORM)
    if len(fields) != width:
        message = f"{target.name}:{number}: {len(fields)} columns where others have {width}"
        raise refused(message)
    if not all(field.strip() for field in fields):
        place = next(place for place, field in enumerate(fields, 1) if not field.strip())
        raise refused(f"{target.name}:{number}: column {place} is empty")
