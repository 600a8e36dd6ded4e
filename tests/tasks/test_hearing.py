"""Sounds reach every family as it was pretrained, are changed alike each time, and are told apart
by the bundle as by transformers' own pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl import tasks
from automl.errors import CandidateError, DataError
from automl.tasks import _hearing, _spectra
from automl.worker import adapters, depths, features, head, models, store
from automl.worker.prediction import predicted
from tests.tasks import tiny_hearing as tiny
from tests.tasks.rehearsal import load, rehearse
from tests.tasks.sampled.audio_classification import SAMPLE

TASK = tasks.get("audio-classification")
FAMILIES = {
    "wav2vec2": tiny.wav2vec2,
    "hubert": lambda folder: tiny.wav2vec2(folder, "Hubert"),
    "wavlm": lambda folder: tiny.wav2vec2(folder, "WavLM"),
    "group-normed": lambda folder: tiny.wav2vec2(
        folder, feat_extract_norm="group", do_stable_layer_norm=False
    ),
    "ast": tiny.ast,
    "whisper": tiny.whisper,
}
every_family = pytest.mark.parametrize("family", FAMILIES)
AUGMENTED = {"sound_augmentation": "light", "time_mask": 0.3, "feature_mask": 0.3}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: make(tmp_path_factory.mktemp(name) / "model") for name, make in FAMILIES.items()}


def begun(folder: Path, **hyperparameters: Any) -> tuple[Any, _hearing.Ears, store.Rows]:
    """Return a model as a trial begins with it, its processor, and the sample encoded."""
    import torch

    torch.manual_seed(0)
    ears = TASK.processor(str(folder), False)
    rows = store.rows(TASK.encode(SAMPLE.columns, ears, 50, SAMPLE.labels))
    model = TASK.build(str(folder), SAMPLE.labels, hyperparameters, False)
    TASK.begin(model, ears, rows)
    return model, ears, rows


# -- families -------------------------------------------------------------------------------


@every_family
def test_a_step_of_training_under_masks_gives_gradients(family, folders):
    model, ears, rows = begun(folders[family], **AUGMENTED)
    collate = TASK.training_collator(ears, 0, AUGMENTED)
    loss = models.loss(TASK, model.train(), collate([rows[row] for row in range(6)]))
    loss.backward()
    assert np.isfinite(float(loss.detach()))
    assert all(
        each.grad is not None and bool(each.grad.isfinite().all())
        for name, each in model.named_parameters()
        if each.requires_grad and not name.endswith("masked_spec_embed")
    )


@every_family
def test_one_sound_is_heard_as_the_pipeline_hears_it(family, folders, tmp_path):
    from transformers import pipeline

    model, ears, rows = begun(folders[family])
    said = predicted(TASK, model, ears, rows.take(np.arange(3)), {}, SAMPLE.labels, 1)
    model.save_pretrained(tmp_path, save_original_format=False)
    ears.save_pretrained(tmp_path)
    classify = pipeline("audio-classification", model=str(tmp_path))
    for row, answer in enumerate(TASK.answers(said, SAMPLE.labels, 3)):
        found = classify(_hearing.heard(SAMPLE.columns["audio"][row], tiny.RATE))
        scores = {each["label"]: each["score"] for each in found}
        assert answer["scores"] == pytest.approx(scores, abs=1e-5)


@every_family
def test_frozen_layers_are_pooled_and_a_regression_fits_into_the_head(family, folders):
    model, ears, rows = begun(folders[family])
    found = features.by_layer(model, rows, TASK.collator(ears), 5, features.natural(model))
    assert found.shape == (len(rows), 3, 32)
    inputs = TASK.collator(ears)([rows[0], rows[1]])
    inputs.pop("labels")
    name = head.last_linear(model, inputs)
    assert model.get_submodule(name).out_features == 3


@every_family
def test_layers_are_left_away_and_learn_by_depth(family, folders):
    model, _, _ = begun(folders[family], keep_layers=1)
    factors = depths.factors(model, 0.5)
    assert set(factors.values()) == {1.0, 0.5, 0.25}
    assert {value for name, value in factors.items() if name.startswith("classifier")} == {1.0}


@every_family
def test_adapters_change_what_is_said(family, folders):
    import torch

    model, ears, rows = begun(folders[family])
    batch = TASK.collator(ears)([rows[0], rows[1]])
    adapters.attach(model, {"method": "lora"})
    heads = {name.partition(".")[0] for name in model.automl_adapter.modules_to_save}
    assert heads <= {"projector", "classifier"}
    assert "classifier" in heads
    models.loss(TASK, model, batch).backward()
    beside = [each for name, each in model.named_parameters() if ".lora_B" in name]
    assert beside
    assert all(each.grad is not None and float(each.grad.abs().max()) > 0 for each in beside)
    assert isinstance(model, torch.nn.Module)


def test_convolutions_over_samples_stay_as_they_are_unless_asked(folders):
    def trained(**chosen: Any) -> bool:
        model, _, _ = begun(folders["wav2vec2"], **chosen)
        return any(each.requires_grad for each in model.wav2vec2.feature_extractor.parameters())

    assert not trained()
    assert trained(freeze_feature_encoder=False)


def test_a_whisper_without_an_encoders_weight_is_refused(folders, tmp_path):
    from safetensors.torch import load_file, save_file

    for file in folders["whisper"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(folders["whisper"] / "model.safetensors")
    del weights["model.encoder.layers.0.fc1.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CandidateError, match=r"1 of its weights are missing .*encoder\.layers\.0"):
        TASK.build(str(tmp_path), SAMPLE.labels, {}, False)


# -- lengths and masks ----------------------------------------------------------------------


@pytest.mark.parametrize(("family", "most"), [("wav2vec2", 3000), ("ast", 32), ("whisper", 50)])
def test_a_model_reads_what_its_windows_hold(family, most, folders):
    model, ears, _ = begun(folders[family])
    assert models.length_limit(model, ears) == most


@pytest.mark.parametrize(
    ("seconds", "longest"), [([0.05, 0.4, 0.4], 2), ([0.4, 0.4], 2), ([4.0], 10)]
)
def test_what_is_hidden_is_short_beside_the_sounds(seconds, longest, folders):
    model, ears, _ = begun(folders["wav2vec2"], time_mask=0.5)
    columns = {"audio": [tiny.wav(0, 500.0, each) for each in seconds]}
    rows = store.rows(TASK.encode(columns, ears, 500, ()))
    model.config.mask_time_length = 10
    _hearing.fit_masks(model, rows)
    assert model.config.mask_time_length == longest
    model.train()(**TASK.collator(ears)([rows[0]]))


@pytest.mark.parametrize("family", ["wav2vec2", "whisper", "ast"])
def test_what_happens_to_a_sound_is_a_function_of_seed_epoch_and_sound(family, folders):
    _, ears, rows = begun(folders[family])
    key = "input_features" if family == "whisper" else "input_values"

    def heard(seed: int, epoch: int, *chosen: int, settings: Any = AUGMENTED) -> Any:
        collate = TASK.training_collator(ears, seed, settings)
        collate.epoch = epoch
        return collate([rows[row] for row in chosen])[key].numpy()

    once = heard(3, 1, 0, 5)
    np.testing.assert_array_equal(once, heard(3, 1, 0, 5))
    np.testing.assert_array_equal(once[1:], heard(3, 1, 5, 0)[:1])
    for other in (heard(4, 1, 0, 5), heard(3, 2, 0, 5), heard(3, 1, 0, 5, settings={})):
        assert not np.array_equal(once, other)
    plain = TASK.collator(ears)([rows[0], rows[5]])[key].numpy()
    np.testing.assert_array_equal(plain, heard(3, 1, 0, 5, settings={}))


def test_masks_lie_where_there_is_sound_and_cover_what_was_asked(folders):
    _, ears, rows = begun(folders["whisper"])
    frames = len(rows[0]["samples"]) // ears.hop
    plain = TASK.collator(ears)([rows[0]])["input_features"].numpy()[0]
    for epoch in range(8):
        collate = TASK.training_collator(ears, 0, {"time_mask": 0.5})
        collate.epoch = epoch
        changed = collate([rows[0]])["input_features"].numpy()[0] != plain
        assert not changed[:, frames:].any()
        assert changed.any(axis=0).sum() <= frames


# -- sounds ---------------------------------------------------------------------------------


def test_samples_come_through_as_sixteen_bits_hold_them(folders):
    ears = TASK.processor(str(folders["wav2vec2"]), False)
    given = np.array([0, 1, -1, 32767, -32768] * 100, dtype=np.int16)
    (found,) = _hearing.samples([tiny.encoded(given)], ears, 50)
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, given)
    (loud,) = _hearing.samples([given.astype(np.float32)], ears, 50)
    assert set(loud.tolist()) == {0, 32767, -32768}


def test_a_sound_shorter_than_a_model_looks_at_is_named(folders, tmp_path):
    (tmp_path / "click.wav").write_bytes(tiny.encoded(np.zeros(160, dtype=np.int16)))
    ears = TASK.processor(str(folders["wav2vec2"]), False)
    with pytest.raises(DataError, match=r"click\.wav lasts 10 ms; models look at 25 at once"):
        TASK.encode({"audio": [str(tmp_path / "click.wav")]}, ears, 50, ())


def test_the_floor_tells_pitches_apart_and_knows_where_it_heard_them():
    found = _spectra.nearest(
        {"audio": SAMPLE.columns["audio"][:9], "text": SAMPLE.columns["label"][:9]},
        {"test": {"audio": SAMPLE.columns["audio"][9:]}},
    )
    assert found["test"] == list(SAMPLE.columns["label"][9:])


# -- from files to a bundle -----------------------------------------------------------------


def sounds(folder: Path, rows: int = 30) -> None:
    """Write sounds, a folder a class."""
    for row in range(rows):
        target = folder / "sounds" / SAMPLE.labels[row % 3] / f"{row}.wav"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(tiny.wav(row, tiny.PITCHES[row % 3], 0.2))


@pytest.mark.slow
def test_a_bundle_says_of_files_what_it_was_scored_with(tmp_path):
    from automl.serving.predict import Predictor

    sounds(tmp_path)
    shares = {"train": "sounds", "validation": 0.2, "test": 0.2}
    assert load(tmp_path, TASK.name, **shares).plan.labels == SAMPLE.labels
    model = tiny.wav2vec2(tmp_path / "tiny")
    delivery = rehearse(tmp_path, TASK.name, model, {"learning_rate": 3e-3, "epochs": 4}, **shares)
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert "audio-classification" in card
    test = delivery.score.splits["test"]
    assert test.rows == 6
    paths = [str(path) for path in sorted((tmp_path / "sounds").rglob("*.wav"))]
    answers = list(Predictor(tmp_path / "bundle").predict({"audio": path} for path in paths))
    assert {answer["label"] for answer in answers} <= set(SAMPLE.labels)
