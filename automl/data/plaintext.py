"""Reads plain text: a row is a paragraph, under the column ``text``. Knows no task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

import pyarrow as pa

from automl.data.arrays import integers, strings
from automl.data.part import Part, Target, refused
from automl.data.streams import opened, text_of, undecodable_line

COLUMN = "text"
Numbered = tuple[int, str]


def read_plain(target: Target) -> Part:
    """Return the paragraphs, which empty lines part, numbered by the line each begins on.

    Where no line is empty each line is a row. Line breaks within a paragraph are kept. Raises
    DataError for a file without text, and for text that is not UTF-8 (or UTF-16 with a byte-order
    mark).
    """
    try:
        with opened(target.path) as stream, text_of(stream) as text:
            lines = [(number, line.rstrip("\r\n")) for number, line in enumerate(text, 1)]
    except UnicodeDecodeError as error:
        raise undecodable_line(target, error) from error
    parted = any(not line.strip() for _, line in lines)
    rows = list(_paragraphs(lines)) if parted else lines
    if not rows:
        raise refused(f"{target.name} holds no text")
    numbers, texts = zip(*rows, strict=True)
    return Part(target.name, pa.table({COLUMN: strings(texts)}), integers(numbers), typed=False)


def _paragraphs(lines: Iterable[Numbered]) -> Iterator[Numbered]:
    for filled, group in groupby(lines, key=lambda line: bool(line[1].strip())):
        if filled:
            held = list(group)
            yield held[0][0], "\n".join(line for _, line in held)
