"""Choices and answers are read in all their forms or refused; missing choices are never chosen."""

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
from automl.tasks import _choices
from automl.tasks._choices import Ranked
from automl.tasks._text import load_tokenizer
from tests.data.samples import recipe_in
from tests.tasks import bundles
from tests.tasks.samples import TINY_BERT

TASK = tasks.get("multiple-choice")
THREE = json.dumps(["red", "green", "blue"])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chooser") / "bundle"
    columns = {"question": "question", "choices": "choices", "answer": "answer"}
    return bundles.write(TASK.name, folder, (), columns)


def _prepared(*answers: Any, **columns: Any) -> Any:
    assert TASK.prepare is not None
    rows = len(answers) or 1
    said = {"answer": [json.dumps(each) for each in answers]} if answers else {}
    return TASK.prepare({"question": ["?"] * rows, "choices": [THREE] * rows, **said, **columns})


@pytest.mark.parametrize(
    ("answers", "places", "notes"),
    [
        ((0, 2), ["0", "2"], ()),
        (("1", "0"), ["1", "0"], ()),
        ((1, 3), ["0", "2"], ("answers are counted from 1",)),
        (("A", "c"), ["0", "2"], ()),
        (("blue", "red"), ["2", "0"], ()),
        ((2.0, 0.0), ["2", "0"], ()),
    ],
)
def test_answers_are_places_letters_or_texts(
    answers: tuple[Any, ...], places: list[str], notes: tuple[str, ...]
) -> None:
    found = _prepared(*answers)
    assert not found.malformed
    assert (found.columns["answer"], found.notes) == (places, notes)


def test_choices_may_come_with_keys() -> None:
    keyed = json.dumps({"text": ["red", "green"], "label": ["1", "2"]})
    found = _prepared("2", choices=[keyed])
    assert found.columns["choices"] == ['["red", "green"]']
    assert found.columns["answer"] == ["1"]
    each = json.dumps([{"label": "x", "text": "red"}, {"label": "y", "text": "green"}])
    assert _prepared("y", choices=[each]).columns["answer"] == ["1"]


def test_choices_may_be_columns_of_their_own_and_some_empty() -> None:
    assert TASK.prepare is not None
    found = TASK.prepare(
        {
            "question": ["?", "?"],
            "ending0": ['"red"', '"up"'],
            "ending1": ['"green"', '"down"'],
            "ending2": ['"blue"', None],
            "answer": ["2", "1"],
        }
    )
    assert [json.loads(each) for each in found.columns["choices"]] == [
        ["red", "green", "blue"], ["up", "down"],
    ]  # fmt: skip
    assert found.columns["answer"] == ["2", "1"]


@pytest.mark.parametrize("answer", [7, -1, "D", "purple", True, None])
def test_an_answer_that_is_none_of_the_choices_is_named(answer: Any) -> None:
    found = _prepared(0, answer)
    (wrong,) = found.malformed
    assert wrong.row == 1
    assert wrong.rule == f"answer {answer!r} is none of the 3 choices"
    assert wrong.hint == "write a place from 0 to 2, a letter, or the text"


@pytest.mark.parametrize("choices", ['["red"]', "[]", '"red"', "7"])
def test_fewer_than_two_choices_are_named(choices: str) -> None:
    (wrong,) = _prepared(0, choices=[choices]).malformed
    assert "it takes at least two" in wrong.rule


def test_log_loss_and_accuracy_are_of_the_right_choice() -> None:
    said = [Ranked(["a", "b"], [np.log(0.8), np.log(0.2)]), Ranked(["a", "b"], [np.log(0.6)] * 2)]
    found = TASK.score(said, [1, 0], ())
    assert found["accuracy"] == 0.5
    assert found["log_loss"] == pytest.approx(-(np.log(0.2) + np.log(0.6)) / 2)


def test_a_missing_choice_has_no_chance_and_changes_nothing() -> None:
    tokenizer = load_tokenizer(str(TINY_BERT))
    torch.manual_seed(0)
    model = TASK.build(str(TINY_BERT), (), {}, False).eval()
    encoded = _choices.encode(["?", "?"], [["red", "blue"], ["x", "y", "z", "v"]], tokenizer, 32)
    rows = [dict(zip(encoded, row, strict=True)) for row in zip(*encoded.values(), strict=True)]
    collate = _choices.collator(tokenizer)
    with torch.no_grad():
        together = _choices.infer(model, collate(rows))
        alone = _choices.infer(model, collate(rows[:1]))
    np.testing.assert_allclose(together[0, :2], alone[0], atol=1e-6)
    assert (np.exp(together[0, 2:]) == 0).all()
    assert np.exp(together[1]).sum() == pytest.approx(1)


def test_of_what_is_too_long_the_choice_is_kept_and_the_prompt_cut() -> None:
    tokenizer = load_tokenizer(str(TINY_BERT))
    encoded = _choices.encode(["word " * 90], [["the end", "fin"]], tokenizer, 20)
    assert max(_choices.lengths(encoded)) <= 20
    (ids,), (sizes,) = encoded["input_ids"], encoded["sizes"]
    assert "the end" in tokenizer.decode(ids[: sizes[0]])


def test_the_cards_code_gives_the_choice_that_the_predictor_gives(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {}
    exec(TASK.usage(str(bundle), 64), names)
    printed = capsys.readouterr().out
    given = {"question": names["question"], "choices": names["choices"]}
    (found,) = Predictor(bundle, "cpu").predict([given])
    assert printed.startswith(found["answer"])
    assert float(printed.split()[-1]) == pytest.approx(found["score"], abs=1e-5)


def test_choices_are_found_in_files_of_any_form(bundle: Path) -> None:
    predictor = Predictor(bundle, "cpu")
    (expected,) = predictor.predict([{"question": "Which?", "choices": ["red", "green"]}], top=2)
    assert next(iter(expected["scores"].values())) == expected["score"]
    forms: tuple[dict[str, Any], ...] = (
        {"prompt": "Which?", "options": ["red", "green"]},
        {"question": "Which?", "choices": '["red", "green"]'},
        {"question": "Which?", "choice0": "red", "choice1": "green", "choice2": "other"},
    )
    for columns in forms[:2]:
        ((_, found),) = label(predictor, [Row("a:1", columns)], top=2)
        assert found == expected
    ((_, found),) = label(predictor, [Row("a:1", forms[2])])
    (three,) = predictor.predict([{"question": "Which?", "choices": ["red", "green", "other"]}])
    assert found == three
    fewer = {**forms[2], "choice2": ""}
    ((_, found),) = label(predictor, [Row("a.csv:2", fewer)], top=2)
    assert found == expected
    nothing = {name: "" if name != "question" else "Which?" for name in fewer}
    assert [answer for _, answer in label(predictor, [Row("a.csv:3", nothing)])] == [None]


def test_the_floor_finds_the_choice_that_is_like_the_question() -> None:
    rows = {
        "question": [f"Which says number{place}?" for place in range(12)],
        "choices": [json.dumps([f"number{(p + 3) % 12}", f"number{p}"][:: (-1) ** p])
                    for p in range(12)],
        "answer": [str((place + 1) % 2) for place in range(12)],
    }  # fmt: skip
    found = TASK.floor(rows, {"x": rows}, (), 0)["x"]
    assert TASK.score(found, TASK.targets(rows, ()), ())["accuracy"] == 1.0


def test_a_table_of_endings_is_read_and_a_wrong_label_is_named_by_its_line(tmp_path: Path) -> None:
    lines = ["question,ending0,ending1,ending2,label"]
    lines += [f"How is number {n}?,one{n},two{n},{'three' * (n % 2)},{n % 2}" for n in range(20)]
    (tmp_path / "train.csv").write_text("\n".join(lines))
    data = load_data(recipe_in(tmp_path, train="train.csv"), TASK)
    assert data.plan.columns == {"question": "question", "answer": "label"}
    counts = {len(json.loads(each)) for each in data.tables["train"]["choices"].to_pylist()}
    assert counts == {2, 3}
    (tmp_path / "train.csv").write_text("\n".join([*lines, "And this?,one,two,,2"]))
    with pytest.raises(DataError, match=r"train\.csv:22: answer '2' is none of the 2 choices"):
        load_data(recipe_in(tmp_path, train="train.csv"), TASK)
