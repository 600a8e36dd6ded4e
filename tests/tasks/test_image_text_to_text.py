"""Answers about pictures: what is learnt of a conversation, and bundles in use."""

from __future__ import annotations

import csv
import json

import pytest

from automl.errors import CandidateError, DataError
from automl.tasks import _vision
from automl.tasks.image_text_to_text import TASK
from automl.worker import cache, store
from tests.tasks import bundles
from tests.tasks.rehearsal import load, rehearse
from tests.tasks.sampled.image_text_to_text import NAMES, SAMPLE, model
from tests.tasks.tiny_vision import COLOURS, png, vit


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return model(tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="module")
def processor(folder):
    return TASK.processor(str(folder), False)


def rows(tmp_path, count=40):
    with (tmp_path / "rows.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("image", "question", "answer"))
        for number in range(count):
            (tmp_path / f"{number}.png").write_bytes(png(number, COLOURS[number % 3]))
            writer.writerow((f"{number}.png", "colour?", NAMES[number % 3]))


def test_the_answer_and_its_end_are_learnt_and_nothing_else(processor):
    encoded = store.rows(TASK.encode(SAMPLE.columns, processor, 64, ()))
    batch = TASK.collator(processor)([encoded[row] for row in range(3)])
    assert batch["pixel_values"].shape[0] == 3
    for row, name in enumerate(NAMES):
        told = batch["labels"][row][batch["labels"][row] >= 0]
        assert processor.tokenizer.decode(told).rstrip("\n") == f"{name}</s>"


def test_a_conversation_is_learnt_as_a_question_with_its_answer_is(processor):
    question, answer = json.loads(SAMPLE.columns["prompt"][0]), NAMES[0]
    said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    one = {"image": SAMPLE.columns["image"][:1], "messages": [json.dumps(said)]}
    other = {name: values[:1] for name, values in SAMPLE.columns.items()}
    first, second = (TASK.encode(each, processor, 64, ()) for each in (one, other))
    assert first["told"][0].tobytes() == second["told"][0].tobytes()


def test_tokens_of_the_picture_count(processor):
    encoded = TASK.encode(SAMPLE.columns, processor, 64, ())
    batch = TASK.collator(processor)([store.rows(encoded)[0]])
    assert TASK.lengths(encoded)[0] == batch["input_ids"].shape[1]


def test_rows_encoded_for_another_template_or_tokenizer_are_other_rows(folder):
    keys = set()
    for change in ("nothing", "template", "words"):
        processor = TASK.processor(str(folder), False)
        if change == "template":
            processor.chat_template += " "
        if change == "words":
            processor.tokenizer.add_tokens(["colours"])
        keys.add(cache._content(processor))
    assert len(keys) == 3


def test_rows_that_are_none_are_named(tmp_path):
    rows(tmp_path)
    text = (tmp_path / "rows.csv").read_text().splitlines()
    said = json.dumps([{"role": "user", "content": "colour?"}]).replace('"', '""')
    lines = [f'{number}.png,"{said}"' for number in range(len(text) - 1)]
    (tmp_path / "rows.csv").write_text("\n".join(["image,messages", *lines]))
    with pytest.raises(DataError, match=r"rows\.csv:2: messages ends with the user's turn"):
        load(tmp_path, TASK.name, train="rows.csv", validation=0.2, test=0.2)


def test_a_model_without_a_template_or_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(CandidateError, match="processor"):
        TASK.processor(str(vit(tmp_path)), False)


def test_a_bundle_answers_as_the_pipeline_does(folder, tmp_path):
    from transformers import GenerationConfig, pipeline

    from automl.serving.predict import Predictor

    columns = {"image": "image", "prompt": "question", "completion": "answer"}
    bundle = bundles.write(TASK.name, tmp_path / "bundle", (), columns, folder)
    GenerationConfig(
        do_sample=False, max_new_tokens=6, eos_token_id=2, pad_token_id=0
    ).save_pretrained(bundle)
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for number, file in enumerate(files):
        file.write_bytes(png(number, COLOURS[number]))
    given = [{"image": str(file), "prompt": "colour?"} for file in files]
    mine = list(Predictor(bundle, "cpu").predict(given, batch_size=2))
    answer = pipeline("image-text-to-text", model=str(bundle), device="cpu")
    for file, said in zip(files, mine, strict=True):
        asked = [
            {
                "role": "user",
                "content": [
                    {"type": "image", "image": _vision.opened(str(file))},
                    {"type": "text", "text": "colour?"},
                ],
            }
        ]
        (theirs,) = answer(text=asked, return_full_text=False)
        assert said["completion"] == theirs["generated_text"].strip()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_trial_learns_to_name_colours(folder, tmp_path, monkeypatch, method):
    from automl.serving.predict import Predictor

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rows(tmp_path)
    wishes = {"method": method, "epochs": 30, "learning_rate": 5e-3, "batch_size": 8}
    if method == "lora":
        wishes |= {"lora_rank": 8, "lora_alpha": 32, "lora_targets": "all-linear"}
    delivery = rehearse(
        tmp_path, TASK.name, folder, wishes, train="rows.csv", validation=0.2, test=0.2
    )
    metrics = delivery.score.splits["test"].metrics
    # Untrained it is 8.6; a frozen head of random weights leaves adapters little to gain.
    assert metrics["bits_per_byte"] < (1 if method == "full" else 8)
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert "image-text-to-text" in card
    assert "colour?" in card
    given = [{"image": str(tmp_path / "0.png"), "prompt": "colour?"}]
    (said,) = Predictor(tmp_path / "bundle", "cpu").predict(given)
    assert isinstance(said["completion"], str)
