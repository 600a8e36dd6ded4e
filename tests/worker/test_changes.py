from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.compiler.checks import CHANGES
from automl.worker.changes import variants

TEXT = "Where is my Parcel? It should have been here by monday."


def test_a_typo_swaps_neighbours_within_a_word_and_nothing_else() -> None:
    (found,) = variants("typos", TEXT, 7)
    assert Counter(found) == Counter(TEXT)
    differ = [i for i, (a, b) in enumerate(zip(TEXT, found, strict=True)) if a != b]
    assert len(differ) == 2
    assert differ[1] == differ[0] + 1
    assert variants("typos", TEXT, 7) == [found]
    assert {variants("typos", TEXT, seed)[0] for seed in range(20)} != {found}


def test_case_and_punctuation_change_as_they_say() -> None:
    assert variants("case", TEXT, 0) == [TEXT.lower(), TEXT.upper()]
    assert variants("case", "all low", 0) == ["ALL LOW"]
    assert variants("punctuation", "Where?!", 0) == ["Where"]
    assert variants("punctuation", "Where", 0) == ["Where."]


def test_synonyms_stand_for_the_first_known_word_in_its_case() -> None:
    groups = (("parcel", "package", "delivery"), ("monday", "tuesday"))
    assert variants("synonyms=x", TEXT, 0, groups) == [
        TEXT.replace("Parcel", "Package"),
        TEXT.replace("Parcel", "Delivery"),
    ]
    assert variants("synonyms=x", "PARCEL", 0, groups) == ["PACKAGE", "DELIVERY"]
    assert variants("synonyms=x", "parcels, subparcel", 0, groups) == []


@pytest.mark.parametrize("change", CHANGES)
@given(text=st.text(max_size=60))
def test_no_text_breaks_a_change_and_no_variant_is_the_text(change: str, text: str) -> None:
    found = variants(change, text, 1)
    assert text not in found
    assert len(set(found)) == len(found) <= 2
