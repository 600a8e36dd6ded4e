"""What is observed of rows and answers, of every kind."""

from __future__ import annotations

import json

import pytest

from automl import tasks
from automl.monitoring import vocabulary
from automl.monitoring.observing import Observer, answer, is_of_input, unit_of
from automl.monitoring.profiling import LEAST, profile
from automl.reference import OTHER
from tests.tasks.tiny_hearing import wav
from tests.tasks.tiny_vision import png


def of(name, row, *columns, words=""):
    return Observer(tasks.get(name), columns or tuple(row), words).row(row)


def test_a_text_is_measured_without_its_blanks():
    found = of("text-classification", {"text": "AB  cd, 3"}, "text", "label")
    assert found == {"text length": 6.0, "text capitals": 0.5}
    assert of("text-classification", {"text": "12 !"}) == {"text length": 3.0}


def test_words_are_known_from_training_texts_and_stored_as_hashes():
    words = vocabulary.learnt(["the parcel came", "the parcel was late", "one word"])
    found = of("text-classification", {"text": "The parcel, the moon!"}, words=words)
    assert found["text known words"] == 0.75
    assert len(vocabulary.read(words)) == 2


def test_tokens_and_their_text_are_measured_alike():
    tokens = of("token-classification", {"tokens": ["Ada", "lives", "."]}, "tokens", "tags")
    text = of("token-classification", {"text": "Ada lives."}, "tokens", "tags")
    assert tokens == text


def test_of_a_conversation_only_what_was_asked_counts():
    turns = [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "long answer"}]
    stored = of("text-generation", {"messages": json.dumps(turns)})
    asked = of("text-generation", {"messages": json.dumps(turns[:1])})
    assert stored == asked == {"messages length": 2.0, "messages capitals": 0.0}


def test_a_text_that_is_learnt_whole_is_no_question_and_targets_are_none():
    assert of("text-generation", {"text": "a story"}) == {}
    assert set(of("summarization", {"text": "ab", "target": "a"})) == {
        "text length",
        "text capitals",
    }


def test_a_picture_is_measured_and_a_damaged_one_left_out():
    found = of("image-classification", {"image": png(1, (255, 255, 255))})
    assert set(found) == {"image size", "image brightness", "image contrast"}
    assert 0 <= found["image brightness"] <= 1
    assert of("image-classification", {"image": b"no picture"}) == {}


def test_a_sound_is_measured():
    found = of("audio-classification", {"audio": wav(1, 440.0, 0.5)})
    assert found["audio duration"] == pytest.approx(0.5, abs=0.01)
    assert -80 < found["audio loudness"] <= 0


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"label": "a", "score": 0.9}, {"predicted class": "a", "confidence": 0.9}),
        (
            {"labels": ["b", "a"], "scores": {"b": 0.9, "a": 0.8}},
            {"predicted class": "b", "number of classes": 2.0},
        ),
        (
            {"labels": [], "scores": {}},
            {"predicted class": "(none)", "number of classes": 0.0},
        ),
        (
            {"entities": [{"label": "X"}, {"label": "Y"}, {"label": "Y"}]},
            {"predicted class": "Y", "number of entities": 3.0},
        ),
        (
            {"labels": "HHE", "scores": [0.5, 0.7, 0.9]},
            {"predicted class": "H", "confidence": pytest.approx(0.7)},
        ),
        (
            {"shares": {"sky": 0.8, "sea": 0.2}, "size": [1, 1], "runs": ""},
            {"predicted class": "sky", "largest share": 0.8},
        ),
        (
            {"answer": "", "score": 0.4, "start": None, "end": None},
            {"answered": "no", "confidence": 0.4, "length of the answer": 0.0},
        ),
        ({"score": 3.5}, {"predicted number": 3.5}),
        ({"embedding": [1.0]}, {}),
        ({"summary_text": "a b"}, {"length of the answer": 2.0}),
        ({"token": "x", "score": 0.2}, {"confidence": 0.2}),
    ],
)
def test_an_answer_is_one_class_or_number_each(said, expected):
    assert answer(said) == expected


def test_features_tell_whether_they_are_of_inputs_and_their_unit():
    assert is_of_input("text known words")
    assert not is_of_input("length of the answer")
    assert not is_of_input("predicted class")
    assert unit_of("length of the answer") == unit_of("text length") == "characters"
    assert unit_of("predicted number") == ""


def test_bins_are_deciles_with_room_at_both_ends():
    made = profile([{"n": float(value)} for value in range(100)], ("test",), "")
    assert made.features[0].counts == (10,) * 10
    assert made.features[0].place(-1e9) == 0
    assert made.features[0].place(1e9) == 9
    flat = profile([{"n": 1.0}] * LEAST, ("test",), "").features[0]
    assert [flat.place(value) for value in (0.9, 1.0, 1.1)] == [0, 1, 2]


def test_classes_beyond_the_most_frequent_are_one():
    made = profile([{"c": f"class {n % 50}"} for n in range(500)], ("test",), "").features[0]
    assert len(made.classes) == 31
    assert made.classes[-1] == OTHER
    assert made.place("never seen") == 30
    assert made.rows == 500


def test_what_is_seldom_observed_is_left_out():
    assert profile([{"n": 1.0}] * (LEAST - 1), ("test",), "").features == ()
