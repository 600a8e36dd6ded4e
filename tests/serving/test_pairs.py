"""A bundle that was trained on pairs labels pairs, as the pipeline of its card does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from automl.errors import DataError, InputError
from automl.serving.batch import label
from automl.serving.predict import Predictor
from automl.serving.rows import Row
from tests.serving.test_predict_command import predict

__all__ = ["predict"]  # a fixture
PAIRS = [
    {"text": "the parcel came", "text_pair": "nothing came"},
    {"text": "the parcel came", "text_pair": "the parcel came"},
    {"text": "I was charged " * 40, "text_pair": "twice"},
]


@pytest.fixture(scope="module")
def pairs(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(bundle, tmp_path_factory.mktemp("pairs") / "bundle"))
    info = json.loads((folder / "automl.json").read_text())
    info["columns"] = {"text": "premise", "text_pair": "claim", "label": "queue"}
    (folder / "automl.json").write_text(json.dumps(info))
    return folder


@pytest.fixture(scope="module")
def paired(pairs: Path) -> Predictor:
    return Predictor(pairs, "cpu")


def rows(*columns: str) -> list[Row]:
    return [
        Row(f"a.csv:{n}", dict(zip(columns, pair.values(), strict=False)))
        for n, pair in enumerate(PAIRS, 2)
    ]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_labels_and_scores_equal_those_of_the_pipeline(
    pairs: Path, paired: Predictor, batch_size: int
) -> None:
    from transformers import pipeline

    classify: Any = pipeline(
        "text-classification", model=str(pairs), truncation=True, max_length=paired.info.max_length
    )
    found = list(paired.predict(PAIRS, batch_size=batch_size))
    expected = classify(PAIRS, batch_size=batch_size)
    assert [one["label"] for one in found] == [one["label"] for one in expected]
    assert [one["score"] for one in found] == pytest.approx(
        [one["score"] for one in expected], abs=1e-6
    )
    assert found[0]["score"] != found[1]["score"]


@pytest.mark.parametrize(
    "columns",
    [
        ("premise", "claim"),
        ("sentence1", "sentence2"),
        ("text", "text_pair"),
        ("premise", "what_else"),
    ],
)
def test_both_columns_are_found(paired: Predictor, columns: tuple[str, str]) -> None:
    found = [answer for _, answer in label(paired, rows(*columns))]
    assert found == list(paired.predict(PAIRS))


def test_columns_may_be_named(paired: Predictor) -> None:
    found = label(paired, rows("this", "that"), column="this", pair_column="that")
    assert [answer for _, answer in found] == list(paired.predict(PAIRS))


def test_a_row_that_lacks_one_of_the_texts_is_left_without_a_label(paired: Predictor) -> None:
    given = [*rows("premise", "claim"), Row("a.csv:9", {"premise": "x", "claim": " "})]
    answers = [answer for _, answer in label(paired, given)]
    assert answers[-1] is None
    assert answers[:-1] == list(paired.predict(PAIRS))


def test_a_missing_second_column_is_told_with_how_to_name_it(paired: Predictor) -> None:
    with pytest.raises(DataError) as caught:
        list(label(paired, [Row("a.csv:2", {"premise": "x", "a": "y", "b": "z"})]))
    (problem,) = caught.value.problems
    assert problem.message == ("a.csv:2: there is no column 'claim'; there are 'premise', 'a', 'b'")
    assert problem.hint == "name it: --pair-column a"


def test_single_texts_have_no_second_column(predictor: Predictor) -> None:
    with pytest.raises(DataError, match="trained on single texts"):
        list(label(predictor, rows("body", "claim"), pair_column="claim"))


def test_pairs_are_given_on_the_command_line(predict, pairs, paired) -> None:
    options = [
        part
        for pair in PAIRS[:2]
        for part in ("--text", pair["text"], "--text-pair", pair["text_pair"])
    ]
    lines = [json.loads(line) for line in predict(pairs, *options).stdout.splitlines()]
    assert [line["score"] for line in lines] == [
        answer["score"] for answer in paired.predict(PAIRS[:2])
    ]
    with pytest.raises(InputError, match="2 --text and 1 --text-pair"):
        predict(pairs, *options[:-2])


def test_a_file_of_pairs_is_labelled(predict, pairs, paired, tmp_path) -> None:
    path = tmp_path / "claims.csv"
    path.write_text("id,claim,premise\n1,nothing came,the parcel came\n")
    (line,) = predict(pairs, path).stdout.splitlines()
    (expected,) = paired.predict(PAIRS[:1])
    assert json.loads(line) == {
        "id": "1", "claim": "nothing came", "premise": "the parcel came", **expected,
    }  # fmt: skip
