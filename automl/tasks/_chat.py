"""Conversations: read from whatever form data has them in, checked, and put through a template.

A conversation is a list of messages, each a ``role`` and its ``content``. Knows no model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl.errors import CandidateError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Message = dict[str, str]
ASSISTANT, USER = "assistant", "user"
ROLES = ("system", "developer", USER, ASSISTANT, "tool")
_SHAREGPT = {"human": USER, "gpt": ASSISTANT}
"""Names of ShareGPT's data for the speakers, under ``from`` beside ``value``."""
DEFAULT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ message['role'] | capitalize + ':\\n' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:\\n' }}{% endif %}"
)
"""For tokenizers without one: ``User:``, a line break, what was said, a line break; an assistant's
turn ends in the end token."""
_SHOWN = 60


class Misfit(Exception):
    """What makes a value no conversation: ``rule`` and, where one can be typed, ``hint``."""

    def __init__(self, rule: str, hint: str | None = None) -> None:
        self.rule, self.hint = rule, hint
        super().__init__(rule)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A conversation as text, and where in it the assistant speaks: from, to (characters)."""

    text: str
    spans: tuple[tuple[int, int], ...]


def value(stored: Any) -> Any:
    """Return what a stored value says: JSON text is read, any other text is itself."""
    if isinstance(stored, str) and stored.lstrip()[:1] in ("[", "{", '"'):
        with suppress(json.JSONDecodeError):
            return json.loads(stored)
    return stored


def messages(stored: Any, name: str, speaker: str = USER) -> list[Message]:
    """Return the conversation under role ``name``; a plain text is one message of ``speaker``.

    Raises Misfit for what is empty, is no list of messages, or has a role that is not known.
    """
    found = value(stored)
    if isinstance(found, str):
        if not found.strip():
            raise Misfit(f"{name} is empty", "fill it in, or remove the row")
        return [{"role": speaker, "content": found}]
    if isinstance(found, dict):
        found = found.get("messages", [found])
    if not isinstance(found, list):
        raise Misfit(f"{name} is neither a text nor a list of messages: {_short(found)}", _FORM)
    if not found:
        raise Misfit(f"{name} has no messages", "remove the row")
    return [_message(each, name, number) for number, each in enumerate(found, 1)]


_FORM = 'write [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]'


def _message(found: Any, name: str, number: int) -> Message:
    if not isinstance(found, Mapping):
        raise Misfit(f"{name}: message {number} is no object: {_short(found)}", _FORM)
    role = found.get("role", _SHAREGPT.get(str(found.get("from")), found.get("from")))
    content = found.get("content", found.get("value"))
    if role not in ROLES:
        known = ", ".join(ROLES)
        raise Misfit(f"{name}: message {number} has the role {role!r}, which is not one of {known}",
                     'write {"role": "user", ...} or {"role": "assistant", ...}')  # fmt: skip
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    if not isinstance(content, str) or not (content.strip() or role == "system"):
        raise Misfit(f"{name}: message {number} ({role}) has no text", "remove it, or the row")
    return {"role": str(role), "content": content}


def answered(conversation: Sequence[Message], name: str) -> list[Message]:
    """Return the conversation, which must end with the assistant; Misfit where it does not."""
    if conversation[-1]["role"] != ASSISTANT:
        raise Misfit(
            f"{name} ends with the {conversation[-1]['role']}'s turn: there is no answer to learn",
            "remove what follows the assistant's last turn, or the row",
        )
    return list(conversation)


def asked(conversation: Sequence[Message], name: str) -> list[Message]:
    """Return the conversation, which must not end with the assistant; Misfit where it does."""
    if conversation[-1]["role"] == ASSISTANT:
        raise Misfit(
            f"{name} ends with the assistant's turn: there is nothing to answer",
            "leave its last turn away",
        )
    return list(conversation)


def template(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the tokenizer's own template, else the default."""
    own = getattr(tokenizer, "chat_template", None)
    if isinstance(own, Mapping):
        own = own.get("default")
    return str(own) if own else DEFAULT_TEMPLATE


def render(
    tokenizer: PreTrainedTokenizerBase, conversation: Sequence[Message], *, ask: bool = False
) -> str:
    """Return the conversation as text; ``ask`` opens the assistant's turn at its end.

    Raises CandidateError naming the conversation where the model's template refuses it.
    """
    try:
        text: str = tokenizer.apply_chat_template(
            list(conversation),
            chat_template=template(tokenizer),
            tokenize=False,
            add_generation_prompt=ask,
        )
    except Exception as error:  # the template is someone else's: whatever it raises is the reason
        turns = ", ".join(each["role"] for each in conversation)
        raise CandidateError(
            f"its chat template refuses a conversation of {turns} that begins with "
            f"{_short(conversation[0]['content'])}: {_short(str(error))}; join turns of one role, "
            "and leave away roles that it does not know"
        ) from error
    return text


def rendered(tokenizer: PreTrainedTokenizerBase, conversation: Sequence[Message]) -> list[Rendered]:
    """Return the conversation as one text; as one a turn where its template rewrites earlier turns.

    Where the assistant speaks is found by what the text gains with each of its turns: templates
    seldom mark it. A template that renders earlier turns otherwise than last ones (leaving out
    thoughts, say) gives a text for each turn, as the model will meet it.
    """
    turns = [
        last_turn(tokenizer, conversation[: number + 1])
        for number, message in enumerate(conversation)
        if message["role"] == ASSISTANT
    ]
    whole = turns[-1].text
    if not all(whole.startswith(turn.text) for turn in turns):
        return turns
    return [Rendered(whole, tuple(span for turn in turns for span in turn.spans))]


def last_turn(tokenizer: PreTrainedTokenizerBase, conversation: Sequence[Message]) -> Rendered:
    """Return the conversation as text up to the end of its last turn, and where that one stands."""
    before = render(tokenizer, conversation[:-1], ask=True) if len(conversation) > 1 else ""
    whole = render(tokenizer, conversation)
    begins = agreeing(before, whole)
    ends = _end(whole, begins, tokenizer.eos_token)
    return Rendered(whole[:ends], ((begins, ends),))


def agreeing(one: str, other: str) -> int:
    """Return how many characters the two begin with alike."""
    if other.startswith(one):
        return len(one)
    return next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )


def _end(text: str, begins: int, end_token: str | None) -> int:
    """Return where a turn ends: after its end token where there is one, blanks after it left out.

    Blanks after another closing mark (``<|im_end|>``) are left out as well.
    """
    found = text.rfind(end_token, begins) if end_token else -1
    if end_token and found >= 0 and not text[found + len(end_token) :].strip():
        return found + len(end_token)
    return begins + len(text[begins:].rstrip()) if text[begins:].strip() else len(text)


def read(columns: Mapping[str, Sequence[Any]], *roles: str) -> Iterator[tuple[Any, ...]]:
    """Yield each row's stored values of ``roles``; None where there is no such column."""
    count = len(next(iter(columns.values())))
    return zip(*(columns.get(role, [None] * count) for role in roles), strict=True)


def stored(conversation: Sequence[Message]) -> str:
    """Return the conversation as the text it is stored as."""
    return json.dumps(list(conversation), ensure_ascii=False, sort_keys=True)


def _short(found: Any) -> str:
    text = repr(found)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
