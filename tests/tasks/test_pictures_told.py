"""Pictures told several classes, or a number: from a table to what the pipeline says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl import tasks
from automl.errors import CandidateError, DataError
from automl.serving.predict import Predictor
from tests.tasks import bundles
from tests.tasks.rehearsal import load, rehearse
from tests.tasks.tiny_vision import COLOURS, png, vit, write

SHARES = {"validation": 0.2, "test": 0.2}
NAMES = ("green", "red", "round")


def pictures(folder: Path, label: Any, rows: int = 30) -> Path:
    """Write pictures of three colours and a table of what ``label`` says of each."""
    folder.mkdir()
    lines = []
    for number in range(rows):
        (folder / f"{number}.png").write_bytes(png(number, COLOURS[number % 3]))
        lines.append(json.dumps({"file_name": f"{number}.png", "label": label(number)}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def several(number: int) -> list[str]:
    """What is said of the reds, the greens, the blues."""
    return (["red", "round"], ["green"], [])[number % 3]


def said(tmp_path: Path, rows: int = 3) -> list[dict[str, str]]:
    """Return rows as a predictor takes them."""
    return [{"image": str(tmp_path / "data" / f"{number}.png")} for number in range(rows)]


def test_lists_of_classes_make_the_task_one_of_several(tmp_path):
    pictures(tmp_path / "data", several)
    loaded = load(tmp_path, "image-classification", train="data", **SHARES)
    assert loaded.task.name == "multi-label-image-classification"
    assert loaded.plan.labels == NAMES
    assert [] in loaded.tables["train"]["label"].to_pylist()


def test_classes_are_those_of_the_pipeline(tmp_path):
    from transformers import pipeline

    pictures(tmp_path / "data", several, 4)
    bundle = bundles.write(
        "multi-label-image-classification", tmp_path / "bundle", NAMES,
        {"image": "file_name", "label": "label"}, vit(tmp_path / "vit"),
    )  # fmt: skip
    classify: Any = pipeline(
        "image-classification", model=str(bundle), function_to_apply="sigmoid", top_k=3
    )
    for row, answer in zip(said(tmp_path), Predictor(bundle, "cpu").predict(said(tmp_path), top=3),
                           strict=True):  # fmt: skip
        found = {each["label"]: each["score"] for each in classify(row["image"])}
        assert answer["scores"] == pytest.approx(found, abs=1e-4)
        assert answer["labels"] == [name for name, score in found.items() if score >= 0.5]


@pytest.mark.parametrize(
    ("task", "missing"),
    [("multi-label-image-classification", "classes"), ("image-regression", "number")],
)
def test_a_folder_without_a_table_is_told_what_to_write(tmp_path, task, missing):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "1.png").write_bytes(png(1, COLOURS[0]))
    with pytest.raises(DataError, match=f"no file that tells the {missing} of each"):
        load(tmp_path, task, train="data", **SHARES)


def test_a_number_is_learnt_and_the_bundle_says_it_in_its_own_unit(tmp_path):
    from transformers import pipeline

    pictures(tmp_path / "data", lambda number: 1000 + 500 * (number % 3), 60)
    delivery = rehearse(
        tmp_path, "image-regression", vit(tmp_path / "vit"), {"epochs": 8, "learning_rate": 3e-3},
        train="data", **SHARES,
    )  # fmt: skip
    assert delivery.score.splits["test"].metrics["r2"] > 0.5
    assert delivery.floor.splits["test"].metrics["r2"] > 0.5
    bundle = tmp_path / "bundle"
    estimate: Any = pipeline("image-classification", model=str(bundle), function_to_apply="none")
    mine = [each["score"] for each in Predictor(bundle, "cpu").predict(said(tmp_path))]
    theirs = [estimate(row["image"])[0]["score"] for row in said(tmp_path)]
    np.testing.assert_allclose(mine, theirs, rtol=1e-4)
    assert 500 < min(mine) < max(mine) < 2500
    example = delivery.score.splits["test"].examples[0]
    assert example["image"].endswith(".png")
    assert "/" not in example["image"]


def test_what_is_no_number_is_named(tmp_path):
    pictures(tmp_path / "data", lambda number: "many" if number == 3 else str(number))
    with pytest.raises(DataError, match=r"holds what is no number.*many"):
        load(tmp_path, "image-regression", train="data", **SHARES)


def test_a_model_that_says_numbers_by_two_layers_is_refused(tmp_path):
    folder = write(
        tmp_path, "SwiftFormerModel", "SwiftFormerConfig", depths=[1, 1], embed_dims=[8, 8]
    )
    with pytest.raises(CandidateError, match="said by 2 linear layers; it takes one"):
        tasks.get("image-regression").build(str(folder), (), {}, False)
