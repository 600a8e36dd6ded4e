"""Fill-mask: which words are hidden, what is measured, and what becomes of the bundle."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from automl.errors import DataError
from automl.events import Finished
from automl.serving.batch import label
from automl.serving.predict import Predictor
from automl.serving.rows import Row
from automl.tasks import _masking as masking
from automl.tasks._text import IGNORED, load_tokenizer
from automl.tasks.fill_mask import TASK
from automl.worker import store
from tests.serving.test_predict_command import predict
from tests.tasks.rehearsal import rehearse
from tests.tasks.samples import CLASSES, TINY_BERT
from tests.worker.conftest import bench, data, fault, tokens
from tests.worker.conftest import rows as table_rows

__all__ = ["bench", "data", "fault", "predict", "tokens"]  # fixtures
TEXT = "Unbelievable: the train, delayed again, came at noon"


def lines(count: int) -> list[str]:
    return [f"a text about {CLASSES[n % 3]}, {CLASSES[n % 3]} and number {n}" for n in range(count)]


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(str(TINY_BERT))


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mask")
    (folder / "train.csv").write_text("text\n" + "".join(f'"{line}"\n' for line in lines(60)))
    shares = {"validation": 0.2, "test": 0.2}
    return rehearse(folder, TASK.name, TINY_BERT, {"epochs": 3}, **shares), folder / "bundle"


def windows(texts, tokenizer, length=32):
    encoded = masking.windows(texts, tokenizer, length)
    return [dict(zip(encoded, each, strict=True)) for each in zip(*encoded.values(), strict=True)]


def test_the_same_words_are_hidden_whatever_the_tokenizer(tokenizer):
    class Slow:
        """The same tokenizer as one that tells no offsets."""

        is_fast = False
        all_special_ids, unk_token_id = tokenizer.all_special_ids, tokenizer.unk_token_id
        mask_token = tokenizer.mask_token

        def __call__(self, text, **settings):
            return tokenizer(text, **settings)

    fast, slow = (masking.tokens(TEXT, one) for one in (tokenizer, Slow()))
    assert fast == slow
    spans = masking.spans(TEXT)
    chosen = {word for word, one in enumerate(masking.hidden(TEXT, len(spans))) if one}
    hidden = {w for w, one in zip(fast.words, fast.hidden, strict=True) if one}
    assert hidden == chosen != set()
    assert sum(fast.letters) == len(TEXT.replace(" ", ""))


def test_words_of_scripts_without_spaces_are_characters():
    assert [TEXT[a:b] for a, b in masking.spans(TEXT)] == TEXT.split()
    assert len(masking.spans("天気がいい")) == 5
    assert len(masking.spans("x" * 100)) == 3


@pytest.mark.parametrize("length", [5, 8, 32])
def test_long_texts_are_read_in_pieces_and_nothing_is_lost(tokenizer, length):
    text = " ".join(lines(5))
    before, after = masking.around(tokenizer)
    pieces = windows([text, "a"], tokenizer, length)
    mine = [piece for piece in pieces if piece["row"] == 0]
    assert max(len(piece["input_ids"]) for piece in pieces) <= length
    inside = [i for p in mine for i in p["input_ids"][len(before) : -len(after)]]
    assert inside == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert len(mine) > (length < 32)
    assert sum(sum(piece["letters"]) for piece in mine) == len(text.replace(" ", ""))


def shown(collate, rows):
    batch = collate(rows)
    return batch["input_ids"].numpy(), batch["labels"].numpy()


def test_for_judging_hidden_tokens_are_masks_and_always_the_same(tokenizer):
    rows = windows(lines(6), tokenizer)
    collate = TASK.collator(tokenizer)
    ids, labels = shown(collate, rows)
    hidden = labels != IGNORED
    assert hidden.any(axis=1).all()
    assert (ids[hidden] == tokenizer.mask_token_id).all()
    again, _ = shown(TASK.collator(tokenizer), rows[::-1])
    assert (again[::-1] == ids).all()


def test_for_training_they_depend_on_seed_epoch_and_row_alone(tokenizer):
    rows = windows(lines(12), tokenizer)
    one, other = (TASK.training_collator(tokenizer, 7, {"mask_share": 0.3}) for _ in range(2))
    first = shown(one, rows)
    assert all((a == b).all() for a, b in zip(first, shown(other, rows), strict=True))
    alone = shown(other, rows[3:4])[0][0]
    assert (alone == first[0][3][: len(alone)]).all()
    other.epoch = 1
    assert not (shown(other, rows)[1] == first[1]).all()
    moved = TASK.training_collator(tokenizer, 8, {"mask_share": 0.3})
    assert not (shown(moved, rows)[1] == first[1]).all()


def test_whole_words_are_hidden_together(tokenizer):
    rows = windows([TEXT] * 1, tokenizer)
    words = np.asarray(rows[0]["words"])
    collate = TASK.training_collator(tokenizer, 0, {"whole_words": True, "mask_share": 0.3})
    for collate.epoch in range(20):
        hidden = shown(collate, rows)[1][0] != IGNORED
        for word in set(words[hidden]):
            assert hidden[words == word].all()
        assert (words[hidden] != masking.NO_WORD).all()


def test_about_the_share_is_hidden_and_four_fifths_of_that_as_masks(tokenizer):
    rows = windows([" ".join(lines(60))], tokenizer, 100_000)
    ids, labels = shown(TASK.training_collator(tokenizer, 0, {"mask_share": 0.4}), rows)
    hidden = labels != IGNORED
    assert hidden.mean() == pytest.approx(0.4, abs=0.02)
    assert (ids[hidden] == tokenizer.mask_token_id).mean() == pytest.approx(0.8, abs=0.06)
    assert (ids[hidden] == labels[hidden]).mean() == pytest.approx(0.1, abs=0.05)


def test_bits_are_by_the_letters_of_the_hidden_words():
    worth = np.float32([[math.log(2) * 12, 3, 1, 2, 1, 6], [0, 1, 1, 1, 1, 3]])
    found = TASK.score(worth, None, ())
    assert found["bits_per_character"] == pytest.approx(12 / 9)
    assert found["token_accuracy"] == pytest.approx(2 / 4)
    assert found["word_accuracy"] == pytest.approx(2 / 3)
    assert found["perplexity"] == pytest.approx(2**3)


def test_a_word_in_two_pieces_is_guessed_where_all_of_it_is():
    rows = [{"row": 0, "asked": -1, "hidden": [1], "words": [0], "letters": [n]} for n in (5, 0)]
    said = [
        (np.float32([1.0]), np.array([hit]), np.array([1]), np.ones(1)) for hit in (True, False)
    ]
    (worth,) = TASK.decode(said, rows, {"text": ["whole"]}, None, ())
    assert worth.tolist() == [2, 2, 1, 1, 0, 5]


def test_the_floor_is_a_distribution_over_words():
    train = {"text": lines(30)}
    found = masking.guesses(train["text"], {"same": lines(30), "new": ["xyzzy plugh"]})
    same, new = (TASK.score(worth, None, ()) for worth in found.values())
    assert same["bits_per_character"] < new["bits_per_character"]
    assert new["word_accuracy"] == 0
    words = {word for line in train["text"] for word in line.casefold().split()}
    seen = masking.guesses(train["text"], {"w": sorted(words)})["w"][:, 0]
    assert np.exp(-seen).sum() < 1


@pytest.mark.slow
def test_training_helps_and_all_is_said_of_it(rehearsed):
    delivery, bundle = rehearsed
    after, before = delivery.score.splits["test"], delivery.untrained.splits["test"]
    assert after.metrics["bits_per_character"] < before.metrics["bits_per_character"]
    assert set(after.metrics) == {metric.name for metric in TASK.metrics}
    card = (bundle / "README.md").read_text()
    assert "Before training" in card
    assert "| Text | True | Score |" in card


@pytest.mark.slow
def test_the_bundle_fills_a_mask_as_the_pipeline_of_its_card_does(rehearsed, predict, capsys):
    _, bundle = rehearsed
    from transformers import pipeline

    (line,) = predict(bundle, "--text", "a [MASK] about beta", "--top", "3").stdout.splitlines()
    found = json.loads(line)
    fill = pipeline("fill-mask", model=str(bundle))
    theirs = fill("a [MASK] about beta")[:3]
    assert [each["token_str"] for each in theirs] == list(found["scores"])
    assert found["token"] == theirs[0]["token_str"]
    assert list(found["scores"].values()) == pytest.approx([e["score"] for e in theirs], abs=1e-5)
    exec(compile(TASK.usage(str(bundle), 32), "usage", "exec"), {})
    assert "token_str" in capsys.readouterr().out
    written = predict(bundle, "-", "--format", "csv", "--top", "2", stdin="a <mask>\n").stdout
    assert written.splitlines()[0] == "text,token,score,token_2,score_2"


@pytest.mark.slow
def test_a_text_without_a_mask_or_with_several_is_refused(rehearsed):
    predictor = Predictor(rehearsed[1], "cpu")
    with pytest.raises(DataError, match="the text has no mask"):
        list(predictor.predict(["a text"]))
    with pytest.raises(DataError, match="several masks"):
        list(predictor.predict(["a [MASK] about [MASK]"]))


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_the_row_of_a_file_that_lacks_a_mask_is_named(rehearsed, batch_size):
    texts = ["a [MASK]", " ", "the [MASK]", "one [MASK]", "none"]
    rows = [Row(f"a.csv:{line}", {"text": text}) for line, text in enumerate(texts, 2)]
    with pytest.raises(DataError) as caught:
        list(label(Predictor(rehearsed[1], "cpu"), rows, batch_size=batch_size))
    (problem,) = caught.value.problems
    assert problem.message.startswith("a.csv:6: the text has no mask")
    assert problem.hint == "write [MASK] where the one word is missing"


@pytest.mark.slow
def test_masks_in_the_data_take_no_part(rehearsed, tokenizer):
    model = Predictor(rehearsed[1], "cpu")._model.requires_grad_(False)
    columns = {"text": ["a [MASK] about [MASK]", *lines(3)]}
    rows = store.rows(TASK.encode(columns, tokenizer, 32, ()))
    batch = TASK.collator(tokenizer)([rows[n] for n in range(len(rows))])
    said = TASK.decode(TASK.infer(model, batch), rows, columns, tokenizer, ())
    plain = store.rows(TASK.encode({"text": lines(3)}, tokenizer, 32, ()))
    batch = TASK.collator(tokenizer)([plain[n] for n in range(len(plain))])
    alone = TASK.decode(TASK.infer(model, batch), plain, {"text": lines(3)}, tokenizer, ())
    assert TASK.score(said, None, ()) == pytest.approx(TASK.score(alone, None, ()), rel=1e-4)


@pytest.mark.slow
def test_the_bundle_is_a_candidate_of_another_task(rehearsed, tmp_path):
    from safetensors.torch import load_file

    _, bundle = rehearsed
    rows = "".join(f'"{line}",{CLASSES[n % 3]}\n' for n, line in enumerate(lines(60)))
    (tmp_path / "train.csv").write_text(f"text,label\n{rows}")
    shares = {"validation": 0.2, "test": 0.2}
    still = {"learning_rate": 1e-12, "head_init": "random"}
    delivery = rehearse(tmp_path, "text-classification", bundle, still, **shares)
    assert 0 <= delivery.score.splits["test"].metrics["accuracy"] <= 1
    name = "bert.encoder.layer.0.output.dense.weight"
    before, after = (
        load_file(folder / "model.safetensors")[name] for folder in (bundle, tmp_path / "bundle")
    )
    assert before.allclose(after, atol=1e-6)


@pytest.mark.slow
def test_a_trial_paused_in_the_middle_of_an_epoch_ends_as_an_unbroken_one(bench, fault, tokenizer):
    """Its texts are read in pieces: an epoch is all of them."""
    bare = replace(bench.spec, task=TASK.name, metric="bits_per_character")
    one = replace(bench, spec=replace(bare, data=replace(bare.data, labels=(), max_length=16)))
    unbroken, paused = one.trial("unbroken"), one.trial("paused")
    assert one.run(unbroken) == 0
    fault("pause@step=3;pause@step=8")
    for _ in range(3):
        assert one.run(paused) == 0
    end = one.events(paused)[-1]
    assert isinstance(end, Finished)
    pieces = len(windows(table_rows(43)["text"], tokenizer, 16))
    assert pieces > 60
    assert end.step == 3 * math.ceil(pieces / 8)
    assert one.scores(paused) == one.scores(unbroken)
    weights = [(each.best / "model.safetensors").read_bytes() for each in (paused, unbroken)]
    assert weights[0] == weights[1]


def test_a_tokenizer_without_a_mask_is_refused(tmp_path):
    from types import SimpleNamespace

    from automl.errors import CandidateError

    bare = SimpleNamespace(mask_token_id=None, mask_token=None, pad_token_id=0)
    with pytest.raises(CandidateError, match="no mask token"):
        TASK.collator(bare)
