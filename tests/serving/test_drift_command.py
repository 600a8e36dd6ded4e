"""``automl drift``: a bundle, rows, what has moved, and the exit code."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import typer

from automl import documents
from automl.cli import app
from automl.errors import InputError
from automl.monitoring.observing import Observer, answer
from automl.monitoring.profiling import profile
from automl.reference import PROFILE
from tests.monitoring.tickets import changed, texts


@pytest.fixture(scope="module")
def watched(bundle, predictor, tmp_path_factory):
    """A bundle whose profile was made of such texts as the tests ask about."""
    copy = shutil.copytree(bundle, tmp_path_factory.mktemp("watched") / "bundle")
    observer = Observer(predictor.task, predictor.info.columns, "")
    rows = [text for text, _ in texts(300, 1)]
    said = predictor.predict(rows, batch_size=50)
    seen = [
        {**observer.row({"text": text}), **answer(each)}
        for text, each in zip(rows, said, strict=True)
    ]
    documents.write(copy / PROFILE, profile(seen, ("validation", "test"), ""))
    return copy


@pytest.fixture
def drift(capsys):
    def call(*arguments):
        capsys.readouterr()
        code = 0
        try:
            code = app()(["drift", *map(str, arguments)], standalone_mode=False) or 0
        except typer.Exit as left:
            code = left.exit_code
        return capsys.readouterr().out, code

    return call


def write(path, rows):
    path.write_text("\n".join(text for text, _ in rows), encoding="utf-8")
    return path


def test_rows_of_the_same_kind_are_steady(drift, watched, tmp_path):
    out, code = drift(watched, write(tmp_path / "rows.txt", texts(200, 2)))
    assert code == 0
    assert "Nothing has moved" in out
    assert "200 rows, beside 300 of validation and test" in out


def test_what_has_moved_is_said_and_is_exit_code_3(drift, watched, tmp_path):
    out, code = drift(watched, write(tmp_path / "rows.txt", changed(str.upper)))
    assert code == 3
    assert "Moved: text capitals" in out


def test_programs_get_json(drift, watched, tmp_path):
    rows = write(tmp_path / "rows.txt", changed(lambda text: text[:30]))
    out, code = drift(watched, rows, "--json")
    told = json.loads(out)
    assert code == 3
    assert "text length" in told["moved"]
    assert told["rows"] == 300
    length = next(each for each in told["features"] if each["feature"] == "text length")
    assert length["median"] < length["reference_median"]
    assert length["psi"] > length["noise"]


def test_columns_are_found_as_in_training(drift, watched, tmp_path):
    (tmp_path / "rows.csv").write_text(
        "id,body\n" + "\n".join(f'{n},"{text}"' for n, (text, _) in enumerate(texts(60, 3)))
    )
    assert drift(watched, tmp_path / "rows.csv")[1] == 0


def test_a_bundle_without_a_profile_says_what_to_do(drift, watched, tmp_path):
    old = shutil.copytree(watched, tmp_path / "old")
    (old / PROFILE).unlink()
    with pytest.raises(InputError, match=PROFILE):
        drift(old, write(tmp_path / "rows.txt", texts(40, 2)))


def test_a_profile_of_inputs_alone_does_not_ask_the_model(drift, watched, tmp_path, monkeypatch):
    from automl.reference import Reference
    from automl.serving.predict import Predictor

    copy = shutil.copytree(watched, tmp_path / "inputs")
    whole = documents.read(Reference, copy / PROFILE)
    few = tuple(each for each in whole.features if each.name.startswith("text "))
    documents.write(copy / PROFILE, replace(whole, features=few))
    monkeypatch.delattr(Predictor, "predict")
    out, code = drift(copy, write(tmp_path / "rows.txt", changed(str.upper)))
    assert code == 3
    assert "predicted class" not in out
