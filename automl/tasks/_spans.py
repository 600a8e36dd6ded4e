"""Answers as spans of a context: windows of question and context, and the best spans said of them.

Knows pieces and offsets; no metric, no data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automl.tasks._squad import Said, threshold
from automl.tasks._windows import ROW, by_row, overlap, refuse_slow

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedTokenizerBase

STARTS, ENDS = "starts", "ends"
"""Encoded columns: first character of each piece and the one after its last; -1 outside of the
context."""
UNANSWERABLE = "unanswerable"
"""Encoded column: whether the question has no answer at all."""
THRESHOLD = "automl_null_threshold"
"""Setting of a model's config: logits by which no answer must be ahead; absent: always answer."""
NEVER = -1e4
"""Logit of no answer where the model always answers; finite, so that nothing becomes NaN."""
BEST = 20
"""Starts and ends looked at in each window (as SQuAD's baselines do)."""
LONGEST = 30
"""Pieces of an answer, at most."""
QUESTION_SHARE = 2
"""A question takes one in so many of a window's tokens, at most."""

Answer = tuple[int, int] | None
"""Characters of an answer in its context."""


def encode(
    questions: Sequence[str],
    contexts: Sequence[str],
    answers: Sequence[Answer] | None,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
) -> dict[str, list[Any]]:
    """Return windows of each context behind its question; ``labels`` are first and last piece.

    A window without the answer points at its first token twice. Of a question longer than half a
    window the end is cut.
    """
    refuse_slow(tokenizer)
    room = max_length - tokenizer.num_special_tokens_to_add(pair=True)
    short = [_shortened(each, tokenizer, max(1, room // QUESTION_SHARE)) for each in questions]
    inputs = tokenizer(
        short,
        list(contexts),
        truncation="only_second",
        max_length=max_length,
        stride=overlap(room - room // QUESTION_SHARE),
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    rows = inputs.pop("overflow_to_sample_mapping")
    offsets = inputs.pop("offset_mapping")
    spans = [
        [spot if part == 1 else (-1, -1) for spot, part in zip(spots, inputs.sequence_ids(window),
                                                               strict=True)]
        for window, spots in enumerate(offsets)
    ]  # fmt: skip
    made = {name: list(inputs[name]) for name in inputs}
    made[ROW] = list(rows)
    made[STARTS] = [[start for start, _ in window] for window in spans]
    made[ENDS] = [[end for _, end in window] for window in spans]
    if answers is not None:
        made[UNANSWERABLE] = [int(answers[row] is None) for row in rows]
        made["labels"] = [
            _target(window, answers[row]) for row, window in zip(rows, spans, strict=True)
        ]
    return made


def _shortened(question: str, tokenizer: PreTrainedTokenizerBase, pieces: int) -> str:
    found = tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)
    offsets = found["offset_mapping"]
    return question if len(offsets) <= pieces else question[: offsets[pieces - 1][1]]


def _target(spans: Sequence[tuple[int, int]], answer: Answer) -> list[int]:
    if answer is None:
        return [0, 0]
    inside = [
        place
        for place, (start, end) in enumerate(spans)
        if start < end and start < answer[1] and answer[0] < end
    ]
    if not inside or spans[inside[0]][0] > answer[0] or spans[inside[-1]][1] < answer[1]:
        return [0, 0]
    return [inside[0], inside[-1]]


def begin(model: Any, tokenizer: PreTrainedTokenizerBase, rows: Any) -> None:
    """Let the model say that there is no answer where train has questions without one."""
    if rows.scalars(UNANSWERABLE).any():
        setattr(model.config, THRESHOLD, 0.0)


def loss(model: Any, inputs: dict[str, Any]) -> Any:
    """Return the mean of the losses of first and last piece."""
    given = {name: values for name, values in inputs.items() if name != "labels"}
    start, end = inputs["labels"].unbind(dim=-1)
    return model(**given, start_positions=start, end_positions=end).loss


def infer(model: Any, inputs: dict[str, Any]) -> np.ndarray:
    """Return logits of each piece as first and as last, float32 of shape (rows, pieces, 2).

    Those of the first token say that there is no answer, less the model's threshold.
    """
    import torch

    given = {name: values for name, values in inputs.items() if name != "labels"}
    said = model(**given)
    made = torch.stack([said.start_logits, said.end_logits], dim=-1).float()
    limit = getattr(model.config, THRESHOLD, None)
    if limit is None:
        made[:, 0] = NEVER
    else:
        made[:, 0, 0] -= limit
    found: np.ndarray = made.cpu().numpy()
    return found


def settle(model: Any, predictions: Sequence[Said], targets: Sequence[Sequence[str]]) -> list[Said]:
    """Set the threshold that gives the highest F1 of these rows; return what is said under it."""
    limit = getattr(model.config, THRESHOLD, None)
    if limit is None:
        return list(predictions)
    more = threshold(predictions, targets)
    setattr(model.config, THRESHOLD, limit + more)
    return [each._replace(none=each.none - more) for each in predictions]


def decode(outputs: Sequence[Any], rows: Any, contexts: Sequence[str]) -> list[Said]:
    """Return the best span of each context over all its windows, and the case for no answer.

    Spans end no earlier than they begin and have ``LONGEST`` pieces at most. A window that speaks
    for an answer outvotes those that see none, as the answer is in one of them.
    """
    found = by_row(rows, outputs, len(contexts))
    return [_said(context, windows) for context, windows in zip(contexts, found, strict=True)]


def _said(context: str, windows: Sequence[tuple[Any, Any]]) -> Said:
    import numpy as np

    spans: dict[tuple[int, int], float] = {}
    none = float("inf")
    for window, output in windows:
        none = min(none, float(output[0][0] + output[0][1]))
        for value, start, end in _spans(window, output):
            spans[start, end] = max(value, spans.get((start, end), -float("inf")))
    if not spans:
        return Said("", 0, 0, 0.0, 0.0)
    ranked = sorted(spans.items(), key=lambda each: (-each[1], each[0]))[:BEST]
    (start, end), top = ranked[0]
    start += len(context[start:end]) - len(context[start:end].lstrip())
    values = np.asarray([value for _, value in ranked] + [none])
    weights = np.exp(values - values.max())
    chosen = weights[-1] if none > top else weights[0]
    return Said(context[start:end], start, end, float(chosen / weights.sum()), none - top)


def _spans(window: Any, output: Any) -> list[tuple[float, int, int]]:
    """Return the window's best spans: logit, first character, the one after the last."""
    import numpy as np

    begin, end = np.asarray(window[STARTS]), np.asarray(window[ENDS])
    inside = np.flatnonzero(end > begin)
    firsts = inside[np.argsort(-output[inside, 0], kind="stable")[:BEST]]
    lasts = inside[np.argsort(-output[inside, 1], kind="stable")[:BEST]]
    return [
        (float(output[first, 0] + output[last, 1]), int(begin[first]), int(end[last]))
        for first in firsts
        for last in lasts
        if first <= last < first + LONGEST
    ]
