"""The script that makes small models out of a data file's texts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.tiny_seq2seq import texts, tokenizer_of
from tests.conftest import ROOT

ROW = '{"translation": {"en": "a house", "de": "ein Haus"}, "id": 1}\n'


def test_fields_of_objects_are_columns(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(ROW)
    found = list(texts(tmp_path / "rows.jsonl", ["translation.en", "translation.de", "id"]))
    assert found == ["a house", "ein Haus", "1"]


def test_a_column_that_a_row_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(ROW)
    with pytest.raises(SystemExit, match=r"rows\.jsonl:1: there is no column 'translation\.fr'"):
        list(texts(tmp_path / "rows.jsonl", ["translation.fr"]))


def test_the_tokenizer_reads_back_any_text_and_ends_it() -> None:
    tokenizer = tokenizer_of(["the house", "the garden"] * 10, 280)
    ids = tokenizer("Größe: 彼")["input_ids"]
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == "Größe: 彼"


@pytest.mark.slow
@pytest.mark.parametrize(
    "size", [(), ("--vocabulary", "270", "--width", "32", "--layers", "1", "--family", "bart")]
)
def test_the_command_line_makes_a_folder_that_loads(tmp_path: Path, size: tuple[str, ...]) -> None:
    from transformers import AutoModelForSeq2SeqLM

    (tmp_path / "rows.csv").write_text("source,target\n" + "a house,ein Haus\n" * 10)
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "tiny_seq2seq.py", "rows.csv", "source", "target",
         "-o", "made", *size],
        cwd=tmp_path, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "made")
    assert f"made: {model.num_parameters():,} parameters" in done.stderr
