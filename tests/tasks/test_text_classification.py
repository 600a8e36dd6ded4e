"""Text classification: heads, tokenizers and refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from automl.errors import CandidateError, DataError
from automl.tasks._text import load_tokenizer
from automl.tasks.text_classification import TASK

TINY_BERT = Path(__file__).resolve().parent.parent / "fixtures" / "tiny-bert"
LABELS = ("no", "yes", "maybe")


@pytest.fixture
def folder(tmp_path):
    """A copy of the tiny model that a test may spoil."""
    return Path(shutil.copytree(TINY_BERT, tmp_path / "model"))


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_an_unknown_label_is_named_with_the_known_ones():
    tokenizer = load_tokenizer(str(TINY_BERT))
    with pytest.raises(DataError, match="'perhaps' is not one of no, yes, maybe"):
        TASK.encode({"text": ["x"], "label": ["perhaps"]}, tokenizer, 8, LABELS)


def test_the_model_names_the_classes_in_their_order_and_is_in_float32():
    model = TASK.build(str(TINY_BERT), LABELS, {"dropout": 0.3}, False)
    assert model.config.id2label == {0: "no", 1: "yes", 2: "maybe"}
    assert model.config.label2id == {"no": 0, "yes": 1, "maybe": 2}
    assert model.config.classifier_dropout == 0.3
    assert model.dropout.p == 0.3
    assert {str(p.dtype) for p in model.parameters()} == {"torch.float32"}


def test_a_checkpoint_in_half_precision_is_trained_in_float32(folder):
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    model = TASK.build(str(folder), LABELS, {}, False)
    assert {str(p.dtype) for p in model.parameters()} == {"torch.float32"}


def test_the_head_is_drawn_from_the_seed():
    import torch

    def head(seed):
        torch.manual_seed(seed)
        return TASK.build(str(TINY_BERT), LABELS, {}, False).classifier.weight

    assert torch.equal(head(1), head(1))
    assert not torch.equal(head(1), head(2))


def test_a_head_for_other_classes_is_replaced(folder):
    TASK.build(str(TINY_BERT), ("a", "b"), {}, False).save_pretrained(folder)
    assert TASK.build(str(folder), LABELS, {}, False).classifier.out_features == 3


def test_a_model_without_its_backbone_is_refused(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CandidateError, match=r"1 of its weights.*encoder\.layer\.1\.output"):
        TASK.build(str(folder), LABELS, {}, False)


def test_a_model_without_a_pooler_is_taken(folder):
    from safetensors.torch import load_file, save_file

    weights = {k: v for k, v in load_file(folder / "model.safetensors").items() if "pool" not in k}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert TASK.build(str(folder), LABELS, {}, False).classifier.out_features == 3


def test_a_backbone_of_another_size_is_refused(folder):
    edit(folder / "config.json", intermediate_size=80)
    with pytest.raises(CandidateError, match="missing or of another shape"):
        TASK.build(str(folder), LABELS, {}, False)


def test_a_config_that_cannot_be_read_is_refused(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(CandidateError, match="its config can't be read"):
        TASK.build(str(folder), LABELS, {}, False)


def test_weights_that_are_only_pickled_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CandidateError, match="it can't be loaded"):
        TASK.build(str(folder), LABELS, {}, False)


def test_a_path_that_is_no_folder_is_refused_without_asking_a_hub(tmp_path):
    with pytest.raises(CandidateError, match="there is no folder"):
        TASK.build(str(tmp_path / "nothing"), LABELS, {}, False)


def test_a_tokenizer_without_a_pad_token_pads_with_its_end(folder):
    edit(folder / "tokenizer_config.json", pad_token=None, eos_token="[SEP]")
    tokenizer = load_tokenizer(str(folder))
    assert tokenizer.pad_token == "[SEP]"
    assert tokenizer.padding_side == "right"


def test_a_tokenizer_that_cannot_pad_is_refused(folder):
    edit(folder / "tokenizer_config.json", pad_token=None, unk_token=None)
    with pytest.raises(CandidateError, match="no pad token"):
        load_tokenizer(str(folder))


def test_a_decoder_classifies_the_last_token_before_the_padding(tmp_path):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shutil.copytree(TINY_BERT, tmp_path, dirs_exist_ok=True)
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=384,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            pad_token_id=None,
        )
    ).save_pretrained(tmp_path)
    model = TASK.build(str(tmp_path), LABELS, {}, False).eval()
    tokenizer = load_tokenizer(str(tmp_path))
    rows = TASK.encode({"text": ["short", "a text of some more words"]}, tokenizer, 32, LABELS)
    items = [{name: values[row] for name, values in rows.items()} for row in (0, 1)]
    collate = TASK.collator(tokenizer)
    with torch.no_grad():
        together, alone = model(**collate(items)).logits, model(**collate(items[:1])).logits
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-4)


def test_a_saved_tokenizer_tells_nothing_of_where_it_was_loaded(tmp_path):
    load_tokenizer(str(TINY_BERT)).save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert not {"is_local", "local_files_only", "name_or_path"} & set(saved)


@pytest.mark.slow
def test_the_usage_gives_what_the_model_gives(tmp_path, capsys):
    TASK.build(str(TINY_BERT), LABELS, {}, False).save_pretrained(tmp_path)
    load_tokenizer(str(TINY_BERT)).save_pretrained(tmp_path)
    exec(compile(TASK.usage(str(tmp_path), 16), "usage", "exec"), {})
    assert "'label'" in capsys.readouterr().out


def test_a_folder_without_tokenizer_files_is_refused(folder):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(CandidateError, match="no vocabulary"):
        load_tokenizer(str(folder))


PAIRED = {
    "text": ["a cat sleeps", "a cat sleeps", "it is late " * 9],
    "text_pair": ["an animal rests", "no animal rests", "it is late"],
    "label": ["yes", "no", "maybe"],
}


def test_a_pair_is_encoded_as_the_tokenizer_has_it_and_its_longer_text_is_cut():
    tokenizer = load_tokenizer(str(TINY_BERT))
    rows = TASK.encode(PAIRED, tokenizer, 24, LABELS)
    alone = TASK.encode({"text": PAIRED["text"]}, tokenizer, 24, LABELS)
    expected = tokenizer(PAIRED["text"][0], PAIRED["text_pair"][0], truncation=True, max_length=24)
    assert rows["input_ids"][0] == expected["input_ids"]
    assert rows["input_ids"][0] != alone["input_ids"][0]
    cut = tokenizer.decode(rows["input_ids"][2])
    assert len(rows["input_ids"][2]) == 24
    assert "it is late" in cut.split("[SEP]")[1]


def test_the_floor_reads_both_texts_each_by_itself():
    import numpy as np

    words = ["red", "blue"]
    first = [words[row % 2] for row in range(40)]
    second = [words[row // 2 % 2] for row in range(40)]
    pairs = list(zip(first, second, strict=True))
    meaning = {("red", "blue"): "yes", ("blue", "red"): "no"}
    labels = [meaning.get(pair, "maybe") for pair in pairs]
    train = {"text": first, "text_pair": second, "label": labels}
    found = TASK.floor(train, {"again": train}, LABELS, seed=0)["again"]
    right = [LABELS[code] == label for code, label in zip(found.argmax(1), labels, strict=True)]
    assert np.mean(right) > 0.7
    swapped = {**train, "text": second, "text_pair": first}
    other = TASK.floor(train, {"again": swapped}, LABELS, seed=0)["again"]
    asymmetric = [row for row in range(40) if first[row] != second[row]]
    assert (found[asymmetric].argmax(1) != other[asymmetric].argmax(1)).all()


def test_the_usage_shows_a_pair_where_the_data_had_pairs():
    assert "text_pair" not in TASK.usage("acme/model", 16)
    assert "text_pair" in TASK.usage("acme/model", 16, ("text", "text_pair", "label"))


@pytest.mark.slow
def test_the_usage_of_pairs_gives_what_the_model_gives(tmp_path, capsys):
    TASK.build(str(TINY_BERT), LABELS, {}, False).save_pretrained(tmp_path)
    load_tokenizer(str(TINY_BERT)).save_pretrained(tmp_path)
    code = TASK.usage(str(tmp_path), 16, ("text", "text_pair"))
    exec(compile(code, "usage", "exec"), {})
    assert "'label'" in capsys.readouterr().out
