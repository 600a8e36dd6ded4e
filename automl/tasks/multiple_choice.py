"""Multiple choice: a question, with or without a context, and choices in; one of the choices out.

Rows may differ in how many choices they have.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.plan import Scalar
from automl.tasks import ENCODER, Columns, Labels, Malformed, Metric, Prepared, Role, Task, _choices
from automl.tasks._choices import Ranked
from automl.tasks._text import load_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from automl.jobs import SplitScore

QUESTION, CONTEXT, CHOICES, ANSWER = "question", "context", "choices", "answer"
_SEVERAL = 10
_ENDINGS = tuple(f"ending{place}" for place in range(_SEVERAL))
_LETTERS = "ABCDEFGHIJ"
_FORM = 'write ["one", "another"]'
_USAGE = """\
import torch
from transformers import AutoModelForMultipleChoice, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({repository!r})
model = AutoModelForMultipleChoice.from_pretrained({repository!r}).eval()
question, choices = {example}, ["One choice.", "Another one."]
inputs = tokenizer(
    [question] * len(choices), choices, truncation=True, max_length={max_length}, padding=True,
    return_tensors="pt",
)
with torch.no_grad():
    logits = model(**{{name: values[None] for name, values in inputs.items()}}).logits[0]
print(choices[int(logits.argmax())], float(logits.softmax(dim=-1).max()))
"""


def _prepare(columns: Columns) -> Prepared:
    """Return rows with ``choices`` as a JSON list, and ``answer`` as the place of the right one.

    An answer is a place (from 0; from 1 where none is 0 and one is the last), a letter, the key
    that ``{"text": [...], "label": [...]}`` gives, or the choice's text. Malformed are rows with
    fewer than two choices, and answers that are none of them.
    """
    rows = len(columns[QUESTION])
    raw = _raw_choices(columns, rows)
    several = [_texts(each) for each in raw]
    wrong = [
        Malformed(row, f"there are {len(each)} choices; it takes at least two", _FORM)
        for row, each in enumerate(several)
        if len(each) < 2
    ]
    made: dict[str, Any] = {role: columns[role] for role in (QUESTION, CONTEXT) if role in columns}
    made[CHOICES] = [json.dumps(each, ensure_ascii=False) for each in several]
    if ANSWER not in columns or wrong:
        return Prepared(made, (), tuple(wrong))
    said = [json.loads(value) for value in columns[ANSWER]]
    first = _first(said, several)
    places = [_place(said[row], several[row], _keys(raw[row]), first) for row in range(rows)]
    wrong = [
        Malformed(
            row,
            f"answer {said[row]!r} is none of the {len(several[row])} choices",
            f"write a place from {first} to {first + len(several[row]) - 1}, a letter, or the text",
        )
        for row, place in enumerate(places)
        if place is None
    ]
    made[ANSWER] = [str(place) for place in places]
    notes = ("answers are counted from 1",) if first else ()
    return Prepared(made, notes, tuple(wrong))


def _raw_choices(columns: Columns, rows: int) -> list[Any]:
    if CHOICES in columns:
        return [json.loads(value) if value else [] for value in columns[CHOICES]]
    there = [columns[name] for name in _ENDINGS if name in columns]
    several = ([_said(column[row]) for column in there] for row in range(rows))
    return [[each for each in row if each is not None] for row in several]


def _said(value: Any) -> Any:
    """Return what a column of one choice holds; None where it is empty."""
    found = json.loads(value) if value else None
    return None if found is None or found == "" else found


def _texts(raw: Any) -> list[str]:
    found = raw.get("text", raw.get("choices", [])) if isinstance(raw, dict) else raw
    if not isinstance(found, list):
        return []
    return [str(each.get("text", "")) if isinstance(each, dict) else str(each) for each in found]


def _keys(raw: Any) -> list[str]:
    """Return the choices' own keys, where they come with some."""
    if isinstance(raw, dict):
        return [str(each) for each in raw.get("label", ())]
    named = isinstance(raw, list) and all(isinstance(each, dict) for each in raw)
    return [str(each.get("label", "")) for each in raw] if named else []


def _number(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    return int(value) if isinstance(value, str) and value.strip().isdigit() else None


def _first(said: Sequence[Any], choices: Sequence[Sequence[str]]) -> int:
    """Return whether places are counted from 0 or from 1."""
    numbers = [_number(value) for value in said]
    last = any(n == len(several) for n, several in zip(numbers, choices, strict=True))
    return int(last and 0 not in numbers)


def _place(value: Any, choices: Sequence[str], keys: Sequence[str], first: int) -> int | None:
    text = str(value).strip()
    if keys and text in keys:
        return keys.index(text)
    if text in choices and _number(value) is None:
        return choices.index(text)
    if len(text) == 1 and text.upper() in _LETTERS[: len(choices)]:
        return _LETTERS.index(text.upper())
    number = _number(value)
    if number is not None and 0 <= number - first < len(choices):
        return number - first
    return choices.index(text) if text in choices else None


def _prompts(columns: Columns) -> list[str]:
    if CONTEXT not in columns:
        return [str(each) for each in columns[QUESTION]]
    pairs = zip(columns[CONTEXT], columns[QUESTION], strict=True)
    return [f"{context} {question}" for context, question in pairs]


def _several(columns: Columns) -> list[list[str]]:
    return [json.loads(value) for value in columns[CHOICES]]


def _encode(
    columns: Columns, tokenizer: PreTrainedTokenizerBase, max_length: int, labels: Labels
) -> dict[str, list[Any]]:
    made = _choices.encode(_prompts(columns), _several(columns), tokenizer, max_length)
    if ANSWER in columns:
        made["labels"] = _targets(columns, labels)
    return made


def _build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    return load_model(TASK.auto_class, path, hyperparameters, trust_remote_code)


def _decode(
    outputs: Sequence[Any],
    rows: Any,
    columns: Columns,
    tokenizer: PreTrainedTokenizerBase,
    labels: Labels,
) -> list[Ranked]:
    return _choices.decode(outputs, _several(columns))


def _targets(columns: Columns, labels: Labels) -> list[int]:
    """Return the places of the right choices, from 0."""
    return [int(value) for value in columns[ANSWER]]


def _score(predictions: Sequence[Ranked], targets: Any, labels: Labels) -> dict[str, float]:
    from automl.tasks import _ranked

    return _ranked.score(predictions, targets)


def _report(
    predictions: Sequence[Ranked], targets: Any, columns: Columns, labels: Labels, seed: int
) -> SplitScore:
    from automl.tasks import _ranked

    return _ranked.report(predictions, targets, columns, seed)


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, list[Ranked]]:
    from automl.tasks import _ranked

    rows = {name: (_prompts(columns), _several(columns)) for name, columns in others.items()}
    return _ranked.floor(_prompts(train), _several(train), _targets(train, labels), rows, seed)


def _answers(predictions: Sequence[Ranked], labels: Labels, top: int) -> list[dict[str, Any]]:
    from math import exp

    found = []
    for each in predictions:
        order = sorted(range(len(each.scores)), key=lambda place: -each.scores[place])
        answer: dict[str, Any] = {
            "answer": each.choices[each.best],
            "place": each.best,
            "score": exp(each.scores[each.best]),
        }
        if top > 1:
            answer["scores"] = {each.choices[n]: exp(each.scores[n]) for n in order[:top]}
        found.append(answer)
    return found


def _usage(repository: str, max_length: int, roles: Collection[str] = ()) -> str:
    example = '"A context. A question?"' if CONTEXT in roles else '"Put a question here."'
    return _USAGE.format(repository=repository, max_length=max_length, example=example)


TASK = Task(
    name="multiple-choice",
    pipeline_tag="multiple-choice",
    auto_class="AutoModelForMultipleChoice",
    mapping="MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES",
    roles=(
        Role(QUESTION, "text", True, (QUESTION, "prompt", "sent2", "query", "ctx_b", "premise")),
        Role(CONTEXT, "text", False, (CONTEXT, "sent1", "passage", "article", "ctx_a")),
        Role(CHOICES, "json", True, (CHOICES, "options", "endings", "candidates", "choice")),
        *(
            Role(name, "json", False,
                 (name, f"choice{place}", f"option{place}", f"option_{_LETTERS[place].lower()}",
                  _LETTERS[place], f"answer{place}", f"choice_{_LETTERS[place].lower()}"),
                 instead_of=CHOICES)
            for place, name in enumerate(_ENDINGS)
        ),
        Role(ANSWER, "json", True,
             (ANSWER, "label", "labels", "answerKey", "answer_key", "correct", "gold", "target"),
             target=True),
    ),
    metrics=(
        Metric("accuracy", "maximize", "Share of rows whose right choice is ranked first."),
        Metric("log_loss", "minimize", "Mean negative log-probability of the right choice."),
    ),
    objective="accuracy",
    floor_description=(
        "logistic regression on each choice's words, length, place, and likeness to the question "
        "(TF-IDF of words and of characters)"
    ),
    knobs=ENCODER,
    encode=_encode,
    build=_build,
    targets=_targets,
    score=_score,
    report=_report,
    floor=_floor,
    answers=_answers,
    says=("answer", "score"),
    usage=_usage,
    collator=_choices.collator,
    infer=_choices.infer,
    decode=_decode,
    loss=_choices.loss,
    lengths=_choices.lengths,
    prepare=_prepare,
)  # fmt: skip
"""One of several choices for a question."""
