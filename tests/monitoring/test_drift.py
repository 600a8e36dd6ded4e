"""What is drifted on purpose is found by what it was, and what is not raises no alarm."""

from __future__ import annotations

from random import Random

import pytest

from automl import documents
from automl.monitoring import telling
from automl.monitoring.comparing import LEVEL, compare, psi
from automl.monitoring.window import Window
from automl.reference import Reference
from tests.monitoring.tickets import (
    GERMAN,
    OTHER_TOPIC,
    changed,
    observed,
    reference,
    texts,
)


@pytest.fixture(scope="module")
def known():
    return reference()


def moved(known, rows, **how):
    found = compare(known, observed(rows, known.words, 5, **how))
    return {each.feature.name for each in found if each.matters}


def swapped(words, share=0.8):
    random = Random(4)

    def change(text):
        return " ".join(
            random.choice(words) if random.random() < share else word for word in text.split()
        )

    return change


def test_capitals_alone_are_found(known):
    assert moved(known, changed(str.upper)) == {"text capitals"}


def test_texts_that_are_cut_short_are_found(known):
    assert "text length" in moved(known, changed(lambda text: text[:30]))


@pytest.mark.parametrize("words", [GERMAN, OTHER_TOPIC], ids=["language", "topic"])
def test_other_words_are_found(known, words):
    assert "text known words" in moved(known, changed(swapped(words)))


def test_a_class_that_comes_no_more_is_found(known):
    assert moved(known, texts(300, 9, ("billing", "plants"))) == {"predicted class"}


def test_a_model_that_is_less_sure_is_found(known):
    assert moved(known, texts(300, 9), sure=3.0) == {"confidence"}


def test_rows_of_the_same_kind_raise_no_alarm():
    """Thirty times, each with a reference and rows of its own; a few in a hundred may."""
    alarms = 0
    for seed in range(30):
        known = reference(seed)
        rows = texts(150 + 8 * seed, seed + 500)
        found = compare(known, observed(rows, known.words, seed), seed=seed)
        alarms += any(each.psi > each.noise for each in found)
    assert alarms <= 2, f"{alarms} of 30 at a level of {LEVEL}"


def test_too_few_rows_say_nothing(known):
    found = compare(known, observed(changed(str.upper, rows=20), known.words, 1))
    assert {each.verdict for each in found} == {"too few rows"}
    assert "at least 30 rows" in telling.summary(found)


def test_a_large_sample_shows_slight_changes_as_slight():
    known = reference(rows=5000)
    found = compare(known, observed(texts(5000, 31), known.words, 2, sure=7.0))
    verdicts = {each.feature.name: each.verdict for each in found}
    assert verdicts.pop("confidence") == "slight"
    assert set(verdicts.values()) == {"steady"}
    assert "Beyond chance, but slight" in telling.summary(found)


def test_what_is_said_of_a_change_has_both_sides(known):
    found = compare(known, observed(texts(300, 9, ("billing", "plants")), known.words, 5))
    told = telling.summary(found)
    assert "predicted class" in told
    assert "→ 0.0%" in told
    assert telling.summary(compare(known, observed(texts(300, 9), known.words, 5))).startswith(
        "Nothing has moved"
    )


def test_equal_shares_have_no_psi_and_it_is_symmetric():
    assert psi([10, 20, 30], [100, 200, 300]) == pytest.approx(0, abs=1e-3)
    assert psi([5, 50], [50, 5]) == pytest.approx(psi([50, 5], [5, 50]))


def test_the_same_rows_give_the_same(known):
    rows = observed(texts(100, 3), known.words, 3)
    assert compare(known, rows) == compare(known, rows)


def test_a_profile_goes_through_its_file_unchanged_and_names_no_text(known, tmp_path):
    documents.write(tmp_path / "profile.json", known)
    assert documents.read(Reference, tmp_path / "profile.json") == known
    stored = (tmp_path / "profile.json").read_text()
    assert "parcel" not in stored
    assert "invoice" not in stored


def test_a_window_holds_the_last_rows(known):
    window = Window(known, 100)
    for each in observed(texts(100, 3), known.words, 3):
        window.add(each)
    assert not any(each.matters for each in window.movements())
    for each in observed(changed(str.upper, rows=100), known.words, 3):
        window.add(each)
    assert window.rows == 100
    assert "text capitals" in {each.feature.name for each in window.movements() if each.matters}
    assert Window(None, 100).movements() == ()
