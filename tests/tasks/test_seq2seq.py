"""Encoder-decoders: prompts, lengths, languages, loss and generation, in T5, BART and mBART."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from automl import tasks
from automl.errors import CandidateError
from automl.tasks import _loading, _seq2seq
from automl.tasks._text import load_tokenizer
from automl.worker import models
from automl.worker.store import rows as stored
from tests.tasks.tiny_seq2seq import tiny_bart, tiny_t5

COLUMNS = {
    "text": [f"the cat number {row} is looking at the house" for row in range(100)],
    "target": [*(["the house"] * 99), "a very long answer " * 20],
}
SUMMARIZE = tasks.get("summarization")
ANSWER = tasks.get("text2text-generation")
TRANSLATE = tasks.get("translation")
LANGUAGES = {"source_language": ["en"] * 100, "target_language": ["de"] * 100}


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_t5(tmp_path_factory.mktemp("t5"))


@pytest.fixture(scope="module")
def bart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bart(tmp_path_factory.mktemp("bart"))


@pytest.fixture(scope="module")
def mbart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An mBART-50 with a vocabulary of characters and its 52 languages."""
    import torch
    from transformers import MBart50Tokenizer, MBartConfig, MBartForConditionalGeneration

    folder = tmp_path_factory.mktemp("mbart")
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", *"abcdefghijklmnopqrstuvwxyz0123456789"]
    tokenizer = MBart50Tokenizer(vocab=[(piece, -1.0) for piece in pieces])
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    size = {"encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = MBartConfig(vocab_size=len(tokenizer), d_model=16, **size, **heads)
    MBartForConditionalGeneration(config).save_pretrained(folder)
    return folder


def adapted(task, folder, columns=COLUMNS):
    return _loading.adapted(task, str(folder), False, lambda: columns)


def begun(task, folder, columns=COLUMNS):
    """A model as it is when a trial begins, its tokenizer and its encoded rows."""
    tokenizer, _ = adapted(task, folder, columns)
    rows = stored(task.encode(columns, tokenizer, 64, ()))
    model = task.build(str(folder), (), {}, False).eval()
    task.begin(model, tokenizer, rows)
    return model, tokenizer, rows


def kept(model, tokenizer, folder):
    model.save_pretrained(folder, save_original_format=False)
    tokenizer.save_pretrained(folder)


def first_words(tokenizer, encoded):
    return tokenizer.decode(encoded["input_ids"][0])


# -- prompts --------------------------------------------------------------------------------


def test_a_t5_is_asked_with_its_prompt_and_a_bart_is_not(t5, bart):
    for folder, begins in ((t5, "summarize: the cat"), (bart, "the cat")):
        tokenizer, notes = adapted(SUMMARIZE, folder)
        encoded = SUMMARIZE.encode(COLUMNS, tokenizer, 64, ())
        assert first_words(tokenizer, encoded).startswith(begins)
        assert any("summarize" in note for note in notes) == (folder == t5)


def test_a_prompt_that_the_texts_have_already_is_not_said_twice(t5):
    columns = {**COLUMNS, "text": [f"summarize: {text}" for text in COLUMNS["text"]]}
    tokenizer, _ = adapted(SUMMARIZE, t5, columns)
    encoded = SUMMARIZE.encode(columns, tokenizer, 64, ())
    assert first_words(tokenizer, encoded).count("summarize") == 1


def test_a_checkpoint_that_states_a_prompt_is_asked_with_that():
    stated = {"model_type": "mt5", "task_specific_params": {"summarization": {"prefix": "tl: "}}}
    assert _seq2seq.task_prompt(stated, "summarization", "summarize: ") == "tl: "
    assert _seq2seq.task_prompt({"model_type": "mt5"}, "summarization", "summarize: ") == ""


def test_a_t5_is_told_the_languages_by_name(t5):
    _, notes = adapted(TRANSLATE, t5, {**COLUMNS, **LANGUAGES})
    assert "each text follows the prompt 'translate English to German: '" in notes
    assert "translates from en to de" in notes


def test_prompt_and_target_length_come_back_with_a_saved_tokenizer(t5, tmp_path):
    tokenizer, _ = adapted(SUMMARIZE, t5)
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(str(tmp_path))
    assert again.init_kwargs["automl"] == tokenizer.init_kwargs["automl"]
    assert SUMMARIZE.encode(COLUMNS, again, 64, ()) == SUMMARIZE.encode(COLUMNS, tokenizer, 64, ())


# -- targets --------------------------------------------------------------------------------


def test_targets_are_cut_where_99_in_100_end_and_still_end(t5):
    tokenizer, notes = adapted(ANSWER, t5)
    labels = ANSWER.encode(COLUMNS, tokenizer, 64, ())["labels"]
    limit = tokenizer.init_kwargs["automl"]["target_length"]
    longest = len(tokenizer("a very long answer " * 20)["input_ids"])
    assert max(map(len, labels)) == limit < longest
    assert all(ids[-1] == tokenizer.eos_token_id for ids in labels)
    assert f"targets cut at {limit} tokens: 1.0% are longer (longest {longest})" in notes


def test_targets_that_a_tokenizer_leaves_open_are_ended(t5):
    from tokenizers.processors import TemplateProcessing

    tokenizer, _ = adapted(ANSWER, t5)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A", special_tokens=[])
    labels = ANSWER.encode(COLUMNS, tokenizer, 64, ())["labels"]
    limit = tokenizer.init_kwargs["automl"]["target_length"]
    assert all(ids[-1] == tokenizer.eos_token_id for ids in labels)
    assert max(map(len, labels)) == limit


def test_padding_counts_neither_in_the_loss_nor_in_what_is_generated(t5):
    import torch

    model, tokenizer, rows = begun(ANSWER, t5)
    collate = ANSWER.collator(tokenizer)
    alone, other = collate([rows[0]]), collate([rows[0], rows[99]])
    assert (other["labels"] == -100).any()
    with torch.no_grad():
        one = models.loss(ANSWER, model, alone)
        padded = {name: values[:1] for name, values in other.items()}
        assert float(models.loss(ANSWER, model, padded)) == pytest.approx(float(one), rel=1e-4)
        said = [ANSWER.decode([ANSWER.infer(model, batch)[0]], rows, COLUMNS, tokenizer, ())
                for batch in (alone, other)]  # fmt: skip
    assert said[0] == said[1]


# -- loss -----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_smoothing_is_that_of_cross_entropy_over_the_decoders_own_inputs(family, request):
    import torch
    from torch.nn.functional import cross_entropy

    folder = request.getfixturevalue(family)
    model, tokenizer, rows = begun(ANSWER, folder)
    batch = ANSWER.collator(tokenizer)([rows[0], rows[99]])
    start = torch.full((2, 1), model.config.decoder_start_token_id)
    shifted = torch.cat([start, batch["labels"][:, :-1]], dim=1)
    shifted[shifted == -100] = model.config.pad_token_id
    with torch.no_grad():
        given = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
        logits = model(**given, decoder_input_ids=shifted).logits.flatten(0, 1)
        targets = batch["labels"].flatten()
        for smoothing in (0.0, 0.1):
            model.automl_label_smoothing = smoothing
            expected = cross_entropy(logits, targets, label_smoothing=smoothing)
            assert float(models.loss(ANSWER, model, batch)) == pytest.approx(float(expected))


def test_hyperparameters_reach_dropout_and_loss(t5, bart):
    chosen = {"dropout": 0.25, "label_smoothing": 0.05}
    one, other = (ANSWER.build(str(folder), (), chosen, False) for folder in (t5, bart))
    assert one.config.dropout_rate == other.config.dropout == 0.25
    assert one.automl_label_smoothing == 0.05
    assert one.decoder.block[0].layer[0].dropout.p == 0.25


def test_a_model_that_lacks_a_weight_is_refused(t5, tmp_path):
    from safetensors.torch import load_file, save_file

    for file in t5.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(t5 / "model.safetensors")
    del weights["decoder.final_layer_norm.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CandidateError, match=r"1 of its weights are missing"):
        ANSWER.build(str(tmp_path), (), {}, False)


# -- generation -----------------------------------------------------------------------------


def test_generation_ends_where_targets_do_and_is_saved_with_the_model(bart, tmp_path):
    from transformers import GenerationConfig

    model, tokenizer, rows = begun(SUMMARIZE, bart)
    kept(model, tokenizer, tmp_path)
    found = GenerationConfig.from_pretrained(tmp_path)
    longest = max(len(row["labels"]) for row in rows)
    assert (found.max_new_tokens, found.num_beams, found.no_repeat_ngram_size) == (longest, 4, 3)


def test_what_a_checkpoint_states_of_beams_stays_and_its_lengths_do_not(bart, tmp_path):
    for file in bart.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    stated = json.loads((bart / "generation_config.json").read_text())
    stated |= {"num_beams": 2, "length_penalty": 2.0, "max_length": 142, "min_length": 56}
    (tmp_path / "generation_config.json").write_text(json.dumps(stated))
    model, _, rows = begun(SUMMARIZE, tmp_path)
    found = model.generation_config
    assert (found.num_beams, found.length_penalty) == (2, 2.0)
    assert found.max_length is None
    assert not found.min_length
    assert found.max_new_tokens == max(len(row["labels"]) for row in rows)


# -- languages ------------------------------------------------------------------------------


def test_a_model_of_many_languages_reads_and_writes_the_two(mbart, tmp_path):
    columns = {role: values[:4] for role, values in {**COLUMNS, **LANGUAGES}.items()}
    model, tokenizer, rows = begun(TRANSLATE, mbart, columns)
    english, german = (tokenizer.convert_tokens_to_ids(code) for code in ("en_XX", "de_DE"))
    assert rows[0]["input_ids"][0] == english
    assert rows[0]["labels"][0] == german
    assert model.generation_config.forced_bos_token_id == german
    kept(model, tokenizer, tmp_path)
    again = load_tokenizer(str(tmp_path))
    blind = {"text": columns["text"]}
    assert TRANSLATE.encode(blind, again, 64, ())["input_ids"][0][0] == english
    batch = TRANSLATE.collator(again)([rows[0]])
    trained = _loading.trained(TRANSLATE, str(tmp_path))
    assert int(TRANSLATE.infer(trained, batch)[0][1]) == german


def test_a_model_of_many_languages_must_be_told_which(mbart):
    with pytest.raises(CandidateError, match="does not say which two"):
        adapted(TRANSLATE, mbart)
    klingon = {**COLUMNS, "source_language": ["en"] * 100, "target_language": ["tlh"] * 100}
    with pytest.raises(CandidateError, match="does not know the language 'tlh'"):
        adapted(TRANSLATE, mbart, klingon)


def pieces(folder: Path) -> dict[str, int]:
    """Write a sentencepiece model of the rows' texts; return its pieces' numbers."""
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

    with (folder / "sentencepiece.bpe.model").open("wb") as stream:
        SentencePieceTrainer.train(
            sentence_iterator=iter(COLUMNS["text"] + COLUMNS["target"]),
            model_writer=stream,
            vocab_size=60,
            model_type="bpe",
            hard_vocab_limit=False,
            minloglevel=2,
        )
    made = SentencePieceProcessor(model_file=str(folder / "sentencepiece.bpe.model"))
    return {made.id_to_piece(at): at for at in range(made.get_piece_size())}


SMALL = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16,
         "decoder_ffn_dim": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
         "max_position_embeddings": 64}  # fmt: skip


def test_an_m2m_writes_the_language_it_is_told(tmp_path):
    from transformers import M2M100Config, M2M100ForConditionalGeneration, M2M100Tokenizer

    vocabulary = dict.fromkeys(["<s>", "<pad>", "</s>", "<unk>", *pieces(tmp_path)])
    numbered = {piece: at for at, piece in enumerate(vocabulary)}
    (tmp_path / "vocab.json").write_text(json.dumps(numbered))
    files = str(tmp_path / "vocab.json"), str(tmp_path / "sentencepiece.bpe.model")
    # As its checkpoints say; made anew, the class forgets that languages are special tokens.
    languages = [f"__{code}__" for code in M2M100Tokenizer(*files).lang_code_to_id]
    tokenizer = M2M100Tokenizer(*files, additional_special_tokens=languages)
    tokenizer.save_pretrained(tmp_path)
    config = M2M100Config(vocab_size=256, **SMALL)
    M2M100ForConditionalGeneration(config).save_pretrained(tmp_path)
    model, tokenizer, rows = begun(TRANSLATE, tmp_path, {**COLUMNS, **LANGUAGES})
    english, german = (tokenizer.get_lang_id(code) for code in ("en", "de"))
    assert rows[0]["input_ids"][0] == english
    assert rows[0]["labels"][0] == german
    batch = TRANSLATE.collator(tokenizer)([rows[0]])
    assert int(TRANSLATE.infer(model, batch)[0][1]) == german
    assert TRANSLATE.decode([rows[0]["labels"]], rows, COLUMNS, tokenizer, ()) == ["the house"]


def test_a_marian_keeps_its_two_vocabularies_pieces_when_saved(tmp_path):
    import re

    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    from automl.catalog.files import SMALL as CATALOGUED
    from automl.exporters.safetensors import _KEPT

    vocabulary = {**pieces(tmp_path)}
    vocabulary["<pad>"] = len(vocabulary)
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    for name in ("source.spm", "target.spm"):
        (tmp_path / name).write_bytes((tmp_path / "sentencepiece.bpe.model").read_bytes())
    tokenizer = MarianTokenizer(
        *(str(tmp_path / name) for name in ("source.spm", "target.spm", "vocab.json"))
    )
    tokenizer.save_pretrained(tmp_path)
    pad = tokenizer.pad_token_id
    ends = {"pad_token_id": pad, "decoder_start_token_id": pad, "eos_token_id": 2}
    config = MarianConfig(vocab_size=len(tokenizer), **SMALL, **ends, forced_eos_token_id=2)
    MarianMTModel(config).save_pretrained(tmp_path)
    model, tokenizer, rows = begun(TRANSLATE, tmp_path)
    assert TRANSLATE.decode([rows[0]["labels"]], rows, COLUMNS, tokenizer, ()) == ["the house"]
    kept(model, tokenizer, tmp_path / "kept")
    for file in sorted((tmp_path / "kept").iterdir()):
        assert re.fullmatch(_KEPT, file.name), file
        assert file.name in CATALOGUED or file.suffix == ".safetensors"
    again = load_tokenizer(str(tmp_path / "kept"))
    assert TRANSLATE.encode(COLUMNS, again, 64, ()) == TRANSLATE.encode(COLUMNS, tokenizer, 64, ())


# -- use ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["summarization", "translation", "text2text-generation"])
def test_the_cards_code_says_what_the_task_says(name, t5, tmp_path, capsys):
    task = tasks.get(name)
    columns = {**COLUMNS, **(LANGUAGES if name == "translation" else {})}
    model, tokenizer, _ = begun(task, t5, columns)
    kept(model, tokenizer, tmp_path)
    exec(compile(task.usage(str(tmp_path), 64), "usage", "exec"), {})
    asked = {"text": ["Put a text here."]}
    rows = stored(task.encode(asked, tokenizer, 64, ()))
    said = task.infer(model, task.collator(tokenizer)([rows[0]]))
    (answer,) = task.answers(task.decode(said, rows, asked, tokenizer, ()), (), 1)
    assert list(answer) == list(task.says)
    assert capsys.readouterr().out.strip() == answer[task.says[0]]


# -- floors ---------------------------------------------------------------------------------


def test_the_floor_of_a_summary_is_as_many_first_sentences_as_summaries_have():
    train = {"text": ["A. B. C."] * 3, "target": ["One. Two.", "One. Two.", "One."]}
    found = SUMMARIZE.floor(train, {"test": {"text": ["First one. Second! Third?"]}}, (), 0)
    assert found == {"test": ["First one.\nSecond!"]}


def test_the_floor_recalls_the_most_similar_source_or_copies_where_that_is_better():
    numbers = range(20)
    train = {
        "text": [f"name[cat {n}], area[{'riverside' if n % 2 else 'centre'}]" for n in numbers],
        "target": [f"it is in the {'riverside' if n % 2 else 'centre'}" for n in numbers],
    }
    asked = {"test": {"text": ["name[dog], area[riverside]"]}}
    assert ANSWER.floor(train, asked, (), 0) == {"test": ["it is in the riverside"]}
    copied = {"text": train["text"], "target": [text + "." for text in train["text"]]}
    assert ANSWER.floor(copied, asked, (), 0) == {"test": asked["test"]["text"]}
