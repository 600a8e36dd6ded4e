"""What preference and reward share: pairs of answers to one prompt, read, checked, judged.

A judgement is two numbers a row, of the chosen and of the rejected answer; the larger one wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from automl.tasks import Columns, Labels, Malformed, Metric, Prepared, Role, _chat
from automl.tasks._causal import prompted
from automl.tasks._chat import ASSISTANT, Message, Misfit

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedTokenizerBase

    from automl.jobs import SplitScore

SIDES = ("chosen", "rejected")
PROMPTS = ("prompt", "question", "instruction", "query")
PAIR_ROLES = (
    Role("prompt", "json", False, PROMPTS),
    Role("chosen", "json", True, ("chosen", "chosen_response", "preferred", "accepted"),
         target=True),
    Role("rejected", "json", True, ("rejected", "rejected_response", "dispreferred"), target=True),
)  # fmt: skip
"""What was asked, unless both answers begin with it, and the answers to it."""
TARGETS = "targets"
_SHOWN = 10
_TURN = "\n\nAssistant:"
"""What opens an answer in transcripts such as those of Anthropic's HH."""


def metrics(what: str) -> tuple[Metric, ...]:
    """Return the metrics of judgements by ``what``."""
    return (
        Metric("accuracy", "maximize",
               f"Share of pairs whose chosen answer has the higher {what}; a tie counts half."),
        Metric("margin", "maximize", f"Mean {what} of chosen answers less that of rejected ones."),
        Metric("log_loss", "minimize",
               "Mean negative log-probability of the choice, the margin taken as its log-odds."),
    )  # fmt: skip


# -- reading ------------------------------------------------------------------------------------


def prepare(columns: Columns) -> Prepared:
    """Bring pairs to one form, their common beginning under ``prompt``.

    Malformed is a row whose answers are the same, have no prompt, or are no answers.
    """
    names = ("prompt", *SIDES)
    stored: dict[str, list[Any]] = {
        **{name: [] for name in names},
        **{name: list(values) for name, values in columns.items() if name not in names},
    }
    malformed = []
    for number, row in enumerate(_chat.read(columns, *names)):
        try:
            parts = _parts(*row)
        except Misfit as error:
            malformed.append(Malformed(number, error.rule, error.hint))
            continue
        for name, part in zip(names, parts, strict=True):
            stored[name].append(_chat.stored(part))
    return Prepared(stored, (), tuple(malformed))


def _parts(prompt: Any, chosen: Any, rejected: Any) -> tuple[list[Message], ...]:
    given = None if prompt is None else _chat.value(prompt)
    one, other = _chat.value(chosen), _chat.value(rejected)
    if isinstance(one, str) and isinstance(other, str):
        given, one, other = _texts(given, one, other)
    pair = [
        _chat.messages(value, side, ASSISTANT)
        for side, value in zip(SIDES, (one, other), strict=True)
    ]
    asked = _beginning(pair) if given is None else prompted(given)
    if not asked:
        raise Misfit(
            "chosen and rejected begin with no common prompt, and there is no column for it",
            "name its column under data: columns: {prompt: ...}",
        )
    pair = [each[len(asked) :] if each[: len(asked)] == asked else each for each in pair]
    for side, answer in zip(SIDES, pair, strict=True):
        if not answer or answer[0]["role"] != ASSISTANT:
            raise Misfit(f"{side} does not go on from the prompt with an assistant's turn")
        _chat.answered(answer, side)
    if pair[0] == pair[1]:
        raise Misfit("chosen and rejected are the same answer", "remove the row")
    return _chat.asked(asked, "prompt"), *pair


def _texts(given: Any, one: str, other: str) -> tuple[Any, str, str]:
    """Return prompt and answers of two texts, which may begin with it."""
    if isinstance(given, str):
        begun = given.strip() and one.startswith(given) and other.startswith(given)
        size = len(given) if begun else 0
        return given, one[size:].lstrip(), other[size:].lstrip()
    if given is not None:
        return given, one, other
    common = one[: _chat.agreeing(one, other)]
    turn = common.rfind(_TURN)
    size = turn + len(_TURN) if turn >= 0 else _word_end(common)
    return (common[:size].strip() or None), one[size:].lstrip(), other[size:].lstrip()


def _word_end(common: str) -> int:
    """Return how much of what two texts begin with is whole words, blanks after them included."""
    return max(common.rfind(blank) for blank in " \n") + 1


def _beginning(pair: Sequence[Sequence[Message]]) -> list[Message]:
    """Return the messages that both begin with, up to the last turn of either."""
    one, other = pair
    most = min(len(one), len(other)) - 1
    size = next((at for at in range(most) if one[at] != other[at]), most)
    return list(one[:size])


def conversations(columns: Columns) -> Iterator[tuple[list[Message], list[Message]]]:
    """Yield each stored row's conversation with the chosen, and with the rejected answer."""
    for row in _chat.read(columns, "prompt", *SIDES):
        asked, chosen, rejected = (_chat.value(part) for part in row)
        yield [*asked, *chosen], [*asked, *rejected]


# -- batches ------------------------------------------------------------------------------------


def beside(
    columns: Columns, encode: Callable[[list[Message]], Mapping[str, Sequence[int]]]
) -> dict[str, list[Any]]:
    """Return what ``encode`` makes of both conversations of a row, by ``chosen_`` and input."""
    found: dict[str, list[Any]] = {}
    for pair in conversations(columns):
        for side, conversation in zip(SIDES, pair, strict=True):
            for name, values in encode(conversation).items():
                found.setdefault(f"{side}_{name}", []).append(list(values))
    return found


@dataclass(frozen=True, slots=True)
class PairCollator:
    """Makes a batch of twice as many rows: all that were chosen, then all that were rejected."""

    padder: Callable[[list[Any]], dict[str, Any]]

    def __call__(self, rows: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Return input name → tensor of shape (2 × rows, longest); of other columns (rows,)."""
        import numpy as np
        import torch

        first = f"{SIDES[0]}_"
        names = [name.removeprefix(first) for name in rows[0] if name.startswith(first)]
        sides = [{n: row[f"{side}_{n}"] for n in names} for side in SIDES for row in rows]
        rest = [name for name in rows[0] if not name.startswith(tuple(f"{s}_" for s in SIDES))]
        return {
            **self.padder(sides),
            **{name: torch.from_numpy(np.asarray([row[name] for row in rows])) for name in rest},
        }


def collator(tokenizer: PreTrainedTokenizerBase) -> PairCollator:
    """Return what pads pairs for the tokenizer's model."""
    from automl.tasks import _text

    padder = _text.padder(tokenizer)
    return PairCollator(replace(padder, fill={**padder.fill, TARGETS: _text.IGNORED}))


def lengths(encoded: Mapping[str, Sequence[Any]]) -> list[int]:
    """Return the tokens of each row's longer side."""
    sides = [encoded[f"{side}_input_ids"] for side in SIDES]
    return [max(map(len, pair)) for pair in zip(*sides, strict=True)]


def together(judged: Any) -> np.ndarray:
    """Return a batch's judgements, chosen first, as float32 of shape (rows, 2)."""
    import torch

    found: np.ndarray = torch.stack(judged.detach().float().chunk(2), dim=1).cpu().numpy()
    return found


# -- judging ------------------------------------------------------------------------------------


def targets(columns: Columns, labels: Labels) -> np.ndarray:
    """Return nothing: the chosen answer's number is the first of each row's two."""
    import numpy as np

    return np.zeros((len(columns[SIDES[0]]), 0), dtype=np.float32)


def score(judged: np.ndarray, targets: Any, labels: Labels) -> dict[str, float]:
    """Return every metric."""
    import numpy as np

    margin = judged[:, 0].astype(np.float64) - judged[:, 1]
    return {
        "accuracy": float(((margin > 0) + (margin == 0) / 2).mean()),
        "margin": float(margin.mean()),
        "log_loss": float(np.logaddexp(0, -margin).mean()),
    }


def report(
    judged: np.ndarray,
    targets: Any,
    columns: Columns,
    labels: Labels,
    seed: int,
    score: Callable[[np.ndarray, Any, Labels], dict[str, float]] = score,
) -> SplitScore:
    """Return metrics with intervals and the pairs that are furthest from what was preferred."""
    import numpy as np

    from automl.tasks import _bootstrap

    margin = judged[:, 0] - judged[:, 1]
    worst = [row for row in np.argsort(margin, kind="stable")[:_SHOWN] if margin[row] < 0]
    examples = (
        {**{role: columns[role][row] for role in ("prompt", *SIDES)}, "margin": float(margin[row])}
        for row in worst
    )
    return _bootstrap.report(
        lambda rows: score(judged[rows], targets, labels), len(judged), seed, examples
    )


# -- floors -------------------------------------------------------------------------------------

LENGTH_DESCRIPTION = "the longer answer, or the shorter where that is right more often in training"


def by_length(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, np.ndarray]:
    """Return judgements by split: which answer is longer, weighed by its log-odds in ``train``."""
    import numpy as np

    signs = _longer(train)
    share = (np.sum(signs > 0) + 1) / (np.sum(signs != 0) + 2)
    weight = np.log(share / (1 - share))
    judged = {name: _longer(columns) * weight / 2 for name, columns in others.items()}
    return {name: np.stack([each, -each], 1).astype(np.float32) for name, each in judged.items()}


def _longer(columns: Columns) -> np.ndarray:
    """Return 1 where the chosen answer is the longer one, −1 where it is the shorter, else 0."""
    import numpy as np

    sizes = [[len(said(conversation)) for conversation in pair] for pair in conversations(columns)]
    return np.sign(np.diff(sizes, axis=1).reshape(-1)) * -1.0


def said(conversation: Sequence[Message]) -> str:
    """Return the last turn's text."""
    return conversation[-1]["content"]
