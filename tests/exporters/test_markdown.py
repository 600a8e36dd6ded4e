"""No text breaks out of a card's table or comes alive in it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.exporters._markdown import code, plain, table
from automl.exporters._units import count, duration, share


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a | b", r"a \| b"),
        ("one\ntwo\r\nthree", "one ↵ two ↵ three"),
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("&amp;", "&amp;amp;"),
        ("`code` *b* _i_ [x](y) $m$", r"\`code\` \*b\* \_i\_ \[x\](y) \$m\$"),
        ("https://spam.example/x", "https&#58;//spam.example/x"),
        ("www.spam.example", "www&#46;spam.example"),
        ("ada@example.org", "ada&#64;example.org"),
        ("left\u202eright\x00", "left�right�"),
        ("x" * 200, "x" * 159 + "…"),
    ],
)
def test_text_is_shown_as_it_is(text, shown):
    assert plain(text) == shown


@given(st.lists(st.text(), min_size=2, max_size=2), st.text(max_size=20))
def test_a_row_of_any_texts_keeps_its_columns(texts, label):
    row = table(("a", "b", "c"), [(*map(plain, texts), code(label))]).splitlines()[-1]
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 4


@given(st.text())
def test_no_tag_opens_and_no_line_breaks_in_any_text(text):
    shown = plain(text)
    assert "<" not in shown
    assert len(shown.splitlines()) <= 1


def test_a_code_span_with_backticks_becomes_plain_text():
    assert code("learning_rate") == "`learning_rate`"
    assert code("a`b|c") == r"a\`b\|c"


def test_columns_align_as_asked():
    assert table(("a", "b"), [("1", "2")], right=(1,)).splitlines()[1] == "| :--- | ---: |"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.4 s"), (45, "45 s"), (271, "4 min 31 s"), (1800, "30 min"), (7200, "2 h"),
     (7500, "2 h 05 min"), (59.7, "1 min")],
)  # fmt: skip
def test_durations_read_well(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(812, "812"), (27_100, "27.1k"), (22_713_216, "22.7M"), (999_999, "1M"), (1.54e9, "1.54B")],
)
def test_counts_have_three_digits(number, text):
    assert count(int(number)) == text


def test_a_share_that_is_not_nothing_is_not_shown_as_nothing():
    assert (share(0.0), share(0.0002), share(0.012)) == ("0.0%", "under 0.1%", "1.2%")
