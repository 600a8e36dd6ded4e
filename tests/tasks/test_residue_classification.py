"""Proteins are read residue by residue, in windows where they are long."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from automl import tasks
from automl.errors import CandidateError
from automl.serving.predict import Predictor
from automl.tasks._text import IGNORED, load_tokenizer
from tests.tasks import bundles
from tests.tasks.sampled.residue_classification import RESIDUES, model
from tests.tasks.samples import TINY_BERT

TASK = tasks.get("residue-classification")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(tmp_path_factory.mktemp("esm"))


def _prepared(**columns: Any) -> Any:
    assert TASK.prepare is not None
    return TASK.prepare(columns)


def test_labels_are_a_string_or_a_list() -> None:
    found = _prepared(sequence=["mk t", "AC"], labels=['"HHC"', '["coil", "sheet"]'])
    assert found.columns["sequence"] == ["MKT", "AC"]
    assert [json.loads(each) for each in found.columns["labels"]] == [
        ["H", "H", "C"], ["coil", "sheet"],
    ]  # fmt: skip


def test_another_number_of_labels_than_of_residues_is_named() -> None:
    (wrong,) = _prepared(sequence=["MKT"], labels=['"HH"']).malformed
    assert wrong.rule == "labels has 2 entries, the sequence 3 residues"


def test_signs_that_are_no_residues_are_named() -> None:
    (wrong,) = _prepared(sequence=["MK7"]).malformed
    assert wrong.rule.startswith("residue 3 is '7'")


def test_each_residue_of_a_long_protein_has_its_label_in_some_window(small: Path) -> None:
    sequence = (RESIDUES[:20] * 9)[:170]
    labels = ["H" if each in "LAGV" else "C" for each in sequence]
    columns = {"sequence": [sequence], "labels": [json.dumps(labels)]}
    tokenizer = load_tokenizer(str(small))
    encoded = TASK.encode(columns, tokenizer, 32, ("C", "H"))
    assert max(map(len, encoded["input_ids"])) <= 32
    seen: dict[int, str] = {}
    for ids, words, targets in zip(
        encoded["input_ids"], encoded["words"], encoded["labels"], strict=True
    ):
        for piece, word, target in zip(ids, words, targets, strict=True):
            assert (word < 0) == (target == IGNORED)
            if word >= 0:
                assert tokenizer.convert_ids_to_tokens(int(piece)) == sequence[word]
                seen[word] = ("C", "H")[target]
    assert [seen[place] for place in range(len(sequence))] == labels


def test_a_tokenizer_of_words_is_refused() -> None:
    with pytest.raises(CandidateError, match="not one of amino acids"):
        TASK.encode({"sequence": ["MKTAYIAK"]}, load_tokenizer(str(TINY_BERT)), 32, ())


def test_the_answer_is_as_long_as_the_protein_and_what_the_cards_code_prints(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {"sequence": "sequence", "labels": "labels"}
    bundle = bundles.write(TASK.name, tmp_path / "b", ("C", "H"), columns, small, 128)
    exec(TASK.usage(str(bundle), 128), {})
    (found,) = Predictor(bundle, "cpu").predict(["MKTAYIAKQR"])
    assert list(found["labels"]) == eval(capsys.readouterr().out)
    assert len(found["labels"]) == len(found["scores"]) == 10
