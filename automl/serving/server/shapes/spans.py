"""Shapes of tasks that point at a part of what they are given: entities, residues, answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, create_model
from typing_extensions import TypedDict

from automl.serving.server.batching import Answer
from automl.serving.server.shapes._made import Asked, Body, Shape, Text, one_or_several


class Entity(TypedDict):
    """A part of the text, from character ``start`` to before ``end``."""

    entity_group: str
    score: float
    word: str
    start: int
    end: int


class Residue(TypedDict):
    """One residue; ``index`` counts from 1, as pipelines do."""

    entity: str
    score: float
    index: int
    word: str
    start: int
    end: int


class Found(TypedDict):
    """The answer, from character ``start`` to before ``end``; empty where there is none."""

    answer: str
    score: float
    start: int
    end: int


class Choice(TypedDict):
    """One of the choices."""

    label: str
    score: float
    index: int


class Entities(Body):
    """Entities are of whole words, their score the mean of them."""

    aggregation_strategy: Literal["simple", "average"] | None = None


class Residues(Body):
    """Each residue has its own label."""

    aggregation_strategy: Literal["none"] | None = None


class Answering(Body):
    """The best answer is told; whether there is one is decided by the bundle's threshold."""

    top_k: Literal[1] | None = None
    handle_impossible_answer: Literal[True] | None = None


class Ranking(Body):
    """How many choices are told."""

    top_k: int | None = Field(None, ge=1)


def _entities(answer: Answer, parameters: Any) -> list[Entity]:
    return [
        {
            "entity_group": each["label"],
            "score": each["score"],
            "word": each["text"],
            "start": each["start"],
            "end": each["end"],
        }
        for each in answer["entities"]
    ]


def _tokens(asked: Asked) -> Shape:
    return one_or_several(
        asked,
        _entities,
        list[Entity],
        of=Text,
        parameters=Entities,
        example="Ada Lovelace lived in London.",
    )


def _residues(asked: Asked) -> Shape:
    shape = one_or_several(
        asked,
        lambda answer, parameters: answer,
        list[Residue],
        parameters=Residues,
        example="MKTAYIAKQR",
    )

    def told(answers: Any, body: Any) -> Any:
        single = isinstance(body.inputs, str)
        given = [body.inputs] if single else body.inputs
        found = [_each(text, said) for text, said in zip(given, answers, strict=True)]
        return found[0] if single else found

    return replace(shape, told=told)


def _each(text: str, said: Answer) -> list[Residue]:
    places = [at for at, letter in enumerate(text) if not letter.isspace()]
    return [
        {
            "entity": label,
            "score": score,
            "index": number,
            "word": text[at],
            "start": at,
            "end": at + 1,
        }
        for number, (label, score, at) in enumerate(
            zip(said["labels"], said["scores"], places, strict=False), 1
        )
    ]


def _answer(answer: Answer, parameters: Any) -> Found:
    return {
        "answer": answer["answer"],
        "score": answer["score"],
        "start": answer["start"] or 0,
        "end": answer["end"] or 0,
    }


def _questions(asked: Asked) -> Shape:
    row = create_model("Row", __base__=Body, question=(Text, ...), context=(Text, ...))
    example = {"question": "Where does Ada live?", "context": "Ada lives in London."}
    return one_or_several(asked, _answer, Found, of=row, parameters=Answering, example=example)


def _choices(asked: Asked) -> Shape:
    choices = Annotated[list[Text], Field(min_length=2, max_length=asked.max_rows)]
    fields: dict[str, Any] = {"question": (Text, ...), "choices": (choices, ...)}
    if "context" in asked.info.columns:
        fields["context"] = (Text | None, None)
    row = create_model("Row", __base__=Body, **fields)
    example = {"question": "What is the capital of France?", "choices": ["Paris", "Rome"]}
    shape = one_or_several(
        asked,
        lambda answer, parameters: answer,
        list[Choice],
        of=row,
        parameters=Ranking,
        example=example,
        top=lambda body: asked.max_rows,
    )

    def told(answers: Any, body: Any) -> Any:
        single = not isinstance(body.inputs, list)
        given = [body.inputs] if single else body.inputs
        most = body.parameters.top_k if body.parameters else None
        found = [
            _chosen(one.choices, said)[:most] for one, said in zip(given, answers, strict=True)
        ]
        return found[0] if single else found

    return replace(shape, told=told)


def _chosen(choices: list[str], said: Answer) -> list[Choice]:
    """Return the choices, the best first; of equal texts the first one's place."""
    found: list[Choice] = [
        {"label": text, "score": score, "index": choices.index(text)}
        for text, score in said["scores"].items()
    ]
    return found


SHAPES: Mapping[str, Callable[[Asked], Shape]] = {
    "token-classification": _tokens,
    "residue-classification": _residues,
    "question-answering": _questions,
    "multiple-choice": _choices,
}
