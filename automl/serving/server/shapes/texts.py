"""Shapes of tasks that tell something of a whole text: classes, numbers, missing words, vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, create_model
from typing_extensions import TypedDict

from automl.serving.server.batching import Answer, Row
from automl.serving.server.shapes._made import (
    Asked,
    Body,
    NoParameters,
    Shape,
    Text,
    Top,
    named,
    one_or_several,
)

MANY = 1_000_000
"""More classes than there are: all of them."""
EXAMPLE = {"text": "My parcel has not arrived.", "text_pair": "Where is my order?"}


class Ranked(TypedDict):
    """A class, and how likely it is."""

    label: str
    score: float


class Chosen(Ranked):
    """A class of several that a row may have: also whether it is said to have it."""

    predicted: bool


class Filled(TypedDict):
    """What may stand at the mask: the token's number in the vocabulary, and the whole text."""

    score: float
    token: int
    token_str: str
    sequence: str


class Softmax(Top):
    """What may be asked of a classifier."""

    function_to_apply: Literal["softmax"] | None = None


class Sigmoid(Top):
    """What may be asked of a classifier whose classes stand beside each other."""

    function_to_apply: Literal["sigmoid"] | None = None


def ranked(answer: Answer, most: int | None) -> list[Ranked]:
    """Return the classes, the predicted one first: thresholds may put it before a likelier one."""
    scores = answer.get("scores") or {answer["label"]: answer["score"]}
    found: list[Ranked] = [{"label": name, "score": value} for name, value in scores.items()]
    return found[:most]


def chosen(answer: Answer, most: int | None) -> list[Chosen]:
    """Return the classes, those that are predicted first."""
    said = set(answer["labels"])
    found: list[Chosen] = [
        {"label": name, "score": value, "predicted": name in said}
        for name, value in answer["scores"].items()
    ]
    return found[:most]


def _classes(asked: Asked) -> Shape:
    return one_or_several(
        asked,
        lambda answer, parameters: ranked(answer, parameters.top_k),
        list[Ranked],
        parameters=Softmax,
        nested=True,
        example=named(asked, EXAMPLE),
        top=lambda body: MANY,
    )


def _several_classes(asked: Asked) -> Shape:
    return one_or_several(
        asked,
        lambda answer, parameters: chosen(answer, parameters.top_k),
        list[Chosen],
        parameters=Sigmoid,
        nested=True,
        example=named(asked, EXAMPLE),
        top=lambda body: MANY,
    )


def number(asked: Asked, *, label: str, example: Any, nested: bool = True) -> Shape:
    """Return the shape of a number, told as the score of what it is called."""
    return one_or_several(
        asked,
        lambda answer, parameters: [{"label": label, "score": answer["score"]}],
        list[Ranked],
        nested=nested,
        example=example,
    )


def _masked(asked: Asked) -> Shape:
    parameters = create_model(
        "FillMaskParameters", __base__=Body, top_k=(int | None, Field(None, ge=1, le=20))
    )
    shape = one_or_several(
        asked, lambda answer, body: answer, list[Filled], parameters=parameters, top=_wanted
    )

    def told(answers: Sequence[Answer], body: Any) -> Any:
        found = [each["filled"][: _wanted(body)] for each in answers]
        return found if isinstance(body.inputs, list) else found[0]

    return replace(shape, told=told, settle=_fill, example={"inputs": "My parcel has not [MASK]."})


def _wanted(body: Any) -> int:
    return (body.parameters.top_k if body.parameters else None) or 5


def _fill(tokenizer: Any, row: Row, answer: Answer) -> None:
    """Add each guess's number in the vocabulary, and the text with it."""
    text = row if isinstance(row, str) else str(row["text"])
    guesses = answer.get("scores") or {answer["token"]: answer["score"]}
    vocabulary = tokenizer.get_vocab()
    answer["filled"] = [
        {
            "score": score,
            "token": vocabulary[token]
            if token in vocabulary
            else tokenizer(token, add_special_tokens=False)["input_ids"][0],
            "token_str": token,
            "sequence": text.replace(tokenizer.mask_token, token.strip()),
        }
        for token, score in guesses.items()
    ]


class Compared(Body):
    """A text, and those that it is compared with."""

    source_sentence: Text
    sentences: Annotated[list[Text], Field(min_length=1)]


def _similar(asked: Asked) -> Shape:
    """A text and others → cosines; a text or several → vectors, as for feature-extraction."""
    few = Annotated[list[Text], Field(min_length=1, max_length=asked.max_rows)]
    others = max(1, asked.max_rows - 1)
    compared = create_model(
        "Compared",
        __base__=Compared,
        sentences=(Annotated[list[Text], Field(min_length=1, max_length=others)], ...),
    )
    request = create_model(
        "Request",
        __base__=Body,
        inputs=(compared | Text | few, ...),
        parameters=(NoParameters | None, None),
        normalize=(Literal[True] | None, None),
    )

    def rows(body: Any) -> Sequence[Row]:
        given = body.inputs
        if isinstance(given, Compared):
            return [{"text": each} for each in (given.source_sentence, *given.sentences)]
        return [{"text": each} for each in ([given] if isinstance(given, str) else given)]

    def told(answers: Sequence[Answer], body: Any) -> Any:
        vectors = [each["embedding"] for each in answers]
        if not isinstance(body.inputs, Compared):
            return vectors
        source, *others = vectors
        return [sum(a * b for a, b in zip(source, other, strict=True)) for other in others]

    return Shape(
        request=request,
        response=list[float] | list[list[float]],
        rows=rows,
        told=told,
        example={
            "inputs": {
                "source_sentence": "Where is my parcel?",
                "sentences": ["When will it be delivered?", "I want my money back."],
            }
        },
    )


def plain(asked: Asked) -> Shape:
    """Return the shape of any task: asked by its columns, answered as ``automl predict`` does."""
    return one_or_several(asked, lambda answer, parameters: answer, dict[str, Any])


SHAPES: Mapping[str, Callable[[Asked], Shape]] = {
    "text-classification": _classes,
    "protein-classification": lambda asked: replace(
        _classes(asked), example={"inputs": "MKTAYIAKQR"}
    ),
    "multi-label-classification": _several_classes,
    "text-regression": lambda asked: number(
        asked, label=asked.column("label"), example=named(asked, EXAMPLE)
    ),
    "fill-mask": _masked,
    "sentence-similarity": _similar,
}
