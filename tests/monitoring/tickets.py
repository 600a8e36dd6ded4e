"""Texts about a few things, drawn from a seed, and a bundle's reference made of such."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from automl import tasks
from automl.monitoring import vocabulary
from automl.monitoring.observing import Observer, answer
from automl.monitoring.profiling import profile
from automl.reference import Reference, Value

TOPICS = {
    "billing": "invoice charge card refund twice month paid price tax account bank",
    "delivery": "parcel courier late tracking door package arrived street box driver",
    "plants": "leaves soil water light pot root dry brown green window sun",
}
COMMON = tuple(
    "I the my a is it and was not to please you can why when have since order help".split()  # noqa: SIM905
)
OTHER_TOPIC = tuple(
    "goal match team season player league score coach stadium referee penalty".split()  # noqa: SIM905
)
GERMAN = tuple(
    "ich habe mein Paket nicht bekommen und warte seit Tagen wo ist die Bestellung".split()  # noqa: SIM905
)
TASK = tasks.get("text-classification")


def texts(rows: int, seed: int, topics: Sequence[str] = tuple(TOPICS)) -> list[tuple[str, str]]:
    """Return texts with their topic, capitals where sentences begin."""
    random = Random(seed)
    found = []
    for _ in range(rows):
        topic = random.choice(topics)
        own = TOPICS[topic].split()
        words = [
            random.choice(own if random.random() < 0.4 else COMMON)
            for _ in range(random.randint(5, 25))
        ]
        found.append((" ".join(words).capitalize() + ".", topic))
    return found


def observed(
    rows: Sequence[tuple[str, str]], words: str, seed: int, sure: float = 8.0
) -> list[dict[str, Value]]:
    """Return observations of rows as a classifier that is right would have them."""
    random, observer = Random(seed), Observer(TASK, ("text", "label"), words)
    return [
        {
            **observer.row({"text": text}),
            **answer({"label": topic, "score": random.betavariate(sure, 2)}),
        }
        for text, topic in rows
    ]


def reference(seed: int = 0, rows: int = 400) -> Reference:
    """Return what held-out texts were like, the words learnt from other ones."""
    words = vocabulary.learnt(text for text, _ in texts(1000, seed + 1000))
    return profile(observed(texts(rows, seed), words, seed), ("validation", "test"), words)


def changed(change: Callable[[str], str], rows: int = 300, seed: int = 77) -> list[tuple[str, str]]:
    """Return texts with each of them changed."""
    return [(change(text), topic) for text, topic in texts(rows, seed)]
