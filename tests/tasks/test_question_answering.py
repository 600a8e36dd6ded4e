"""Answers are read in all their forms or refused, compared as SQuAD does, found in long contexts,
and given or withheld by a threshold that the model keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from automl import tasks
from automl.data.load import load_data
from automl.errors import DataError
from automl.serving.batch import label
from automl.serving.predict import Predictor
from automl.serving.rows import Row
from automl.tasks import _spans, _squad
from automl.tasks._squad import Said
from automl.tasks._text import load_tokenizer
from tests.data.samples import recipe_in
from tests.tasks import bundles
from tests.tasks.sampled.question_answering import SAMPLE
from tests.tasks.samples import TINY_BERT

TASK = tasks.get("question-answering")
CONTEXT = "Ada wrote notes in London. Babbage lived in London too."


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer(str(TINY_BERT))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reader") / "bundle"
    columns = {"question": "question", "context": "context", "answers": "answers"}
    return bundles.write(TASK.name, folder, (), columns)


def _prepared(**columns: Any) -> Any:
    assert TASK.prepare is not None
    rows = len(next(iter(columns.values())))
    return TASK.prepare({"question": ["Who?"] * rows, "context": [CONTEXT] * rows, **columns})


def _answers(*texts: str, start: int | None = None) -> str:
    starts = [CONTEXT.find(text) if start is None else start for text in texts]
    return json.dumps({"text": list(texts), "answer_start": starts})


@pytest.mark.parametrize(
    ("columns", "text", "start"),
    [
        ({"answers": [_answers("Ada", "Babbage")]}, ["Ada", "Babbage"], [0, 27]),
        ({"answers": ['[{"text": "Ada", "answer_start": 0}]']}, ["Ada"], [0]),
        ({"answers": ['"Babbage"']}, ["Babbage"], [27]),
        ({"answer_text": ["notes"], "answer_start": ["10"]}, ["notes"], [10]),
        ({"answer_text": ["notes"], "answer_start": ['"10"']}, ["notes"], [10]),
        ({"answers": ['{"text": "notes", "answer_start": 10}']}, ["notes"], [10]),
        ({"answers": ['{"text": [""], "answer_start": [0]}']}, [], []),
        ({"answer_text": ["notes"]}, ["notes"], [10]),
        ({"answers": ['{"text": [], "answer_start": []}']}, [], []),
        ({"answer_text": [None]}, [], []),
        ({"answers": [_answers("Ada")], "is_impossible": ["true"]}, [], []),
    ],
)
def test_answers_are_read_in_any_of_their_forms(
    columns: dict[str, Any], text: list[str], start: list[int]
) -> None:
    found = _prepared(**columns)
    assert not found.malformed
    assert json.loads(found.columns["answers"][0]) == {"text": text, "answer_start": start}


@pytest.mark.parametrize(
    ("columns", "rule", "hint"),
    [
        ({"answers": [_answers("London", start=3)]},
         "the answer 'London' is not at 3: there is ' wrote'", "answer_start: 19, 44"),
        ({"answers": [_answers("Oslo", start=0)]},
         "the answer 'Oslo' is not at 0: there is 'Ada '", "it stands nowhere in the context"),
        ({"answer_text": ["London"]}, "the answer 'London' stands 2 times in the context", None),
        ({"answer_text": ["Oslo"]}, "the answer 'Oslo' stands nowhere in the context", None),
        ({"answer_text": ["notes"], "answer_start": ['"x"']},
         "answer_start 'x' of 'notes' is no whole number", None),
        ({"answers": ["7"]}, "answers is not an answer's text and start: 7", None),
        ({"answers": ['{"text": ["x"], "answer_start": []}']}, "answers is not an answer's", None),
    ],
)  # fmt: skip
def test_answers_that_do_not_stand_there_are_named_with_where_they_do(
    columns: dict[str, Any], rule: str, hint: str | None
) -> None:
    (wrong,) = _prepared(**columns).malformed
    assert wrong.row == 0
    assert wrong.rule.startswith(rule)
    assert hint is None or wrong.hint == hint


@pytest.mark.parametrize(
    ("said", "true", "exact", "f1"),
    [
        ("The Eiffel-Tower!", "eiffeltower", 1.0, 1.0),
        ("a cat", "the  Cat", 1.0, 1.0),
        ("the cat sat", "cat", 0.0, 2 / 3),
        ("in the year 1999", "1999", 0.0, 0.5),
        ("dog", "cat", 0.0, 0.0),
        ("", "cat", 0.0, 0.0),
        ("the", "", 1.0, 1.0),
    ],
)
def test_answers_are_compared_as_squad_does(said: str, true: str, exact: float, f1: float) -> None:
    assert _squad.exact(said, true) == exact
    assert _squad.overlap(said, true) == pytest.approx(f1)


def test_the_nearest_of_several_true_answers_counts() -> None:
    assert _squad.best("black cat", ["dog", "cat", "the black cat"]) == (1.0, 1.0)
    assert _squad.best("", []) == (1.0, 1.0)
    assert _squad.best("cat", []) == (0.0, 0.0)


def _said(text: str, none: float) -> Said:
    return Said(text, 0, len(text), 0.5, none)


def test_rows_with_and_without_an_answer_are_scored_apart_where_there_are_both() -> None:
    said = [_said("cat", -1.0), _said("dog", -1.0), _said("x", 1.0), _said("y", -1.0)]
    truth = [["cat"], ["cow"], [], []]
    found = TASK.score(said, truth, ())
    assert found == {"f1": 0.5, "exact_match": 0.5, "answerable_f1": 0.5, "unanswerable_f1": 0.5}
    columns = {"question": ["?"] * 4, "context": [CONTEXT] * 4}
    report = TASK.report(said, truth, columns, (), 0)
    assert report.per_class["without an answer"] == {
        "precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2.0,
    }  # fmt: skip
    assert [each["label"] for each in report.examples] == ["cow", "no answer"]
    assert set(TASK.score(said[:2], truth[:2], ())) == {"f1", "exact_match"}
    assert not TASK.report(said[:2], truth[:2], columns, (), 0).per_class


def test_the_threshold_is_where_f1_is_highest() -> None:
    said = [_said("a1", -3.0), _said("b2", 2.0), _said("c3", 4.0), _said("wrong", 5.0)]
    truth = [["a1"], ["b2"], [], []]
    cut = _squad.threshold(said, truth)
    assert 2.0 < cut < 4.0
    moved = [each._replace(none=each.none - cut) for each in said]
    assert TASK.score(moved, truth, ())["f1"] == 1.0


def test_a_long_context_is_read_in_windows_and_only_those_with_the_answer_point_at_it(
    tokenizer: Any,
) -> None:
    context = " ".join(f"word{place}" for place in range(60)) + " Babbage said so."
    start = context.index("Babbage")
    encoded = _spans.encode(["Who?"], [context], [(start, start + 7)], tokenizer, 32)
    assert len(encoded["input_ids"]) > 5
    assert max(map(len, encoded["input_ids"])) <= 32
    pointing = [n for n, pair in enumerate(encoded["labels"]) if pair != [0, 0]]
    assert len(encoded["input_ids"]) - 1 in pointing
    for window in pointing:
        first, last = encoded["labels"][window]
        start, end = encoded["starts"][window][first], encoded["ends"][window][last]
        assert context[start:end].strip() == "Babbage"
    covered = {place for window in range(len(encoded["row"])) for place in _read(encoded, window)}
    assert covered >= {place for place, each in enumerate(context) if not each.isspace()}


def _read(encoded: dict[str, Any], window: int) -> set[int]:
    """The characters of the context that are in the window."""
    pairs = zip(encoded["starts"][window], encoded["ends"][window], strict=True)
    return {place for start, end in pairs if start >= 0 for place in range(start, end)}


def test_a_question_longer_than_the_window_leaves_room_for_the_context(tokenizer: Any) -> None:
    encoded = _spans.encode(["why " * 90], [CONTEXT], None, tokenizer, 24)
    assert max(map(len, encoded["input_ids"])) <= 24
    assert all(_read(encoded, window) for window in range(len(encoded["row"])))


def test_the_best_span_over_all_windows_wins_and_ends_after_it_begins() -> None:
    context = "one two three four"
    windows = [
        {"row": 0, "starts": [-1, 0, 4, -1], "ends": [-1, 3, 7, -1]},
        {"row": 0, "starts": [-1, 8, 14, -1], "ends": [-1, 13, 18, -1]},
    ]
    outputs = [
        np.asarray([[0, 0], [1, 5], [4, 0], [9, 9]], dtype=np.float32),
        np.asarray([[3, 3], [4, 0], [0, 3], [9, 9]], dtype=np.float32),
    ]
    (said,) = _spans.decode(outputs, windows, [context])
    assert (said.text, said.start, said.end) == ("three four", 8, 18)
    assert said.none == pytest.approx(0 - 7)
    assert 0.5 < said.score < 1


def test_no_answer_needs_questions_without_one_in_train_and_is_settled_by_f1(
    tokenizer: Any,
) -> None:
    model = TASK.build(str(TINY_BERT), (), {}, False).eval()
    every = TASK.encode(SAMPLE.columns, tokenizer, 48, ())
    assert TASK.settle is not None
    assert TASK.begin is not None
    truth = TASK.targets(SAMPLE.columns, ())

    def predicted() -> Any:
        rows = [dict(zip(every, row, strict=True)) for row in zip(*every.values(), strict=True)]
        with torch.no_grad():
            said = TASK.infer(model, TASK.collator(tokenizer)(rows))
        return TASK.decode(list(said), rows, SAMPLE.columns, tokenizer, ())

    assert all(each.answer for each in predicted())
    assert TASK.settle(model, predicted(), truth, ()) == predicted()
    assert not hasattr(model.config, _spans.THRESHOLD)
    setattr(model.config, _spans.THRESHOLD, 0.0)
    before = TASK.score(predicted(), truth, ())["f1"]
    settled = TASK.settle(model, predicted(), truth, ())
    again = predicted()
    assert [each.answer for each in settled] == [each.answer for each in again]
    assert TASK.score(again, truth, ())["f1"] >= max(before, 0.25)


def test_the_threshold_is_kept_with_the_model(tmp_path: Path, tokenizer: Any) -> None:
    from automl.tasks import _loading
    from automl.worker import store

    model = TASK.build(str(TINY_BERT), (), {}, False)
    assert TASK.begin is not None
    TASK.begin(model, tokenizer, store.rows(TASK.encode(SAMPLE.columns, tokenizer, 48, ())))
    setattr(model.config, _spans.THRESHOLD, 1.5)
    model.save_pretrained(tmp_path)
    assert getattr(_loading.trained(TASK, str(tmp_path)).config, _spans.THRESHOLD) == 1.5


def test_the_cards_code_gives_the_answer_that_the_predictor_gives(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = TASK.usage(str(bundle), 60)
    names: dict[str, Any] = {}
    exec(code, names)
    printed = capsys.readouterr().out.strip()
    (found,) = Predictor(bundle, "cpu").predict(
        [{"question": names["question"], "context": names["context"]}]
    )
    assert printed == found["answer"]
    assert found["answer"] == names["context"][found["start"] : found["end"]]


def test_rows_are_answered_from_files_and_a_missing_context_is_named(bundle: Path) -> None:
    predictor = Predictor(bundle, "cpu")
    rows = [Row("a.csv:2", {"q": "Who wrote?", "passage": CONTEXT * 9, "id": "1"})]
    ((_, found),) = label(predictor, rows)
    assert found is not None
    assert found["answer"] == (CONTEXT * 9)[found["start"] : found["end"]]
    ((_, pair),) = label(predictor, [Row("-", {"text": "Who wrote?", "text_pair": CONTEXT * 9})])
    assert pair == found
    with pytest.raises(DataError, match="a row has no context; it has question"):
        list(predictor.predict(["Who wrote?"]))


def test_the_floor_finds_names_near_the_words_of_the_question() -> None:
    train = {
        "question": ["Who made the first engine?"] * 2,
        "context": ["The engine was made by Charles Babbage in 1837. Rain fell."] * 2,
        "answers": [json.dumps({"text": ["Charles Babbage"], "answer_start": [23]})] * 2,
    }
    (found, _) = TASK.floor(train, {"x": train}, (), 0)["x"]
    assert found.answer == "Charles Babbage"


def test_questions_about_one_context_stay_on_one_side_of_a_split(tmp_path: Path) -> None:
    rows = [
        {"q": f"What is {n}?", "context": f"Text {n % 9} says it is so.", "answer_text": "so"}
        for n in range(90)
    ]
    (tmp_path / "train.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    data = load_data(recipe_in(tmp_path, train="train.jsonl", validation=0.2, test=0.2), TASK)
    sides = [set(table["context"].to_pylist()) for table in data.tables.values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 9
    assert data.plan.columns == {"question": "q", "context": "context"}
    assert json.loads(data.tables["test"]["answers"][0].as_py())["answer_start"]


def test_an_answer_that_is_not_there_is_named_by_its_line(tmp_path: Path) -> None:
    rows = [{"question": f"{n}?", "context": "It is so.", "answers": "so"} for n in range(20)]
    rows[7]["answers"] = "not so"
    (tmp_path / "train.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    with pytest.raises(DataError, match=r"train\.jsonl:8: the answer 'not so' stands nowhere"):
        load_data(recipe_in(tmp_path, train="train.jsonl"), TASK)
