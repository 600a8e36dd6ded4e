"""Shapes of tasks that write: summaries, translations, what follows a text, turns of a chat."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, create_model
from typing_extensions import TypedDict

from automl.serving.server.batching import Answer, Row
from automl.serving.server.refusals import Refused
from automl.serving.server.shapes._made import (
    Asked,
    Body,
    NoParameters,
    Shape,
    Text,
    one_or_several,
    row,
)
from automl.serving.server.shapes.texts import number

EXAMPLE = "Write a poem about a parcel."


class Generated(TypedDict):
    """What was written."""

    generated_text: str


class Writing(Body):
    """How it is written stands in the bundle's generation_config.json."""

    return_full_text: bool | None = None
    details: Literal[False] | None = None


class TextPart(Body):
    """A part of a turn: words."""

    type: Literal["text"]
    text: Text


class Link(Body):
    """Where a picture is."""

    url: Text = Field(description="A data: URL; others are not followed.")


class PicturePart(Body):
    """A part of a turn: a picture."""

    type: Literal["image_url"]
    image_url: Link


Parts = Annotated[list[TextPart | PicturePart], Field(min_length=1)]


class Message(Body):
    """A turn of a conversation; its content may be parts, of texts and of one picture."""

    role: Literal["system", "user", "assistant"]
    content: Text | Parts


class Said(TypedDict):
    """The turn that was written."""

    role: Literal["assistant"]
    content: str


class Alternative(TypedDict):
    """The only one of one."""

    index: int
    message: Said
    finish_reason: Literal["stop"]


class Usage(TypedDict):
    """Tokens: of the turns given, without what the template adds, and of the one written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(TypedDict):
    """A turn, as chat completions have it."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[Alternative]
    usage: Usage


def _written(key: str) -> Callable[[Asked], Shape]:
    says: Any = TypedDict(f"Written_{key}", {key: str})  # type: ignore[misc]
    return lambda asked: one_or_several(
        asked, lambda answer, parameters: {key: answer[key]}, says, nested=True, of=Text
    )


def _follows(asked: Asked) -> Shape:
    """A text, or a conversation where the bundle was trained on them → what follows."""
    plain = "text" in asked.info.columns and asked.task.name == "text-generation"
    role = "prompt" if asked.task.asks else asked.roles[0].name
    message = Annotated[list[Message], Field(min_length=1)]
    of: Any = Text if plain else Text | message
    several = Annotated[list[Text], Field(min_length=1, max_length=asked.max_rows)]
    request = create_model(
        "Request",
        __base__=Body,
        inputs=(of | several, ...),
        parameters=(Writing | None, None),
        stream=(Literal[False] | None, None),
    )

    def given(body: Any) -> list[Any]:
        listed = isinstance(body.inputs, list) and isinstance(body.inputs[0], str)
        return list(body.inputs) if listed else [body.inputs]

    def told(answers: Sequence[Answer], body: Any) -> Any:
        whole = bool(body.parameters and body.parameters.return_full_text)
        texts = [each if whole and isinstance(each, str) else "" for each in given(body)]
        return [
            {"generated_text": text + said["completion"]}
            for text, said in zip(texts, answers, strict=True)
        ]

    def rows(body: Any) -> Sequence[Row]:
        return [
            row(asked, {role: each if isinstance(each, str) else _plain(each)})
            for each in given(body)
        ]

    return Shape(
        request=request,
        response=list[Generated],
        rows=rows,
        told=told,
        example={"inputs": EXAMPLE},
        chat=None if plain else _chat(asked, lambda messages: {role: _plain(messages)}),
    )


def _plain(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [{"role": each.role, "content": _words(each.content)} for each in messages]


def _words(content: str | Sequence[TextPart | PicturePart]) -> str:
    if isinstance(content, str):
        return content
    if any(isinstance(part, PicturePart) for part in content):
        raise Refused(422, "messages: a picture is not read here", 'write {"type": "text", ...}')
    return "".join(part.text for part in content if isinstance(part, TextPart))


def _chat(asked: Asked, values: Callable[[Sequence[Message]], Mapping[str, Any]]) -> Shape:
    request = create_model(
        "ChatRequest",
        __base__=Body,
        messages=(Annotated[list[Message], Field(min_length=1)], ...),
        model=(str | None, Field(None, description="Not looked at: there is one model.")),
        stream=(Literal[False] | None, None),
        n=(Literal[1] | None, None),
    )

    def told(answers: Sequence[Answer], body: Any) -> Completion:
        said = answers[0]["completion"]
        counts = answers[0]["tokens"]
        return {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": asked.info.name,
            "system_fingerprint": asked.info.candidate,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": said},
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": counts[0],
                "completion_tokens": counts[1],
                "total_tokens": sum(counts),
            },
        }

    return Shape(
        request=request,
        response=Completion,
        rows=lambda body: [row(asked, values(body.messages))],
        told=told,
        settle=_count,
        example={"messages": [{"role": "user", "content": EXAMPLE}]},
    )


def _count(tokenizer: Any, given: Row, answer: Answer) -> None:
    """Add how many tokens were given and written."""
    tokenizer = getattr(tokenizer, "tokenizer", tokenizer)
    texts = [given] if isinstance(given, str) else [v for v in given.values() if isinstance(v, str)]
    turns = [turn for text in texts for turn in _turns(text)]
    answer["tokens"] = tuple(
        sum(len(tokenizer(each, add_special_tokens=False)["input_ids"]) for each in several)
        for several in (turns, [answer["completion"]])
    )


def _turns(text: str) -> list[str]:
    """Return what is said in a conversation that is stored as JSON text."""
    found = json.loads(text)
    return [found] if isinstance(found, str) else [str(each["content"]) for each in found]


def _pictured(asked: Asked) -> Shape:
    """A picture and what is asked of it, as an object or as a turn of a chat."""
    role = "messages" if "messages" in asked.info.columns else "prompt"
    question = Text | Annotated[list[Message], Field(min_length=1)]
    of = create_model(
        "Row",
        __base__=Body,
        image=(Text, Field(description="The file, as base64.")),
        prompt=(question, ...),
    )
    shape = one_or_several(
        asked,
        lambda answer, parameters: {"generated_text": answer["completion"]},
        Generated,
        of=of,
        parameters=NoParameters,
        nested=True,
        example={"image": "...", "prompt": "What is in the picture?"},
        chat=_chat(asked, lambda messages: _parted(messages, role)),
    )

    def rows(body: Any) -> Sequence[Row]:
        several = body.inputs if isinstance(body.inputs, list) else [body.inputs]
        return [
            row(
                asked,
                {
                    "image": each.image,
                    role: each.prompt if isinstance(each.prompt, str) else _plain(each.prompt),
                },
            )
            for each in several
        ]

    return replace(shape, rows=rows)


def _parted(messages: Sequence[Message], role: str) -> Mapping[str, Any]:
    """Return the conversation's one picture, and its words."""
    pictures: list[str] = []
    turns: list[dict[str, Any]] = []
    for each in messages:
        parts = [] if isinstance(each.content, str) else each.content
        pictures += [part.image_url.url for part in parts if isinstance(part, PicturePart)]
        words = [part for part in parts if isinstance(part, TextPart)]
        turns.append({"role": each.role, "content": _words(words) if parts else each.content})
    if len(pictures) != 1 or not pictures[0].startswith("data:"):
        raise Refused(
            422,
            "messages: there must be one picture, as a data: URL",
            'write {"type": "image_url", "image_url": {"url": "data:image/png;base64,..."}}',
        )
    return {"image": pictures[0].partition(",")[2], role: turns}


def _reward(asked: Asked) -> Shape:
    conversation = Text | Annotated[list[Message], Field(min_length=1)]
    of = create_model(
        "Row",
        __base__=Body,
        completion=(conversation, ...),
        prompt=(conversation | None, None),
    )
    shape = number(asked, label="reward", example={"prompt": "Hello", "completion": "Hello!"})
    one: Any = of | Text
    several = Annotated[list[one], Field(min_length=1, max_length=asked.max_rows)]
    request = create_model(
        "Request",
        __base__=Body,
        inputs=(one | several, ...),
        parameters=(NoParameters | None, None),
    )

    return replace(shape, request=request)


SHAPES: Mapping[str, Callable[[Asked], Shape]] = {
    "summarization": _written("summary_text"),
    "translation": _written("translation_text"),
    "text2text-generation": _written("generated_text"),
    "text-generation": _follows,
    "preference": _follows,
    "image-text-to-text": _pictured,
    "reward": _reward,
}
