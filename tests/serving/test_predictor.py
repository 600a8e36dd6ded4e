"""A predictor says what the pipeline of the card says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from automl.errors import InputError
from automl.serving.predict import Predictor, find_bundle

TEXTS = [
    "where is my parcel", "I was charged twice", "", "the app crashes " * 60, "rücksendung ✓",
    "how do I close my account?",
]  # fmt: skip


@pytest.fixture(scope="module")
def classify(bundle: Path) -> Any:
    from transformers import pipeline

    return pipeline("text-classification", model=str(bundle), truncation=True, device="cpu")


@pytest.mark.parametrize("batch_size", [1, 4])
def test_labels_and_scores_equal_those_of_the_pipeline(predictor, classify, batch_size):
    found = list(predictor.predict(TEXTS, batch_size=batch_size))
    expected = classify(TEXTS, batch_size=batch_size)
    assert [one["label"] for one in found] == [one["label"] for one in expected]
    assert [one["score"] for one in found] == pytest.approx(
        [one["score"] for one in expected], abs=1e-6
    )


def test_padding_in_batches_changes_no_label_and_hardly_a_score(predictor):
    single, batched = (list(predictor.predict(TEXTS, batch_size=size)) for size in (1, 6))
    assert [one["label"] for one in single] == [one["label"] for one in batched]
    assert [one["score"] for one in single] == pytest.approx(
        [one["score"] for one in batched], abs=1e-5
    )


def test_scores_of_several_classes_come_the_best_first(predictor, classify):
    (found,) = predictor.predict([TEXTS[0]], top=3)
    expected = classify(TEXTS[0], top_k=3)
    assert found["scores"] == pytest.approx(
        {one["label"]: one["score"] for one in expected}, abs=1e-6
    )
    assert list(found["scores"]) == [one["label"] for one in expected]
    assert found["label"] == expected[0]["label"]


def test_texts_are_read_as_predictions_are_asked_for(predictor):
    read = []

    def endless():
        while True:
            read.append(1)
            yield "another ticket"

    answers = predictor.predict(endless(), batch_size=2)
    next(answers)
    assert len(read) <= 4


def test_no_texts_give_no_predictions(predictor):
    assert list(predictor.predict([])) == []


def test_a_run_folder_stands_for_its_bundle(bundle):
    assert find_bundle(bundle.parent) == bundle


@pytest.mark.parametrize(
    ("files", "said"),
    [((), "is not a bundle"), (("plan.json",), "has no bundle yet")],
)
def test_a_folder_without_a_bundle_is_refused(tmp_path, files, said):
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match=said):
        find_bundle(tmp_path)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        find_bundle(tmp_path / "nowhere")


def changed(bundle: Path, folder: Path, **changes: object) -> Path:
    folder.mkdir()
    for file in bundle.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    info = json.loads((bundle / "automl.json").read_text())
    (folder / "automl.json").write_text(json.dumps({**info, **changes}))
    return folder


def test_code_in_a_bundle_is_not_run_untold(bundle, tmp_path):
    needs_code = changed(bundle, tmp_path / "bundle", trust_remote_code=True)
    with pytest.raises(InputError, match="--trust-remote-code"):
        Predictor(needs_code, "cpu")
    assert Predictor(needs_code, "cpu", trust_remote_code=True).info.trust_remote_code


def test_a_task_that_is_not_predicted_from_texts_is_refused(bundle, tmp_path):
    other = changed(bundle, tmp_path / "bundle", pipeline_tag="object-detection", task="boxes")
    with pytest.raises(InputError, match="a bundle for boxes"):
        Predictor(other, "cpu")


def test_a_bundle_of_a_newer_automl_is_refused(bundle, tmp_path):
    with pytest.raises(InputError, match="upgrade automl"):
        Predictor(changed(bundle, tmp_path / "bundle", version=99), "cpu")


@pytest.mark.parametrize("device", ["toaster", "cuda:77"])
def test_an_unusable_device_is_refused(bundle, device):
    with pytest.raises(InputError, match=f"device '{device}' cannot be used"):
        Predictor(bundle, device)
