"""Text generation: what is learnt of a row, in what pieces, and that a bundle answers alike."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from automl import tasks
from automl.errors import CandidateError, DataError
from automl.tasks import _causal
from automl.tasks._text import IGNORED, load_tokenizer
from automl.worker.store import rows as stored
from tests.fixtures import tiny_decoder
from tests.tasks.samples import TINY_BERT

TASK = tasks.get("text-generation")
TALK = [
    {"role": "user", "content": "one?"},
    {"role": "assistant", "content": "it is 1"},
    {"role": "user", "content": "two?"},
    {"role": "assistant", "content": "it is 2"},
]
MARKED = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] }}"
    "{% endgeneration %}</s>{% else %}[{{ m['content'] }}]{% endif %}{% endfor %}"
)


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def path(request, tmp_path_factory):
    return tiny_decoder.make(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture
def tokenizer(path):
    return load_tokenizer(str(path))


@pytest.fixture(scope="module")
def model(path):
    return TASK.build(str(path), (), {}, False).eval()


def told(tokenizer, ids, labels):
    """The text of the tokens that are learnt."""
    return tokenizer.decode([i for i, label in zip(ids, labels, strict=True) if label >= 0])


def test_of_a_conversation_every_turn_of_the_assistant_is_learnt_and_its_end(tokenizer):
    encoded = TASK.encode({"messages": [json.dumps(TALK)]}, tokenizer, 128, ())
    assert (
        told(tokenizer, encoded["input_ids"][0], encoded["labels"][0]) == "it is 1</s>it is 2</s>"
    )
    assert encoded["turns"] == [2]
    assert encoded["bytes"] == [14]


def test_what_a_template_marks_as_generated_is_learnt(tokenizer):
    tokenizer.chat_template = MARKED
    encoded = TASK.encode({"messages": [json.dumps(TALK)]}, tokenizer, 128, ())
    assert told(tokenizer, encoded["input_ids"][0], encoded["labels"][0]) == "it is 1it is 2"


def test_a_tokenizer_that_tells_no_places_learns_the_same(tokenizer, monkeypatch):
    (fast,) = _causal.conversation_tokens(tokenizer, TALK)
    monkeypatch.setattr(type(tokenizer), "is_fast", False)
    (slow,) = _causal.conversation_tokens(tokenizer, TALK)
    assert told(tokenizer, fast.ids, fast.labels) == told(tokenizer, slow.ids, slow.labels)


def test_alpacas_columns_are_a_question_with_more_and_its_answer(tokenizer):
    columns = {"prompt": ['"Add."'], "input": ['"1, 2"'], "completion": ['"3"']}
    assert not TASK.prepare(columns).malformed
    encoded = TASK.encode(columns, tokenizer, 128, ())
    assert "User:\nAdd.\n\n1, 2\nAssistant:\n3" in tokenizer.decode(encoded["input_ids"][0])
    assert told(tokenizer, encoded["input_ids"][0], encoded["labels"][0]) == "3</s>"


def test_a_long_text_becomes_windows_in_which_every_token_is_learnt_once(tokenizer):
    text = "the cat is looking at the house today. " * 8
    whole = _causal.text_tokens(tokenizer, text)
    encoded = TASK.encode({"text": ["short", text]}, tokenizer, 16, ())
    mine = [at for at, row in enumerate(encoded["row"]) if row == 1]
    assert len(mine) > 2
    learnt = [label for at in mine for label in encoded["labels"][at] if label != IGNORED]
    assert learnt == list(whole.ids[1:])
    assert [encoded["bytes"][at] for at in mine] == [len(text)] + [0] * (len(mine) - 1)
    assert max(map(len, encoded["input_ids"])) == 16
    assert whole.ids[-1] == tokenizer.eos_token_id


def test_a_long_conversation_keeps_its_answer_and_counts_what_it_kept(tokenizer):
    long = [{"role": "user", "content": "why " * 60}, {"role": "assistant", "content": "because"}]
    encoded = TASK.encode({"messages": [json.dumps(long)]}, tokenizer, 24, ())
    assert told(tokenizer, encoded["input_ids"][0], encoded["labels"][0]) == "because</s>"
    assert encoded["bytes"] == [len("because")]


def test_predictions_are_sums_over_all_windows_of_a_row(tokenizer, model):
    text = "the cat is looking at the house today. " * 3
    rows = stored(TASK.encode({"text": [text, "a"]}, tokenizer, 128, ()))
    batch = TASK.collator(tokenizer)([rows[0], rows[1]])
    said = TASK.decode(TASK.infer(model, batch), rows, {"text": [text, "a"]}, tokenizer, ())
    nats, tokens, _, size = said[0]
    assert tokens == len(_causal.text_tokens(tokenizer, text).ids) - 1
    assert size == len(text)
    pair = TASK.score(said, None, ())
    assert pair["bits_per_byte"] == pytest.approx(
        said[:, 0].sum() / (len(text) + 1) / math.log(2), rel=1e-5
    )
    assert pair["perplexity"] == pytest.approx(math.exp(pair["loss"]))
    assert nats / tokens == pytest.approx(math.log(tiny_decoder.VOCABULARY), rel=0.05)


def test_the_loss_is_the_models_own_where_all_is_learnt(tokenizer, model):
    import torch

    rows = stored(TASK.encode({"text": ["the cat", "a small dog is"]}, tokenizer, 128, ()))
    batch = TASK.collator(tokenizer)([rows[0], rows[1]])
    given = {name: batch[name] for name in ("input_ids", "attention_mask", "labels")}
    with torch.no_grad():
        torch.testing.assert_close(TASK.loss(model, batch), model(**given).loss)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"messages": ["[]"]}, "messages has no messages"),
        ({"messages": [json.dumps(TALK[:3])]}, "ends with the user's turn"),
        ({"prompt": ['""'], "completion": ['"x"']}, "prompt is empty"),
        ({"prompt": ['"x"'], "completion": ['" "']}, "completion is empty"),
    ],
)
def test_a_row_that_cannot_be_learnt_is_malformed(columns, said):
    (found,) = TASK.prepare(columns).malformed
    assert found.row == 0
    assert said in found.rule
    assert found.hint


def test_a_model_that_reads_both_ways_is_refused(tmp_path):
    import shutil

    from transformers import BertConfig, BertLMHeadModel

    shutil.copytree(TINY_BERT, tmp_path, dirs_exist_ok=True)
    BertLMHeadModel(BertConfig.from_pretrained(TINY_BERT)).save_pretrained(tmp_path)
    with pytest.raises(CandidateError, match="from both sides"):
        TASK.build(str(tmp_path), (), {}, False)


def test_a_model_without_its_head_is_refused(path, tmp_path):
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(path)
    model.config.tie_word_embeddings = False
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(path).save_pretrained(tmp_path)
    with pytest.raises(CandidateError, match=r"1 of its weights are missing.*lm_head"):
        TASK.build(str(tmp_path), (), {}, False)


def test_it_generates_no_further_than_the_data_and_stops_where_answers_end(path, tokenizer):
    model = TASK.build(str(path), (), {}, False)
    rows = stored(TASK.encode({"messages": [json.dumps(TALK)] * 9}, tokenizer, 128, ()))
    TASK.begin(model, tokenizer, rows)
    settings = model.generation_config
    assert settings.max_new_tokens % 8 == 0
    assert settings.max_new_tokens < 64
    assert settings.do_sample is False
    assert settings.eos_token_id == [tokenizer.eos_token_id]
    assert tokenizer.chat_template


@pytest.mark.parametrize("asked", [{"text": "the cat"}, {"messages": TALK[:3]}])
def test_a_bundle_answers_as_the_pipeline_does(path, tokenizer, tmp_path, asked):
    from transformers import pipeline

    model = TASK.build(str(path), (), {}, False).eval()
    ((role, given),) = asked.items()
    learnt = {"text": ["the cat is"]} if role == "text" else {"messages": [json.dumps(TALK)]}
    TASK.begin(model, tokenizer, stored(TASK.encode(learnt, tokenizer, 64, ())))
    model.generation_config.max_new_tokens = 8
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    (mine,) = TASK.respond(model, tokenizer, {role: [given]}, 128)
    generate = pipeline("text-generation", model=str(tmp_path), tokenizer=str(tmp_path))
    assert generate(given, return_full_text=False)[0]["generated_text"] == mine
    assert mine


def test_answers_do_not_depend_on_what_is_answered_beside_them(path, tokenizer):
    model = TASK.build(str(path), (), {}, False).eval()
    texts = ["the cat", "a small dog is looking at the house"]
    TASK.begin(model, tokenizer, stored(TASK.encode({"text": texts}, tokenizer, 64, ())))
    model.generation_config.max_new_tokens = 6
    both = TASK.respond(model, tokenizer, {"text": texts}, 128)
    assert both == [TASK.respond(model, tokenizer, {"text": [text]}, 128)[0] for text in texts]


def test_a_conversation_that_has_its_answer_cannot_be_answered(tokenizer, model):
    with pytest.raises(DataError, match="nothing to answer"):
        TASK.respond(model, tokenizer, {"messages": [TALK]}, 128)


def test_the_floor_predicts_answers_after_their_questions():
    columns = {"messages": [json.dumps(TALK)] * 4}
    found = TASK.floor(columns, {"test": columns}, (), 0)["test"]
    assert found.shape == (4, 4)
    np.testing.assert_allclose(found[:, 3], 14)
    assert TASK.score(found, None, ())["bits_per_byte"] < 3
