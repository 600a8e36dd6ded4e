"""``automl predict`` with a bundle that sees: files, folders, tables of them, and what is drawn."""

from __future__ import annotations

import json

import pytest

from automl.cli import app
from automl.errors import InputError
from tests.tasks import bundles
from tests.tasks.tiny_vision import COLOURS, png, vit

LABELS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def seeing(tmp_path_factory):
    """A bundle of a small ViT."""
    folder = vit(tmp_path_factory.mktemp("vit"))
    target = tmp_path_factory.mktemp("bundle")
    return bundles.write("image-classification", target, LABELS, {"image": "photo"}, folder)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.png").write_bytes(png(number, COLOURS[number]))
    (folder / "more" / "deep.JPG").write_bytes(png(9, COLOURS[0]))
    (folder / "notes.txt").write_text("none of them")
    return folder


@pytest.fixture
def predict(capsys):
    def call(*arguments):
        capsys.readouterr()
        app()(["predict", *map(str, arguments)], standalone_mode=False)
        out, err = capsys.readouterr()
        return [json.loads(line) for line in out.splitlines()], err

    return call


def test_a_folder_and_its_files_are_answered_in_order_of_their_names(predict, seeing, photos):
    answers, said = predict(seeing, photos, photos / "0.png", "--batch-size", 2)
    names = [answer["file"] for answer in answers]
    inside = ["0.png", "1.png", "2.png", "more/deep.JPG"]
    assert names == [str(photos / each) for each in [*inside, "0.png"]]
    assert all(answer["label"] in LABELS for answer in answers)
    assert answers[0]["score"] == pytest.approx(answers[-1]["score"], abs=1e-6)
    assert "5 rows" in said


def test_a_table_names_files_from_where_it_lies(predict, seeing, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (photos / "rows.csv").write_text("id,photo\n1,0.png\n2,more/deep.JPG\n3,\n")
    answers, _ = predict(seeing, "photos/rows.csv")
    alone, _ = predict(seeing, photos / "0.png")
    assert [answer["id"] for answer in answers] == ["1", "2", "3"]
    assert answers[0]["score"] == pytest.approx(alone[0]["score"], abs=1e-6)
    assert answers[2]["label"] is None


def test_a_file_that_cannot_be_read_is_named_and_left_without_an_answer(predict, seeing, photos):
    (photos / "1.png").write_bytes(b"no picture")
    answers, said = predict(seeing, photos)
    assert [answer["label"] is None for answer in answers] == [False, True, False, False]
    assert "1.png: is no image that can be read" in said
    assert "1 that could not be read" in said


def test_what_is_said_of_the_first_is_drawn(predict, seeing, photos, tmp_path):
    from PIL import Image

    _, said = predict(seeing, photos, "--draw", tmp_path / "sheet.png")
    assert "4 drawn in" in said
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 100


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["--text", "hello"], "reads image files, no texts"),
        (["gone.png"], "gone.png is not there"),
        ([".", "--draw", "sheet.pdf"], "sheet.pdf can't be written"),
        (["0.png", "rows.csv"], "rows.csv: give image files and folders"),
    ],
)
def test_what_cannot_be_asked_is_refused(predict, seeing, photos, monkeypatch, arguments, rule):
    monkeypatch.chdir(photos)
    (photos / "rows.csv").write_text("photo\n0.png\n")
    with pytest.raises(InputError, match=rule):
        predict(seeing, *arguments)


def test_texts_are_not_drawn(predict, bundle, tmp_path):
    with pytest.raises(InputError, match="--draw: what this bundle says is no picture"):
        predict(bundle, "--text", "hello", "--draw", tmp_path / "sheet.png")
