"""Conversations as data has them, and where in a template's text the assistant speaks."""

from __future__ import annotations

import json

import pytest

from automl.errors import CandidateError
from automl.tasks import _chat
from automl.tasks._chat import Misfit
from tests.fixtures import tiny_decoder

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
STRICT = (
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}[{{ message['content'] }}]{% endfor %}"
)
FORGETFUL = (
    "{% for message in messages %}{% if message['role'] == 'user' %}U:{{ message['content'] }}\n"
    "{% elif loop.last %}A:<think></think>{{ message['content'] }}</s>"
    "{% else %}A:{{ message['content'] }}</s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}A:{% endif %}"
)
TALK = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "one?"},
    {"role": "assistant", "content": "1"},
    {"role": "user", "content": "two?"},
    {"role": "assistant", "content": "2"},
]


@pytest.fixture
def tokenizer(tmp_path):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_decoder.make(tmp_path))


def spoken(tokenizer, conversation, template=None):
    """What the spans of each rendered text hold."""
    tokenizer.chat_template = template
    return [
        [each.text[begins:ends] for begins, ends in each.spans]
        for each in _chat.rendered(tokenizer, conversation)
    ]


def test_a_text_is_a_turn_of_the_speaker_it_stands_for():
    assert _chat.messages('"hello"', "prompt") == [{"role": "user", "content": "hello"}]
    assert _chat.messages("[not json", "completion", "assistant") == [
        {"role": "assistant", "content": "[not json"}
    ]


def test_share_gpts_names_and_content_in_parts_are_understood():
    found = [
        {"from": "human", "value": "hi"},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"text": "b"}]},
    ]
    assert _chat.messages(json.dumps(found), "messages") == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "ab"},
    ]


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ("[]", "messages has no messages"),
        ('""', "messages is empty"),
        ("3", "neither a text nor a list of messages"),
        ('[{"role": "bot", "content": "x"}]', "message 1 has the role 'bot', which is not one of"),
        ('[{"role": "user", "content": " "}]', r"message 1 \(user\) has no text"),
        ('["x"]', "message 1 is no object"),
    ],
)
def test_what_is_no_conversation_is_named_with_its_message(stored, said):
    value = 3 if stored == "3" else stored
    with pytest.raises(Misfit, match=said) as raised:
        _chat.messages(value, "messages")
    assert raised.value.hint


def test_a_conversation_to_learn_ends_with_the_assistant_one_to_answer_does_not():
    with pytest.raises(Misfit, match="ends with the user's turn"):
        _chat.answered(TALK[:2], "messages")
    with pytest.raises(Misfit, match="nothing to answer"):
        _chat.asked(TALK, "messages")


def test_every_turn_of_the_assistant_is_found_under_the_default_template(tokenizer):
    (found,) = spoken(tokenizer, TALK)
    assert found == ["1</s>", "2</s>"]
    (whole,) = _chat.rendered(tokenizer, TALK)
    assert whole.text == (
        "<s>System:\nBe short.\nUser:\none?\nAssistant:\n1</s>\nUser:\ntwo?\nAssistant:\n2</s>"
    )


def test_turns_that_close_with_a_mark_of_their_own_keep_it(tokenizer):
    assert spoken(tokenizer, TALK, CHATML) == [["1<|im_end|>", "2<|im_end|>"]]


def test_a_template_that_rewrites_earlier_turns_gives_a_text_for_each(tokenizer):
    found = spoken(tokenizer, TALK[1:], FORGETFUL)
    assert found == [["<think></think>1</s>"], ["<think></think>2</s>"]]
    texts = [each.text for each in _chat.rendered(tokenizer, TALK[1:])]
    assert texts[1] == "U:one?\nA:1</s>U:two?\nA:<think></think>2</s>"


def test_a_template_that_refuses_says_which_conversation_and_what_to_do(tokenizer):
    tokenizer.chat_template = STRICT
    with pytest.raises(CandidateError, match="Roles must alternate") as raised:
        _chat.rendered(tokenizer, TALK)
    said = str(raised.value)
    assert "system, user" in said
    assert "'Be short.'" in said
    assert "join turns of one role" in said
