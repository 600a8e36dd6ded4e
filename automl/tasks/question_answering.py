"""Question answering: a question and a context in, the span of the context that answers it out.

Questions may have no answer; whether one is given then is settled on the validation rows.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.plan import Scalar
from automl.tasks import (
    ENCODER,
    Columns,
    Labels,
    Malformed,
    Metric,
    Prepared,
    Role,
    Task,
    _passages,
    _spans,
    _squad,
)
from automl.tasks._squad import Said
from automl.tasks._text import load_model, padder
from automl.tasks._windows import ROW, Collator

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from automl.jobs import SplitScore

QUESTION, CONTEXT, ANSWERS = "question", "context", "answers"
ANSWER_TEXT, ANSWER_START, IMPOSSIBLE = "answer_text", "answer_start", "is_impossible"
_FORM = 'write {"text": ["Paris"], "answer_start": [17]}, or empty lists where there is no answer'
_USAGE = """\
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({repository!r})
model = AutoModelForQuestionAnswering.from_pretrained({repository!r}).eval()
question, context = "Put a question here.", "Put a text that answers it here."
# Of a longer context only the beginning is read here; automl predict reads it in windows.
inputs = tokenizer(
    question, context, truncation="only_second", max_length={max_length}, return_tensors="pt",
    return_offsets_mapping=True,
)
offsets = inputs.pop("offset_mapping")[0]
with torch.no_grad():
    said = model(**inputs)
scores = said.start_logits[0][:, None] + said.end_logits[0][None, :]
inside = torch.tensor([part == 1 for part in inputs.sequence_ids(0)])
allowed = (inside[:, None] & inside[None, :]).triu().tril({longest} - 1)
best = scores.masked_fill(~allowed, float("-inf"))
first, last = divmod(int(best.argmax()), len(offsets))
limit = getattr(model.config, "{threshold}", None)
if limit is not None and scores[0, 0] - best.max() > limit:
    print("no answer")
else:
    print(context[offsets[first][0] : offsets[last][1]].strip())
"""


def _prepare(columns: Columns) -> Prepared:
    """Return rows with ``answers`` as JSON: lists of text and answer_start, empty for no answer.

    Malformed are answers that don't stand at their offset in the context.
    """
    inputs = {name: columns[name] for name in (QUESTION, CONTEXT)}
    if ANSWERS not in columns and ANSWER_TEXT not in columns:
        return Prepared(inputs)
    wrong: list[Malformed] = []
    stored = []
    for row, found in enumerate(_answers_of(columns)):
        fault = found if isinstance(found, _Fault) else _misplaced(columns[CONTEXT][row], found)
        if fault is not None:
            wrong.append(Malformed(row, *fault))
        elif not isinstance(found, _Fault):
            starts = [start for _, start in found]
            texts = [text for text, _ in found]
            stored.append(json.dumps({"text": texts, "answer_start": starts}, ensure_ascii=False))
    if wrong:
        return Prepared(inputs, (), tuple(wrong))
    return Prepared({**inputs, ANSWERS: stored})


class _Fault(tuple[str, str]):
    """What is wrong with a row's answers, and a hint."""

    __slots__ = ()


_Found = list[tuple[str, int]]


def _answers_of(columns: Columns) -> Iterator[_Found | _Fault]:
    """Yield each row's answers, as they were written in any of the forms that are read."""
    rows = len(columns[CONTEXT])
    impossible = columns.get(IMPOSSIBLE, [None] * rows)
    nested = columns.get(ANSWERS)
    starts = columns.get(ANSWER_START, [None] * rows)
    for row in range(rows):
        if str(impossible[row]).strip('"').lower() in ("true", "1"):
            yield []
        elif nested is not None:
            yield _nested(json.loads(nested[row]) if nested[row] else None, columns[CONTEXT][row])
        else:
            text = str(columns[ANSWER_TEXT][row] or "").strip()
            start = json.loads(starts[row]) if starts[row] else None
            yield _flat(text, start, columns[CONTEXT][row])


def _nested(value: Any, context: str) -> _Found | _Fault:
    if isinstance(value, dict):
        texts, starts = value.get("text"), value.get("answer_start")
        if isinstance(texts, str):
            return _flat(texts, starts, context)
        if isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts):
            value = [{"text": text, "answer_start": start}
                     for text, start in zip(texts, starts, strict=True)]  # fmt: skip
    if isinstance(value, list):
        found = [_nested(each, context) for each in value]
        fault = next((each for each in found if isinstance(each, _Fault)), None)
        return fault or [pair for each in found if isinstance(each, list) for pair in each]
    if value in (None, "", {}):
        return []
    if isinstance(value, str):
        return _flat(value, None, context)
    return _Fault((f"{ANSWERS} is not an answer's text and start: {value!r}", _FORM))


def _flat(text: str, start: Any, context: str) -> _Found | _Fault:
    """Return one answer; without an offset that of the only place where the text stands."""
    if not text:
        return []
    if start not in (None, ""):
        try:
            return [(text, int(start))]
        except (TypeError, ValueError):
            return _Fault((f"answer_start {start!r} of {text!r} is no whole number", _FORM))
    places = _places(context, text)
    if len(places) == 1:
        return [(text, places[0])]
    where = f"{len(places)} times in the context" if places else "nowhere in the context"
    return _Fault((f"the answer {text!r} stands {where} and has no answer_start", _FORM))


def _misplaced(context: str, found: _Found) -> _Fault | None:
    for text, start in found:
        if context[start : start + len(text)] != text or start < 0:
            there = context[max(0, start) : max(0, start) + len(text)]
            places = ", ".join(map(str, _places(context, text)[:5]))
            hint = f"answer_start: {places}" if places else "it stands nowhere in the context"
            return _Fault((f"the answer {text!r} is not at {start}: there is {there!r}", hint))
    return None


def _places(context: str, text: str) -> list[int]:
    found, at = [], context.find(text)
    while at >= 0:
        found.append(at)
        at = context.find(text, at + 1)
    return found


def _encode(
    columns: Columns, tokenizer: PreTrainedTokenizerBase, max_length: int, labels: Labels
) -> dict[str, list[Any]]:
    answers = None
    if ANSWERS in columns:
        answers = [_first(json.loads(value)) for value in columns[ANSWERS]]
    return _spans.encode(columns[QUESTION], columns[CONTEXT], answers, tokenizer, max_length)


def _first(found: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the characters of the first of several answers: the one to learn."""
    if not found["text"]:
        return None
    start = found["answer_start"][0]
    return start, start + len(found["text"][0])


def _build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    return load_model(TASK.auto_class, path, hyperparameters, trust_remote_code)


def _collator(tokenizer: PreTrainedTokenizerBase) -> Collator:
    return Collator(padder(tokenizer), (ROW, _spans.STARTS, _spans.ENDS, _spans.UNANSWERABLE))


def _decode(
    outputs: Sequence[Any],
    rows: Any,
    columns: Columns,
    tokenizer: PreTrainedTokenizerBase,
    labels: Labels,
) -> list[Said]:
    return _spans.decode(outputs, rows, columns[CONTEXT])


def _settle(model: Any, predictions: Any, targets: Any, labels: Labels) -> list[Said]:
    return _spans.settle(model, predictions, targets)


def _targets(columns: Columns, labels: Labels) -> list[list[str]]:
    """Return each row's true answers; none where the question has none."""
    return [list(json.loads(value)["text"]) for value in columns[ANSWERS]]


def _score(predictions: Sequence[Said], targets: Any, labels: Labels) -> dict[str, float]:
    from automl.tasks import _answered

    return _answered.score(predictions, targets)


def _report(
    predictions: Sequence[Said], targets: Any, columns: Columns, labels: Labels, seed: int
) -> SplitScore:
    from automl.tasks import _answered

    return _answered.report(predictions, targets, columns, seed)


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, list[Said]]:
    return _passages.answers(train, _targets(train, labels), others)


def _answers(predictions: Sequence[Said], labels: Labels, top: int) -> list[dict[str, Any]]:
    return [
        {
            "answer": each.answer,
            "score": each.score,
            "start": each.start if each.answer else None,
            "end": each.end if each.answer else None,
        }
        for each in predictions
    ]


def _usage(repository: str, max_length: int, roles: Collection[str] = ()) -> str:
    return _USAGE.format(
        repository=repository,
        max_length=max_length,
        longest=_spans.LONGEST,
        threshold=_spans.THRESHOLD,
    )


def _kinds(labels: Labels) -> tuple[str, ...]:
    return _squad.ANSWERED, _squad.UNANSWERED


TASK = Task(
    name="question-answering",
    pipeline_tag="question-answering",
    auto_class="AutoModelForQuestionAnswering",
    mapping="MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES",
    roles=(
        Role(QUESTION, "text", True, (QUESTION, "query", "q")),
        Role(CONTEXT, "text", True, (CONTEXT, "passage", "paragraph", "document", "text")),
        Role(ANSWERS, "json", True, (ANSWERS, "answer"), target=True),
        Role(ANSWER_TEXT, "text", False, (ANSWER_TEXT,), True, ANSWERS),
        Role(ANSWER_START, "json", False, (ANSWER_START, "start"), True),
        Role(IMPOSSIBLE, "json", False, (IMPOSSIBLE, "impossible"), True),
    ),
    metrics=(
        Metric("f1", "maximize", "F1 of the words shared with the nearest true answer, by row."),
        Metric("exact_match", "maximize", "Share of rows whose answer is a true one, normalised."),
        Metric("answerable_f1", "maximize", "F1 over the rows that have an answer.", False),
        Metric("unanswerable_f1", "maximize", "Share of the rows without an answer that get none.",
               False),
    ),
    objective="f1",
    floor_description=_passages.DESCRIPTION,
    knobs=ENCODER - {"dropout"},
    together=CONTEXT,
    windows=True,
    encode=_encode,
    build=_build,
    targets=_targets,
    score=_score,
    report=_report,
    floor=_floor,
    answers=_answers,
    says=("answer", "score", "start", "end"),
    usage=_usage,
    collator=_collator,
    infer=_spans.infer,
    decode=_decode,
    loss=_spans.loss,
    begin=_spans.begin,
    settle=_settle,
    prepare=_prepare,
    kinds=_kinds,
)  # fmt: skip
"""The answer to a question as a span of its context, or that there is none."""
