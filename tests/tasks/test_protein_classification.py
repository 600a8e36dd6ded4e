"""Proteins: what a sequence may hold, what is told of what it may not, and the bundle at work."""

from __future__ import annotations

import json

import pytest

from automl.errors import DataError
from automl.serving.batch import label
from automl.serving.predict import Predictor
from automl.serving.rows import Row
from automl.tasks.protein_classification import TASK
from tests.tasks.rehearsal import load, rehearse
from tests.tasks.sampled.protein_classification import proteins, tiny_esm

SHARES = {"validation": 0.2, "test": 0.2}


def write(folder, rows, column="sequence"):
    lines = zip(rows["text"], rows["label"], strict=True)
    text = f"{column},label\n" + "".join(f"{seq},{label}\n" for seq, label in lines)
    (folder / "train.csv").write_text(text)


def prepared(*sequences: str):
    return TASK.prepare({"text": list(sequences), "label": ["a"] * len(sequences)})


def test_sequences_are_made_plain_and_that_is_told():
    found = prepared("MKTA", "mkta", "MK TA\n", "M-K.TA*")
    assert found.columns["text"] == ["MKTA"] * 4
    assert found.columns["label"] == ["a"] * 4
    assert found.notes == (
        "1 sequences written in lower case were made plain",
        "2 sequences with spaces, gaps or a stop at the end were made plain",
    )


@pytest.mark.parametrize(
    ("sequence", "rule"),
    [
        ("MK1A", "holds '1', no amino acid, at letter 3"),
        ("MK*TA", "holds '*', no amino acid, at letter 3"),
        (">sp|P1 name MKTA", "is a FASTA record"),
        ("--*", "is empty but for gaps"),
    ],
)
def test_what_is_no_amino_acid_names_row_and_column(tmp_path, sequence, rule):
    rows = proteins(30)
    rows["text"][4] = sequence
    write(tmp_path, rows)
    with pytest.raises(DataError) as caught:
        load(tmp_path, TASK.name, **SHARES)
    (problem,) = caught.value.problems
    assert problem.message.startswith("train.csv:6: the sequence (text)")
    assert rule in problem.message
    assert problem.hint


def test_rare_and_unsettled_amino_acids_are_letters_too():
    assert not prepared("MKUOBZJX").malformed


def test_nucleotides_are_doubted_and_taken():
    found = prepared("ACGT" * 20, "MKTA" * 20)
    assert any("1 sequences are of A, C, G and T alone" in note for note in found.notes)
    assert not found.malformed


@pytest.mark.parametrize("column", ["sequence", "seq", "protein", "text"])
def test_the_column_is_found_by_its_name(tmp_path, column):
    write(tmp_path, proteins(30), column)
    assert load(tmp_path, TASK.name, **SHARES).plan.columns["text"] == column


@pytest.mark.slow
def test_from_rows_to_a_bundle_that_the_card_can_use(tmp_path, capsys):
    (tmp_path / "esm").mkdir()
    write(tmp_path, proteins(60))
    rates = {"head_init": "random"}
    delivery = rehearse(tmp_path, TASK.name, tiny_esm(tmp_path / "esm"), rates, **SHARES)
    assert delivery.floor.splits["test"].metrics["accuracy"] > 0.7
    bundle = tmp_path / "bundle"
    answers = list(Predictor(bundle, "cpu").predict(["MKTAyiakqrqisFVKSHFSRQLEERLGLIEVQ*"]))
    exec(compile(TASK.usage(str(bundle), delivery.max_length), "usage", "exec"), {})
    said = eval(capsys.readouterr().out)
    assert answers[0]["label"] == said[0]["label"]
    assert answers[0]["score"] == pytest.approx(said[0]["score"], abs=1e-5)
    rows = [Row("a.csv:2", {"sequence": "MKTA"}), Row("a.csv:3", {"sequence": "MK1"})]
    with pytest.raises(DataError, match=r"a.csv:3: the sequence .text. holds '1'"):
        list(label(Predictor(bundle, "cpu"), rows, batch_size=2))
    assert json.loads((bundle / "config.json").read_text())["model_type"] == "esm"
