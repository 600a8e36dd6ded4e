"""Shapes of tasks that see or hear: the file is the body, or base64 in a JSON body's ``inputs``."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from automl.serving.server.batching import Answer
from automl.serving.server.shapes._made import Asked, Body, Shape, one_or_several
from automl.serving.server.shapes.texts import (
    MANY,
    Chosen,
    Ranked,
    Sigmoid,
    Softmax,
    chosen,
    number,
    ranked,
)

USUAL = 5
"""Classes that are told unless ``top_k`` says how many, as pipelines do for pictures and sounds."""
PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgAQMAAABJtOi3AAAABlBMVEXw8PDIKCiJ8yeEAAAARElEQVR42n3NsRGA"
    "IBTA0Me3cAzZRDZzNUZhBAfwwIKzxBS5dOGf/cbxCDmEkmyqFIkSEEGetVSnzRpUroGzC61/jwUvM1QM6BMEposA"
    "AAAASUVORK5CYII="
)
"""A red disc."""


class Corners(TypedDict):
    """A box in pixels."""

    xmin: int
    ymin: int
    xmax: int
    ymax: int


class Object(TypedDict):
    """Something in the picture, and where."""

    label: str
    score: float
    box: Corners


class Segment(TypedDict):
    """The pixels of a class: a png, white where it is, as base64. There is no score."""

    label: str
    mask: str
    score: None


class Transcript(TypedDict):
    """What is said."""

    text: str


class Detecting(Body):
    """Which objects are told: none below the bundle's own threshold."""

    threshold: float | None = Field(None, ge=0, le=1)


class Segmenting(Body):
    """Each pixel has one class."""

    subtask: Literal["semantic"] | None = None


def _classes(asked: Asked) -> Shape:
    return one_or_several(
        asked,
        lambda answer, parameters: ranked(answer, parameters.top_k or USUAL),
        list[Ranked],
        parameters=Softmax,
        example=PICTURE,
        top=lambda body: MANY,
    )


def _several_classes(asked: Asked) -> Shape:
    return one_or_several(
        asked,
        lambda answer, parameters: chosen(answer, parameters.top_k),
        list[Chosen],
        parameters=Sigmoid,
        example=PICTURE,
        top=lambda body: MANY,
    )


def _objects(answer: Answer, parameters: Any) -> list[Object]:
    least = parameters.threshold or 0.0
    return [each for each in answer["objects"] if each["score"] >= least]


def _segments(asked: Asked) -> Shape:
    labels = asked.info.labels

    def element(answer: Answer, parameters: Any) -> list[Segment]:
        height, width = answer["size"]
        found: list[Segment] = []
        for label in answer["shares"]:
            mask = _mask(answer["runs"], labels.index(label), height, width)
            found.append({"label": label, "mask": mask, "score": None})
        return found

    return one_or_several(asked, element, list[Segment], parameters=Segmenting, example=PICTURE)


def _mask(runs: str, place: int, height: int, width: int) -> str:
    """Return the png of where the runs have ``place``, as base64."""
    from PIL import Image

    parts = (run.split("*") for run in runs.split())
    pixels = b"".join(
        (b"\xff" if int(at) == place else b"\x00") * int(count) for at, count in parts
    )
    stream = io.BytesIO()
    Image.frombytes("L", (width, height), pixels).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


SHAPES: Mapping[str, Callable[[Asked], Shape]] = {
    "image-classification": _classes,
    "multi-label-image-classification": _several_classes,
    "image-regression": lambda asked: number(
        asked, label=asked.column("label"), example=PICTURE, nested=False
    ),
    "object-detection": lambda asked: one_or_several(
        asked, _objects, list[Object], parameters=Detecting, example=PICTURE
    ),
    "semantic-segmentation": _segments,
    "audio-classification": _classes,
    "automatic-speech-recognition": lambda asked: one_or_several(
        asked, lambda answer, parameters: answer, Transcript
    ),
}
