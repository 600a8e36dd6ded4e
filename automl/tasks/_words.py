"""Words of texts by their offsets, and what spans of characters come to as tags of words. Pure.

Words are parted as BERT's own tokenizer parts them: at white space, around each punctuation mark
and each Chinese character. Whatever a model's pieces are, tags are of these.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from automl.tasks import Malformed
from automl.tasks._tags import Entity, written

Word = tuple[int, int]
"""First character, and the one after the last."""
_IDEOGRAPHS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_KINDS = ("label", "type", "tag", "entity_group", "entity", "class")
_QUOTES = ("text", "word", "value", "surface")
_FORM = '{"start": 0, "end": 5, "label": "PER"}'


@dataclass(frozen=True, slots=True)
class Document:
    """A text and its words."""

    text: str
    words: tuple[Word, ...]


def parted(text: str) -> Document:
    """Return the text with its words found in it."""
    return Document(text, tuple(found.span() for found in _pattern().finditer(text)))


def joined(tokens: Sequence[str]) -> Document:
    """Return the tokens as words of one text, a space between them."""
    ends, at = [], 0
    for token in tokens:
        ends.append((at, at + len(token)))
        at += len(token) + 1
    return Document(" ".join(tokens), tuple(ends))


@cache
def _pattern() -> re.Pattern[str]:
    marks = "".join(
        re.escape(chr(code))
        for code in range(sys.maxunicode + 1)
        if (code < 128 and not chr(code).isalnum() and chr(code).isprintable() and code != 32)
        or (code >= 128 and unicodedata.category(chr(code)).startswith("P"))
    )
    return re.compile(rf"[{marks}{_IDEOGRAPHS}]|[^\s{marks}{_IDEOGRAPHS}]+")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a text's spans, and a hint."""

    rule: str
    hint: str


@dataclass(frozen=True, slots=True)
class Marked:
    """A text's spans as tags of its words; ``widened`` are those that cut a word, and the word."""

    tags: list[str]
    widened: tuple[tuple[str, str], ...] = ()


def marked(document: Document, spans: str | None) -> Marked | Fault:
    """Return the spans (JSON: objects of start, end, label) as tags, or what is wrong with them.

    A span that cuts a word is widened to the whole of it. Wrong are spans outside the text or
    without a word, and such as overlap, widened or not.
    """
    found: list[tuple[Entity, Word]] = []
    widened: list[tuple[str, str]] = []
    for each in json.loads(spans) or () if spans else ():
        span = _span(each, document.text)
        if isinstance(span, Fault):
            return span
        (start, end), kind = span
        inside = [n for n, word in enumerate(document.words) if word[0] < end and start < word[1]]
        if not inside:
            return Fault(f"the span {start} to {end} holds no word", "leave it out")
        first, last = inside[0], inside[-1] + 1
        bounds = document.words[first][0], document.words[last - 1][1]
        if bounds[0] < start or end < bounds[1]:
            widened.append((document.text[start:end], document.text[slice(*bounds)]))
        found.append(((kind, first, last), (start, end)))
    found.sort(key=lambda each: each[0][1:])
    for (one, here), (other, there) in pairwise(found):
        if other[1] < one[2]:
            return Fault(
                f"the spans {here[0]} to {here[1]} and {there[0]} to {there[1]} share a word",
                "a word has one label: keep one of them",
            )
    return Marked(written((each for each, _ in found), len(document.words)), tuple(widened))


def _span(value: Any, text: str) -> tuple[Word, str] | Fault:
    """Return a span's characters and type, or what is wrong with it."""
    if not isinstance(value, Mapping):
        return Fault(f"a span is an object, this is {value!r}", _FORM)
    start, end = value.get("start"), value.get("end")
    kind = next((value[name] for name in _KINDS if value.get(name)), None)
    if not isinstance(start, int) or not isinstance(end, int) or kind is None:
        return Fault(f"a span has start, end and label; this is {dict(value)!r}", _FORM)
    if not 0 <= start < end <= len(text):
        return Fault(
            f"the span {start} to {end} lies outside the text of {len(text)} characters",
            "offsets count characters from 0; end is the one after the last",
        )
    quoted = next((value[name] for name in _QUOTES if isinstance(value.get(name), str)), None)
    if quoted is not None and quoted.strip() != text[start:end].strip():
        at = text.find(quoted)
        hint = f"{quoted!r} stands at {at} to {at + len(quoted)}" if at >= 0 else "mend the offsets"
        return Fault(f"the span {start} to {end} is {text[start:end]!r}, not {quoted!r}", hint)
    return (start, end), str(kind)


def of_whole_rows(
    texts: Sequence[str], spans: Sequence[str | None]
) -> tuple[list[list[str]], tuple[str, ...], tuple[Malformed, ...]]:
    """Return each text's spans as tags of its words, notes, and the rows where that fails."""
    tags: list[list[str]] = []
    wrong: list[Malformed] = []
    widened: list[tuple[str, str]] = []
    for number, (text, each) in enumerate(zip(texts, spans, strict=True)):
        found = marked(parted(text), each)
        if isinstance(found, Marked):
            tags.append(found.tags)
            widened += found.widened
        else:
            tags.append([])
            wrong.append(Malformed(number, found.rule, found.hint))
    notes: tuple[str, ...] = ()
    if widened:
        cut, whole = widened[0]
        notes = (f"{len(widened):,} spans cut a word and were widened: {cut!r} to {whole!r}",)
    return tags, notes, tuple(wrong)
