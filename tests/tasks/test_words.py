"""Spans of characters become tags of words, or it is said why not."""

from __future__ import annotations

import json

import pytest

from automl.tasks._words import Fault, Marked, marked, of_whole_rows, parted


def _spans(*spans: tuple[int, int, str]) -> str:
    return json.dumps([{"start": a, "end": b, "label": kind} for a, b, kind in spans])


def test_words_are_parted_as_berts_are() -> None:
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    text = "Paris's U.S.-based café, 你好 (हिन्दी) €5 x_y!! a\tb"
    spaced = BertNormalizer(strip_accents=False, lowercase=False).normalize_str(text)
    expected = [word for word, _ in BertPreTokenizer().pre_tokenize_str(spaced)]
    assert [text[start:end] for start, end in parted(text).words] == expected


def test_spans_become_tags_of_their_words() -> None:
    text = "Ada Lovelace met Babbage."
    found = marked(parted(text), _spans((0, 12, "PER"), (17, 24, "PER")))
    assert found == Marked(["B-PER", "I-PER", "O", "B-PER", "O"])
    assert marked(parted(text), "[]") == Marked(["O"] * 5)
    assert marked(parted(text), None) == Marked(["O"] * 5)


def test_neighbouring_entities_stay_two() -> None:
    found = marked(parted("Oslo Rome"), _spans((5, 9, "LOC"), (0, 4, "LOC")))
    assert found == Marked(["B-LOC", "B-LOC"])


def test_a_span_that_cuts_a_word_is_widened_with_a_note() -> None:
    tags, notes, wrong = of_whole_rows(["in Parisian cafes"], [_spans((3, 8, "LOC"))])
    assert (tags, wrong) == ([["O", "B-LOC", "O"]], ())
    assert notes == ("1 spans cut a word and were widened: 'Paris' to 'Parisian'",)


def test_space_around_a_span_is_nothing() -> None:
    assert marked(parted("in Paris now"), _spans((2, 9, "LOC"))) == Marked(["O", "B-LOC", "O"])


@pytest.mark.parametrize(
    ("spans", "rule"),
    [
        (_spans((3, 40, "LOC")), "the span 3 to 40 lies outside the text of 12 characters"),
        (_spans((5, 5, "LOC")), "the span 5 to 5 lies outside the text of 12 characters"),
        (_spans((2, 3, "LOC")), "the span 2 to 3 holds no word"),
        (_spans((0, 8, "A"), (3, 8, "B")), "the spans 0 to 8 and 3 to 8 share a word"),
        (_spans((3, 5, "A"), (5, 8, "B")), "the spans 3 to 5 and 5 to 8 share a word"),
        ('[{"start": 0, "end": 2}]', "a span has start, end and label; this is"),
        ('["LOC"]', "a span is an object, this is 'LOC'"),
    ],
)
def test_spans_that_do_not_fit_their_text_are_named(spans: str, rule: str) -> None:
    found = marked(parted("in Paris now"), spans)
    assert isinstance(found, Fault)
    assert found.rule.startswith(rule)


def test_a_span_that_quotes_another_text_is_told_where_that_stands() -> None:
    span = [{"start": 0, "end": 5, "label": "LOC", "text": "Paris"}]
    found = marked(parted("in Paris now"), json.dumps(span))
    assert found == Fault("the span 0 to 5 is 'in Pa', not 'Paris'", "'Paris' stands at 3 to 8")
