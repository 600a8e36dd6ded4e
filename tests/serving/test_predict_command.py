"""``automl predict`` from the command line."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from automl.cli import app
from automl.errors import DataError, InputError

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Said:
    stdout: str
    stderr: str


@pytest.fixture
def predict(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Said]:
    def call(*arguments: object, stdin: str = "") -> Said:
        stream = io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin.encode())))
        monkeypatch.setattr(sys, "stdin", stream)
        capsys.readouterr()
        app()(["predict", *map(str, arguments)], standalone_mode=False)
        return Said(*capsys.readouterr())

    return call


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    path = tmp_path / "tickets.csv"
    path.write_text("id,body\n1,where is my parcel\n2,\n3,I was charged twice\n")
    return path


def test_rows_come_back_with_label_and_score(predict, bundle, tickets, predictor):
    lines = [json.loads(line) for line in predict(bundle, tickets).stdout.splitlines()]
    expected = list(predictor.predict(["where is my parcel", "I was charged twice"]))
    assert lines[0] == {"id": "1", "body": "where is my parcel", **expected[0]}
    assert lines[1] == {"id": "2", "body": "", "label": None, "score": None}
    assert lines[2] == {"id": "3", "body": "I was charged twice", **expected[1]}


def test_the_talk_is_on_stderr(predict, bundle, tickets):
    said = predict(bundle, tickets).stderr
    assert "3 rows" in said
    assert "1 that could not be read, left without an answer" in said


def test_a_run_folder_and_csv_output_do_too(predict, bundle, tickets, tmp_path):
    out = tmp_path / "out.csv"
    assert predict(bundle.parent, tickets, "--output", out).stdout == ""
    with out.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    assert rows[0]["label"]


def test_texts_may_be_given_on_the_line_or_piped_in(predict, bundle):
    given = predict(bundle, "--text", "where is it", "--text", "too dear").stdout
    piped = predict(bundle, "-", stdin="where is it\ntoo dear\n").stdout
    assert given == piped
    assert predict(bundle, stdin="where is it\ntoo dear\n").stdout == given


def test_batches_change_no_label(predict, bundle, tickets):
    def labels(text: str) -> list[str]:
        return [json.loads(line)["label"] for line in text.splitlines()]

    one, four = (predict(bundle, tickets, "--batch-size", size).stdout for size in (1, 4))
    assert labels(one) == labels(four)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("{bundle}", "{tickets}", "--column", "bodi"), DataError, "did you mean 'body'"),
        (("{bundle}", "{empty}"), DataError, "holds no rows"),
        (("{bundle}", "nowhere.csv"), InputError, "nowhere.csv is not there"),
        (("{bundle}", "{tickets}", "--text", "x"), InputError, "not both"),
        (("{bundle}", "{tickets}", "--format", "xml"), InputError, "jsonl, csv"),
        (("{bundle}", "{tickets}", "--input-format", "jsn"), InputError, "did you mean 'json"),
        (("{bundle}", "{tickets}", "--output", "no/such/out.csv"), InputError, "folder is not"),
        (("{folder}", "{tickets}"), InputError, "is not a bundle"),
    ],
)
def test_what_is_wrong_is_said(predict, bundle, tickets, tmp_path, arguments, error, said):
    (tmp_path / "empty.csv").write_text("id,body\n")
    places = {"bundle": bundle, "tickets": tickets, "empty": tmp_path / "empty.csv",
              "folder": tmp_path}  # fmt: skip
    with pytest.raises(error) as caught:
        predict(*(argument.format(**places) for argument in arguments))
    assert said in str(caught.value)


def test_a_bad_row_leaves_no_half_output(predict, bundle, tmp_path):
    rows, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    rows.write_text('{"text": "fine"}\n{"text": \n')
    with pytest.raises(DataError, match=r"rows\.jsonl:2: not JSON"):
        predict(bundle, rows, "--output", out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl"]


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_it_quietly(bundle):
    command = [sys.executable, "-m", "automl", "predict", str(bundle), "-"]
    running = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert running.stdin is not None
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdin.write(b"where is my parcel\n" * 2000)
    running.stdin.close()
    assert b"label" in running.stdout.readline()
    running.stdout.close()
    said = running.stderr.read().decode()
    assert running.wait(timeout=120) == 0
    assert "Traceback" not in said
    assert "Broken pipe" not in said
