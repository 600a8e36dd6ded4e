"""What is observed of one row and of what is said of it: a class or a number each, by name.

One value a row and feature, whatever the row holds: rows are what is drawn, and what a test of
drift permutes. Reads the answers that a ``Predictor`` gives, by their keys and not by task.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from automl.errors import DataError
from automl.monitoring import vocabulary
from automl.reference import Value
from automl.tasks import Role, Task

NONE = "(none)"
"""The class of a row in which nothing was found."""
UNITS = {
    "length": "characters",
    "capitals": "%",
    "known words": "%",
    "confidence": "%",
    "share": "%",
    "brightness": "%",
    "contrast": "%",
    "size": "megapixels",
    "duration": "seconds",
    "loudness": "dB",
}
"""Units of features, by the end of their name."""
INPUTS = ("length", "capitals", "known words", "size", "brightness", "contrast", "duration",
          "loudness")  # fmt: skip
"""What is observed of inputs; such a feature is called by the role and one of these."""
_SIDE = 64
_RATE = 16_000
_TEXTS = ("summary_text", "translation_text", "generated_text", "completion", "text")


def unit_of(name: str) -> str:
    """Return the unit of the feature; empty for a class, and for what is counted or predicted."""
    if name.startswith("length of"):
        return UNITS["length"]
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")


def is_of_input(name: str) -> bool:
    """Whether the feature is of what the model is given, rather than of what it says."""
    return any(name.endswith(f" {what}") for what in INPUTS)


class Observer:
    """Observes rows of one task."""

    def __init__(self, task: Task, columns: Iterable[str], words: str) -> None:
        """``columns`` are the roles of the training data; ``words`` is as in ``Reference``."""
        self._roles = {role.name: role for role in (*task.roles, *task.asks)}
        # A text that is learnt whole is no question: what follows is its own end.
        told = [self._roles[name] for name in columns if name in self._roles]
        alone = task.respond is not None and not any(role.is_target for role in told)
        self._left_out = {r.name for r in told if r.is_target or (alone and r.kind == "text")}
        self._words = vocabulary.read(words)

    def row(self, row: Mapping[str, Any]) -> dict[str, Value]:
        """Return what is observed of the row's inputs; what can't be read is left out."""
        found: dict[str, Value] = {}
        for name, value in row.items():
            role = self._roles.get(name)
            if role is None or name in self._left_out or value is None:
                continue
            with suppress(DataError):
                of = role.instead_of or name
                found |= {f"{of} {what}": each for what, each in self._input(role, value)}
        return found

    def texts(self, columns: Mapping[str, Iterable[Any]]) -> Iterator[str]:
        """Yield the texts of the columns that are inputs; they make the vocabulary."""
        for name, values in columns.items():
            role = self._roles.get(name)
            if role is not None and name not in self._left_out and _is_text(role):
                yield from (_text(role, value) for value in values if value is not None)

    def _input(self, role: Role, value: Any) -> Iterator[tuple[str, Value]]:
        if role.kind == "image":
            yield from _seen(value)
        elif role.kind == "audio":
            yield from _heard(value)
        elif _is_text(role):
            text = _text(role, value)
            yield "length", float(sum(map(len, text.split())))
            letters = sum(map(str.isalpha, text))
            if letters:
                yield "capitals", sum(map(str.isupper, text)) / letters
            if self._words and (share := vocabulary.known(text, self._words)) is not None:
                yield "known words", share


def answer(said: Mapping[str, Any]) -> dict[str, Value]:
    """Return what is observed of an answer: its class, how sure it is, how much it says."""
    return dict(_said(said))


def _said(said: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    if isinstance(said.get("label"), str):
        yield "predicted class", said["label"]
        yield "confidence", float(said["score"])
    elif "entities" in said:
        yield from _several("entities", [each["label"] for each in said["entities"]])
    elif "objects" in said:
        yield from _several("objects", [each["label"] for each in said["objects"]])
        yield "confidence", max((float(each["score"]) for each in said["objects"]), default=0.0)
    elif "labels" in said:
        scores = said["scores"]
        sure = scores.values() if isinstance(scores, Mapping) else scores
        labels = list(said["labels"])
        if isinstance(scores, Mapping):
            yield from _several("classes", labels[:1], len(labels))
        else:
            yield "predicted class", Counter(labels).most_common(1)[0][0] if labels else NONE
            yield "confidence", sum(sure) / len(sure) if sure else 0.0
    elif "shares" in said:
        largest = next(iter(said["shares"].items()), (NONE, 0.0))
        yield "predicted class", largest[0]
        yield "largest share", float(largest[1])
    elif "answer" in said:
        yield "answered", "yes" if said["answer"] else "no"
        yield "confidence", float(said["score"])
        yield "length of the answer", float(len(said["answer"]))
    elif "token" in said:
        yield "confidence", float(said["score"])
    elif "score" in said:
        yield "predicted number", float(said["score"])
    else:
        for key in _TEXTS:
            if isinstance(said.get(key), str):
                yield "length of the answer", float(sum(map(len, said[key].split())))


def _several(what: str, labels: list[str], count: int | None = None) -> Iterator[tuple[str, Value]]:
    yield "predicted class", Counter(labels).most_common(1)[0][0] if labels else NONE
    yield f"number of {what}", float(len(labels) if count is None else count)


def _is_text(role: Role) -> bool:
    return role.kind in ("text", "texts", "json")


def _text(role: Role, value: Any) -> str:
    """Return what the value says, without what an assistant said in it already."""
    if role.kind == "json" and isinstance(value, str):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    return " ".join(_strings(value))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        if "content" in value:
            if value.get("role") != "assistant":
                yield from _strings(value["content"])
        else:
            for each in value.values():
                yield from _strings(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _strings(each)


def _seen(source: Any) -> Iterator[tuple[str, Value]]:
    import numpy as np

    from automl.tasks import _images

    image = _images.opened(source) if isinstance(source, str | bytes) else source
    yield "size", image.width * image.height / 1e6
    grey = np.asarray(image.convert("L").resize((_SIDE, _SIDE)), dtype=np.float32) / 255
    yield "brightness", float(grey.mean())
    yield "contrast", float(grey.std())


def _heard(source: Any) -> Iterator[tuple[str, Value]]:
    import numpy as np

    from automl.tasks import _sounds

    samples = _sounds.heard(source, _RATE)
    yield "duration", len(samples) / _RATE
    power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    yield "loudness", float(10 * np.log10(max(power, 1e-10)))
