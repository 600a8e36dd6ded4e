"""What is said is spelled or written as the model was taught, scored as jiwer scores it, and said
by the bundle as by transformers' own pipeline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest

from automl import tasks
from automl.compiler import heads
from automl.errors import CandidateError
from automl.tasks import _hearing, _loading, _transcripts
from automl.tasks._transcripts import Alphabet, normalised
from automl.worker import adapters, models, store
from automl.worker.prediction import predicted
from benchmarks.tiny_speech import Size, make, whisper_tokenizer
from tests.tasks import tiny_hearing as tiny
from tests.tasks.rehearsal import rehearse

TASK = tasks.get("automatic-speech-recognition")
WORDS = ("Yes, sir!", "No.", "It's 5 o'clock")
ROWS = 12
COLUMNS = {
    "audio": [tiny.wav(row, tiny.PITCHES[row % 3], 0.5) for row in range(ROWS)],
    "text": [WORDS[row % 3] for row in range(ROWS)],
}


@pytest.fixture(scope="module")
def speller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.wav2vec2(tmp_path_factory.mktemp("speller"))


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("writer")
    make(folder, Size(width=32, layers=1, mels=16), "whisper", COLUMNS["text"])
    return folder


@pytest.fixture(scope="module")
def linguist(writer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Whisper that knows English and German."""
    from transformers import WhisperForConditionalGeneration

    folder = tmp_path_factory.mktemp("linguist")
    (folder / "preprocessor_config.json").write_bytes(
        (writer / "preprocessor_config.json").read_bytes()
    )
    codes = ("en", "zh", "de")
    tokenizer = whisper_tokenizer(COLUMNS["text"], 300, codes)
    model = WhisperForConditionalGeneration.from_pretrained(writer)
    model.resize_token_embeddings(len(tokenizer))

    def ids(*names: str) -> dict[str, int]:
        tokens = [f"<|{name}|>" for name in names]
        return dict(zip(tokens, tokenizer.convert_tokens_to_ids(tokens), strict=True))

    settings = model.generation_config
    settings.lang_to_id = ids(*codes)
    settings.task_to_id = {name: ids(name)[f"<|{name}|>"] for name in ("transcribe", "translate")}
    settings.is_multilingual = True
    settings.no_timestamps_token_id = ids("notimestamps")["<|notimestamps|>"]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def begun(
    folder: Path, columns: Any = COLUMNS, length: int = 50
) -> tuple[Any, _hearing.Ears, store.Rows]:
    """Return a model as a trial begins with it, its processor, and rows encoded."""
    import torch

    ears, _ = _loading.adapted(TASK, str(folder), False, lambda: columns)
    rows = store.rows(TASK.encode(columns, ears, length, ()))
    torch.manual_seed(0)
    model = TASK.build(str(folder), (), {}, False)
    TASK.begin(model, ears, rows)
    return model, ears, rows


def taught(folder: Path, steps: int) -> tuple[Any, _hearing.Ears, store.Rows]:
    """Return a model that has seen the rows so many times."""
    import torch

    model, ears, rows = begun(folder)
    batch = TASK.collator(ears)([rows[row] for row in range(ROWS)])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(steps):
        models.loss(TASK, model.train(), batch).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval(), ears, rows


# -- texts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello,  World!", "hello world"),
        ("It’s the dogs' well-known “bone”", "it's the dogs well known bone"),
        ("Straße № ５", "strasse no 5"),
        ("naïve Ω", "naïve ω"),
        ("…!?", ""),
    ],
)
def test_texts_are_compared_without_case_and_punctuation(text, expected):
    assert normalised(text) == expected
    assert normalised(expected) == expected


@pytest.mark.parametrize(
    ("letters", "text", "expected"),
    [
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ'", "It’s a “test”, no?", "IT'S A TEST NO"),
        ("abcdefghijklmnopqrstuvwxyz", "It's Straße.", "its strasse"),
        ("abcABC.,", "Ab, cB!", "Ab, cB"),
        ("abc", "abç", "abç"),
    ],
)
def test_texts_are_spelled_in_a_models_own_letters(letters, text, expected):
    assert Alphabet(frozenset(letters)).spelled(text) == expected


def test_rates_are_those_of_jiwer():
    references = ["the cat sat", "on a mat", "it was red", "zero"]
    said = ["the cat sat down", "", "it is read", "zero"]
    found = TASK.score(said, references, ())
    assert found["wer"] == found["wer_as_written"] == pytest.approx(jiwer.wer(references, said))
    assert found["cer"] == pytest.approx(jiwer.cer(references, said))
    assert found["exact_match"] == 0.25
    cased = TASK.score(["The cat."], ["the cat"], ())
    assert (cased["wer"], cased["wer_as_written"]) == (0.0, 1.0)


def test_the_report_shows_what_was_misheard_and_how_texts_were_compared():
    columns = {"audio": ["/a/x.wav", "/a/y.wav"], "text": ["one two", "three"]}
    report = TASK.report(["one too", "three"], columns["text"], columns, (), 0)
    assert report.metrics["wer"] == pytest.approx(1 / 3)
    (worst,) = report.examples
    assert worst == {"audio": "x.wav", "label": "one two", "predicted": "one too", "score": 0.5}
    assert "NFKC" in report.notes[0]


# -- CTC ------------------------------------------------------------------------------------


def test_letters_come_from_the_transcriptions_and_the_head_fits_them(speller):
    ears, (note,) = _loading.adapted(TASK, str(speller), False, lambda: COLUMNS)
    letters = set("yessirnoit'so5clock")
    assert set(ears.tokenizer.get_vocab()) == letters | {"[PAD]", "[UNK]", "|"}
    assert f"spells with {len(letters)} letters" in note
    model, _, rows = begun(speller)
    assert model.lm_head.out_features == model.config.vocab_size == len(letters) + 3
    assert model.config.pad_token_id == 0
    said = {ears.tokenizer.decode(row["labels"].tolist(), group_tokens=False) for row in rows}
    assert said == {"yes sir", "no", "it's 5 o'clock"}


def test_a_model_keeps_letters_of_its_own_that_do(speller, tmp_path):
    for file in speller.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    own = {token: at for at, token in enumerate(["[PAD]", "[UNK]", "|", *"ABCDEIKLNORSTY'5"])}
    from automl.tasks.automatic_speech_recognition import _speller

    _speller(own).save_pretrained(tmp_path)
    ears, (note,) = _loading.adapted(TASK, str(tmp_path), False, lambda: COLUMNS)
    assert ears.tokenizer.get_vocab() == own
    assert "keeps its own 16 letters, in upper case" in note
    ids = TASK.encode(COLUMNS, ears, 50, ())["labels"][0].tolist()
    assert ears.tokenizer.decode(ids, group_tokens=False) == "YES SIR"
    german = {"audio": COLUMNS["audio"], "text": ["größte mühe"] * ROWS}
    _, (why,) = _loading.adapted(TASK, str(tmp_path), False, lambda: german)
    assert "its own lack" in why
    assert "Ü" in why


def test_the_loss_is_that_of_ctc_by_row_and_leaves_out_what_was_cut(speller):
    import torch
    from torch.nn.functional import ctc_loss

    model, ears, rows = begun(speller)
    batch = TASK.collator(ears)([rows[0], rows[1]])
    with torch.no_grad():
        logits = model(batch["input_values"], attention_mask=batch["attention_mask"]).logits
        said = logits.log_softmax(-1).transpose(0, 1)
        counts = torch.tensor([len(rows[0]["labels"]), len(rows[1]["labels"])])
        frames = torch.full((2,), logits.shape[1])
        targets = batch["labels"].clamp(min=0)
        each = ctc_loss(said, targets, frames, counts, reduction="none") / counts
        assert float(models.loss(TASK, model, batch)) == pytest.approx(float(each.mean()), rel=1e-4)
        batch["labels"][1] = -100
        half = float(models.loss(TASK, model, batch))
    assert half == pytest.approx(float(each[0]) / 2, rel=1e-4)


@pytest.mark.parametrize("kind", ["speller", "writer"])
def test_nothing_is_learnt_of_a_sound_that_was_cut(kind, request):
    _, ears, _ = begun(request.getfixturevalue(kind))
    long = {"audio": [tiny.wav(0, 300.0, 0.9), tiny.wav(1, 300.0, 0.3)], "text": ["no", "no"]}
    found = TASK.encode(long, ears, 20, ())
    assert [len(sound) for sound in found["samples"]] == [20 * 320, 4800]
    assert len(found["labels"][0]) == 0 < len(found["labels"][1])


# -- models that write ----------------------------------------------------------------------


def test_a_writer_is_asked_to_write_what_it_would_have_been_taught(writer):
    model, ears, rows = begun(writer)
    words = ears.tokenizer.decode(rows[0]["labels"].tolist())
    assert words == "<|notimestamps|> Yes, sir!<|endoftext|>"
    longest = max(len(row["labels"]) for row in rows)
    assert model.generation_config.max_new_tokens == longest - 1
    assert model.config.decoder_start_token_id == ears.tokenizer.prefix_tokens[0]


def test_a_writer_of_many_languages_is_told_the_datas(linguist, tmp_path):
    german = {**COLUMNS, "language": ["de-AT"] * ROWS}
    ears, notes = _loading.adapted(TASK, str(linguist), False, lambda: german)
    assert notes == ("it writes de",)
    model, ears, rows = begun(linguist, german)
    began = "<|de|><|transcribe|><|notimestamps|> No.<|endoftext|>"
    assert ears.tokenizer.decode(rows[1]["labels"].tolist()) == began
    assert model.generation_config.language == "de"
    _, english = _loading.adapted(TASK, str(linguist), False, lambda: COLUMNS)
    assert english == ("it writes English: no column language says otherwise",)
    several = {**COLUMNS, "language": ["de", "en"] * (ROWS // 2)}
    model, ears, rows = begun(linguist, several)
    tokens = [ears.tokenizer.decode([int(rows[row]["labels"][0])]) for row in range(2)]
    assert tokens == ["<|de|>", "<|en|>"]
    assert model.generation_config.language is None
    unknown = {**COLUMNS, "language": ["tlh"] * ROWS}
    with pytest.raises(CandidateError, match="does not know the language 'tlh'"):
        begun(linguist, unknown)


def test_a_moonshine_writes_without_prefixes(writer, tmp_path):
    from transformers import (
        AutoTokenizer,
        MoonshineConfig,
        MoonshineForConditionalGeneration,
        PreTrainedTokenizerFast,
        Wav2Vec2FeatureExtractor,
    )

    backend = AutoTokenizer.from_pretrained(writer).backend_tokenizer
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )
    tokenizer.save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(tmp_path)
    config = MoonshineConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        encoder_num_hidden_layers=1,
        decoder_num_hidden_layers=1,
        encoder_num_attention_heads=2,
        decoder_num_attention_heads=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        decoder_start_token_id=tokenizer.bos_token_id,
    )
    MoonshineForConditionalGeneration(config).save_pretrained(tmp_path)
    model, ears, rows = begun(tmp_path)
    assert models.length_limit(model, ears) == _hearing.MOST_FRAMES
    said = predicted(TASK, model.eval(), ears, rows, COLUMNS, (), 4)
    assert len(said) == ROWS
    loss = models.loss(TASK, model.train(), TASK.collator(ears)([rows[0], rows[1]]))
    assert np.isfinite(float(loss.detach()))


# -- both -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "steps"), [("speller", 0), ("writer", 40)])
def test_one_sound_is_transcribed_as_the_pipeline_does(kind, steps, request, tmp_path):
    from transformers import pipeline

    model, ears, rows = taught(request.getfixturevalue(kind), steps)
    said = predicted(TASK, model, ears, rows.take(np.arange(3)), {}, (), 1)
    assert any(said)
    model.save_pretrained(tmp_path, save_original_format=False)
    ears.save_pretrained(tmp_path)
    transcribe = pipeline(TASK.pipeline_tag, model=str(tmp_path))
    found = [transcribe(_hearing.heard(each, tiny.RATE)) for each in COLUMNS["audio"][:3]]
    assert [each["text"].strip() for each in found] == said


@pytest.mark.parametrize("kind", ["speller", "writer"])
def test_what_was_saved_says_the_same(kind, request, tmp_path):
    model, ears, rows = taught(request.getfixturevalue(kind), 3)
    model.save_pretrained(tmp_path, save_original_format=False)
    ears.save_pretrained(tmp_path)
    again, kept = TASK.processor(str(tmp_path), False), _loading.trained(TASK, str(tmp_path))
    blind = store.rows(TASK.encode({"audio": COLUMNS["audio"]}, again, 50, ()))
    assert predicted(TASK, kept, again, blind, {}, (), 5) == predicted(
        TASK, model, ears, rows, {}, (), 5
    )


@pytest.mark.parametrize("kind", ["speller", "writer"])
def test_adapters_go_into_both(kind, request):
    model, ears, rows = begun(request.getfixturevalue(kind))
    adapters.attach(model, {"method": "lora"})
    loss = models.loss(TASK, model, TASK.collator(ears)([rows[0], rows[1]]))
    loss.backward()
    assert any(each.grad is not None for name, each in model.named_parameters() if "lora" in name)


def test_families_of_both_kinds_are_known_and_others_are_told(tmp_path):
    for family, known in (("wav2vec2", True), ("whisper", True), ("bert", False)):
        named = any(
            family in heads.families(mapping)
            for mapping in (TASK.mapping, *(mapping for _, mapping in TASK.also))
        )
        assert named is known
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "whisper"}))
    assert _loading.auto_class(TASK, str(tmp_path)) == "AutoModelForSpeechSeq2Seq"
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "hubert"}))
    assert _loading.auto_class(TASK, str(tmp_path)) == "AutoModelForCTC"


@pytest.mark.slow
def test_a_bundle_transcribes_files(writer, tmp_path):
    from automl.serving.predict import Predictor

    (tmp_path / "sounds").mkdir()
    lines = []
    for row in range(24):
        (tmp_path / "sounds" / f"{row}.wav").write_bytes(tiny.wav(row, tiny.PITCHES[row % 3]))
        lines.append(f'{row}.wav,"{WORDS[row % 3]}"\n')
    (tmp_path / "sounds" / "metadata.csv").write_text("file_name,text\n" + "".join(lines))
    shares = {"train": "sounds", "validation": 0.2, "test": 0.2}
    delivery = rehearse(tmp_path, TASK.name, writer, {"epochs": 2}, **shares)
    assert set(delivery.score.splits["test"].metrics) == {m.name for m in _transcripts.METRICS}
    path = str(tmp_path / "sounds" / "3.wav")
    (answer,) = Predictor(tmp_path / "bundle").predict([{"audio": path}])
    assert isinstance(answer["text"], str)
