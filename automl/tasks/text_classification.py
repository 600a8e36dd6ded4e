"""Text classification: a text, or a pair of them, in; one of several classes out.

Knows no trial and no recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl.errors import DataError
from automl.plan import Scalar
from automl.tasks import Metric, Role
from automl.tasks._metrics import CLASSIFICATION
from automl.tasks._text import load_model, padder, texts
from automl.tasks._tfidf import DESCRIPTION, log_probabilities

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from automl.jobs import SplitScore

PAIR = "text_pair"
_FIRST_TEXTS = (
    "text", "sentence", "body", "content", "message", "utterance", "review",
    "text1", "text_1", "text_a", "sentence1", "sentence_1", "sentence_a", "question1", "premise",
)  # fmt: skip
_SECOND_TEXTS = (
    "text_pair", "text2", "text_2", "text_b", "sentence2", "sentence_2", "sentence_b", "question2",
    "hypothesis",
)  # fmt: skip
_CLASSES = ("label", "labels", "class", "category", "target", "intent", "queue")
_USAGE = """\
from transformers import pipeline

classify = pipeline(
    "text-classification", model={repository!r}, truncation=True, max_length={max_length}
)
print(classify({example}))
"""
_ONE_TEXT = '"Put a text here."'
_TWO_TEXTS = '{"text": "Put a text here.", "text_pair": "Put the other one here."}'


@dataclass(frozen=True, slots=True)
class TextClassification:
    """Single-label classification of a text, or of two together where ``text_pair`` is there.

    The contracts are those of ``automl.tasks.Task``.
    """

    name: str = "text-classification"
    pipeline_tag: str = "text-classification"
    auto_class: str = "AutoModelForSequenceClassification"
    mapping: str = "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES"
    roles: tuple[Role, ...] = (
        Role("text", "text", True, _FIRST_TEXTS),
        Role(PAIR, "text", False, _SECOND_TEXTS),
        Role("label", "class", True, _CLASSES),
    )
    metrics: tuple[Metric, ...] = CLASSIFICATION
    objective: str = "macro_f1"
    floor_description: str = DESCRIPTION

    def encode(
        self,
        columns: Mapping[str, Sequence[Any]],
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        labels: Sequence[str],
    ) -> dict[str, list[Any]]:
        """Return the tokenizer's inputs, and ``labels`` (class indices) where rows have a label.

        Of a pair that is too long, the longer text is cut. Raises DataError naming a label that is
        not one of ``labels``.
        """
        pairs = [texts(columns[role]) for role in _text_roles(columns)]
        inputs = tokenizer(*pairs, truncation=True, max_length=max_length)
        encoded = {name: list(inputs[name]) for name in inputs}
        if "label" in columns:
            encoded["labels"] = _indices(columns["label"], labels)
        return encoded

    def build(
        self,
        path: str,
        labels: Sequence[str],
        hyperparameters: Mapping[str, Scalar],
        trust_remote_code: bool,
    ) -> PreTrainedModel:
        """Return the model with a head for ``labels``; see ``_text.load_model`` for the rest.

        Raises CandidateError with a plain reason when anything but the head would be random.
        """
        return load_model(
            self.auto_class,
            path,
            hyperparameters,
            trust_remote_code,
            num_labels=len(labels),
            id2label=dict(enumerate(labels)),
            label2id={label: index for index, label in enumerate(labels)},
            problem_type="single_label_classification",
        )

    def collator(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[list[Any]], Any]:
        """Return what pads encoded rows to the longest of the batch."""
        return padder(tokenizer)

    def score(
        self, logits: np.ndarray, targets: np.ndarray, labels: Sequence[str]
    ) -> dict[str, float]:
        """Return every metric of ``metrics``."""
        from automl.tasks import _classes

        return _classes.score(logits, targets, labels)

    def report(
        self,
        logits: np.ndarray,
        targets: np.ndarray,
        columns: Mapping[str, Sequence[Any]],
        labels: Sequence[str],
        seed: int,
    ) -> SplitScore:
        """Return metrics with intervals, the per-class table, the confusion and mistakes."""
        from automl.tasks import _classes

        return _classes.report(logits, targets, columns, labels, seed)

    def floor(
        self,
        train: Mapping[str, Sequence[Any]],
        others: Mapping[str, Mapping[str, Sequence[Any]]],
        labels: Sequence[str],
        seed: int,
    ) -> dict[str, np.ndarray]:
        """Return log-probabilities by split of ``floor_description``, trained on ``train``."""
        return log_probabilities(train, others, labels, seed, _text_roles(train))

    def usage(self, repository: str, max_length: int, roles: Collection[str] = ()) -> str:
        """Return the Python lines that load the bundle and predict."""
        example = _TWO_TEXTS if PAIR in roles else _ONE_TEXT
        return _USAGE.format(repository=repository, max_length=max_length, example=example)


def _text_roles(columns: Collection[str]) -> list[str]:
    return [role for role in ("text", PAIR) if role in columns]


def _indices(values: Sequence[Any], labels: Sequence[str]) -> list[int]:
    index = {label: position for position, label in enumerate(labels)}
    try:
        return [index[str(value)] for value in values]
    except KeyError as error:
        raise DataError(f"label {error.args[0]!r} is not one of {', '.join(labels)}") from None


TASK = TextClassification()
