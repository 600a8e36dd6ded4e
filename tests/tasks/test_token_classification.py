"""Tokens, texts and spans are read, mended or refused; long texts lose no word; answers are
the entities that transformers' own pipeline finds."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl import tasks
from automl.data.load import load_data
from automl.errors import CandidateError, DataError
from automl.serving.batch import label
from automl.serving.predict import Predictor
from automl.serving.rows import Row
from automl.tasks import Malformed, _tagging
from automl.tasks._text import IGNORED, load_tokenizer
from automl.tasks._words import joined, parted
from tests.data.samples import recipe_in
from tests.tasks import bundles
from tests.tasks.samples import TINY_BERT

TASK = tasks.get("token-classification")
LABELS = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")
TEXT = "Ada Lovelace, of London's St. James Sq., wrote notes; Babbage (1791-1871) didn't."


def _word_piece(folder: Path) -> Path:
    """The tiny model's weights under a WordPiece tokenizer that knows letters and a few words."""
    from transformers import BertTokenizer

    signs = [*string.ascii_lowercase, *string.digits]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *signs, *(f"##{each}" for each in signs)]
    words += [*string.punctuation, "of", "london", "notes", "##bage"]
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((TINY_BERT / name).read_bytes())
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer(str(TINY_BERT))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = _word_piece(tmp_path_factory.mktemp("word-piece"))
    folder = tmp_path_factory.mktemp("tagger") / "bundle"
    return bundles.write(TASK.name, folder, LABELS, {"tokens": "words", "tags": "ner"}, model, 64)


@pytest.fixture(scope="module")
def predictor(bundle: Path) -> Predictor:
    return Predictor(bundle, "cpu")


def _prepared(**columns: Any) -> Any:
    assert TASK.prepare is not None
    return TASK.prepare(columns)


def test_another_number_of_tags_than_of_tokens_is_named() -> None:
    found = _prepared(tokens=[["a"], ["b", "c"]], tags=[["O"], ["O"]])
    assert found.malformed == (
        Malformed(1, "tags has 1 entries, the row 2 tokens",
                  "give each token one tag, O where it has none"),
    )  # fmt: skip


def test_a_text_with_tags_is_its_words_between_spaces() -> None:
    found = _prepared(text=["EU rejects"], tags=[["B-ORG", "O"]])
    assert found.columns == {"tokens": [["EU", "rejects"]], "tags": [["B-ORG", "O"]]}


def test_tags_in_one_cell_are_parted_at_spaces() -> None:
    found = _prepared(text=["EU rejects"], tags=[["B-ORG O"]])
    assert found.columns["tags"] == [["B-ORG", "O"]]


def test_texts_with_spans_stay_texts_with_a_tag_for_each_word() -> None:
    spans = json.dumps([{"start": 0, "end": 3, "label": "PER"}])
    found = _prepared(text=["Ada wrote."], spans=[spans])
    assert found.columns == {"text": ["Ada wrote."], "tags": [["B-PER", "O", "O"]]}


def test_spans_beside_tokens_are_refused() -> None:
    (wrong,) = _prepared(tokens=[["Ada"]], spans=["[]"]).malformed
    assert "count characters of a text" in wrong.rule


def test_what_is_to_be_predicted_needs_no_tags() -> None:
    assert _prepared(tokens=[["Ada"]]).columns == {"tokens": [["Ada"]]}
    assert _prepared(text=["Ada wrote."]).columns == {"text": ["Ada wrote."]}


def test_the_first_piece_of_a_word_is_labelled_and_no_other(tokenizer: Any) -> None:
    columns = {"tokens": [["Unbelievably", "Oslo", "."]], "tags": [["O", "B-LOC", "O"]]}
    encoded = TASK.encode(columns, tokenizer, 64, LABELS)
    (row,), (words,) = encoded["labels"], encoded[_tagging.WORDS]
    assert [LABELS[each] for each in row if each != IGNORED] == ["O", "B-LOC", "O"]
    assert [word for word in words if word >= 0] == [0, 1, 2]
    assert len(row) == len(encoded["input_ids"][0]) > 5


def test_every_word_of_a_long_text_is_the_first_of_a_piece_in_some_window(tokenizer: Any) -> None:
    document = joined([f"word{place}" for place in range(200)])
    encoded = _tagging.encode([document, joined(["a"])], None, tokenizer, 16, LABELS)
    assert max(map(len, encoded["input_ids"])) <= 16
    first = [words for row, words in zip(encoded["row"], encoded["words"], strict=True) if row == 0]
    assert {word for words in first for word in words} == {-1, *range(200)}
    assert encoded["row"][-1] == 1


def test_a_word_in_two_windows_is_tagged_where_most_stands_around_it(tokenizer: Any) -> None:
    document = joined([f"w{place}" for place in range(40)])
    encoded = _tagging.encode([document], None, tokenizer, 24, LABELS)
    rows = [dict(zip(encoded, row, strict=True)) for row in zip(*encoded.values(), strict=True)]
    outputs = [
        np.asarray([[1, min(place, len(row["words"]) - 1 - place)] for place in range(24)])
        for row in rows
    ]
    (tagged,) = _tagging.decode([document], outputs, rows, LABELS)
    shared = [word for word in rows[0]["words"] if word >= 0 and word in rows[1]["words"]]
    assert shared
    for word in shared:
        around = [outputs[n][rows[n]["words"].index(word)][1] for n in (0, 1)]
        assert tagged.scores[word] == max(around)


def test_a_word_of_which_no_piece_is_left_is_tagged_all_the_same(tokenizer: Any) -> None:
    document = parted("Oslo - Rome")
    windows = [{"row": 0, "words": [-1, 0, 2, -1]}]
    (tagged,) = _tagging.decode([document], [np.asarray([[0, 1.0]] * 4)], windows, LABELS)
    assert tagged.tags == ["B-LOC", "O", "B-LOC"]
    glued = parted("Oslo-Rome")
    (tagged,) = _tagging.decode([glued], [np.asarray([[0, 1.0]] * 4)], windows, LABELS)
    assert tagged.tags == ["B-LOC", "I-LOC", "B-LOC"]


def test_rows_without_words_have_nothing_to_learn_and_are_answered(predictor: Predictor) -> None:
    tokenizer = predictor._tokenizer
    encoded = TASK.encode({"tokens": [[], ["a"]], "tags": [[], ["O"]]}, tokenizer, 16, LABELS)
    assert encoded["row"] == [1]
    assert list(predictor.predict([{"tokens": []}])) == [{"entities": []}]


def test_a_tokenizer_without_offsets_is_refused(tokenizer: Any) -> None:
    class Slow:
        is_fast = False

    with pytest.raises(CandidateError, match="where its pieces stand"):
        TASK.encode({"text": ["a"]}, Slow(), 16, LABELS)  # type: ignore[arg-type]


def test_a_tag_that_train_has_not_is_named() -> None:
    with pytest.raises(DataError, match="tag 'B-ORG' is not one of"):
        TASK.targets({"tags": [["B-ORG"]]}, LABELS)


@pytest.mark.parametrize("labels", [LABELS, ("ADJ", "DET", "NOUN", "PUNCT", "VERB")])
def test_answers_are_those_of_the_pipeline(labels: tuple[str, ...], tmp_path: Path) -> None:
    from transformers import pipeline

    (tmp_path / "model").mkdir()
    columns = {"tokens": "tokens", "tags": "tags"}
    model = _word_piece(tmp_path / "model")
    folder = bundles.write(TASK.name, tmp_path / "bundle", labels, columns, model)
    tag: Any = pipeline("token-classification", model=str(folder), aggregation_strategy="first")
    texts = ["Ada of London.", "notes; notes", "Babbage didn't."]
    for text, found in zip(texts, Predictor(folder, "cpu").predict(texts), strict=True):
        expected = tag(text)
        assert expected
        for one, other in zip(found["entities"], expected, strict=True):
            assert (one["start"], one["end"]) == (other["start"], other["end"])
            assert one["label"] == other["entity_group"]
            assert one["score"] == pytest.approx(float(other["score"]), abs=1e-5)
            assert one["text"] == text[one["start"] : one["end"]]


def test_answers_to_tokens_are_those_of_the_pipeline(bundle: Path, predictor: Predictor) -> None:
    from transformers import pipeline

    tokens = ["Ada", "of", "London", "'s", "notes", "(", "1791", ")"]
    tag: Any = pipeline("token-classification", model=str(bundle), aggregation_strategy="first")
    (found,) = predictor.predict([{"tokens": tokens}])
    joined_text = " ".join(tokens)
    assert found["entities"]
    assert all(joined_text[one["start"] : one["end"]] == one["text"] for one in found["entities"])
    plain = [(one["entity_group"], one["start"]) for one in tag(joined_text)]
    assert {(one["label"], one["start"]) for one in found["entities"]} <= set(plain)


def test_the_cards_code_runs_on_a_bundle(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for roles in ((), ("tokens", "tags")):
        exec(TASK.usage(str(bundle), 64, roles), {})
        assert "entity_group" in capsys.readouterr().out


def test_tokens_and_texts_are_found_whatever_the_bundle_was_trained_on(
    predictor: Predictor,
) -> None:
    tokens = ["Ada", "of", "London"]
    (expected,) = predictor.predict([{"tokens": tokens}])
    for columns in ({"words": tokens}, {"tokens": json.dumps(tokens)}):
        ((_, found),) = label(predictor, [Row("a.jsonl:1", columns)])
        assert found == expected
    (expected,) = predictor.predict(["Ada of London"])
    for name in ("text", "sentence"):
        ((_, found),) = label(predictor, [Row("a.csv:2", {name: "Ada of London"})])
        assert found == expected
    ((_, found),) = label(predictor, [Row("a.csv:2", {"x": "Ada of London"})], column="x")
    assert found == expected
    ((_, found),) = label(predictor, [Row("a.csv:2", {"x": tokens})], column="x")
    assert found is not None


def test_a_row_without_a_text_is_left_without_entities(predictor: Predictor) -> None:
    rows = [Row("a.csv:2", {"text": "Ada"}), Row("a.csv:3", {"text": " "})]
    assert [answer is None for _, answer in label(predictor, rows)] == [False, True]


def test_a_row_that_lacks_all_the_task_reads_is_named(predictor: Predictor) -> None:
    with pytest.raises(DataError, match="a row has no tokens nor text; it has body"):
        list(predictor.predict([{"body": "x"}]))


def test_rows_of_spans_are_read_and_a_bad_one_is_named_by_its_line(tmp_path: Path) -> None:
    rows = [
        {"text": f"Ada{n} wrote.", "spans": [{"start": 0, "end": 4, "label": "PER"}]}
        for n in range(20)
    ]
    (tmp_path / "train.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    data = load_data(recipe_in(tmp_path, train="train.jsonl"), TASK)
    assert data.plan.labels == ("B-PER", "O")
    assert data.tables["train"].column_names == ["text", "tags", "__source__"]
    assert any("spans cut a word and were widened" in note for note in data.plan.warnings)
    rows[4]["spans"] = [{"start": 0, "end": 99, "label": "PER"}]
    (tmp_path / "train.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    with pytest.raises(DataError, match=r"train\.jsonl:5: the span 0 to 99 lies outside the text"):
        load_data(recipe_in(tmp_path, train="train.jsonl"), TASK)
