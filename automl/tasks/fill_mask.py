"""Fill-mask: texts in, a masked language model at home in them out.

Words are hidden, and the model is judged by what it makes of the rest. Long texts are read in
pieces, whole. A model whose folder has no such head begins with a new one: how far that is from
knowing anything shows in what it is worth before training.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl.errors import Problem, RowError
from automl.plan import Scalar
from automl.tasks import ENCODER, MASKING, Columns, Labels, Metric, Task
from automl.tasks._text import IGNORED, TEXT_ROLES, load_model, texts

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from automl.jobs import SplitScore

MOST_GUESSES = 50
"""Tokens told for a mask, at most."""
_GIVEN = ("input_ids", "attention_mask")
_SHOWN = 10
_USAGE = """\
from transformers import pipeline

fill = pipeline("fill-mask", model={repository!r})
print(fill(f"Put a text with {{fill.tokenizer.mask_token}} here."))
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of a text with a mask of its own, and what it is worth: nothing is hidden."""

    worth: tuple[float, ...]
    masks: int
    guesses: tuple[tuple[str, float], ...]
    """Tokens with their probability, the most probable first."""


def _encode(
    columns: Columns, tokenizer: PreTrainedTokenizerBase, max_length: int, labels: Labels
) -> dict[str, list[Any]]:
    from automl.tasks import _masking

    return _masking.windows(texts(columns["text"]), tokenizer, max_length)


def _collator(tokenizer: PreTrainedTokenizerBase) -> Callable[[list[Any]], Any]:
    from automl.tasks import _masking

    return _masking.Hider(*_ids(tokenizer))


def _training_collator(
    tokenizer: PreTrainedTokenizerBase, seed: int, hyperparameters: Mapping[str, Scalar]
) -> Callable[[list[Any]], Any]:
    from automl.tasks import _masking

    return _masking.Hider(
        *_ids(tokenizer),
        seed,
        float(hyperparameters.get("mask_share", _masking.SHARE)),
        bool(hyperparameters.get("whole_words", False)),
    )


def _ids(tokenizer: PreTrainedTokenizerBase) -> tuple[int, int, int]:
    """Return the ids of mask and padding, and how many tokens there are."""
    from automl.errors import CandidateError

    if tokenizer.mask_token_id is None:
        raise CandidateError("its tokenizer has no mask token")
    return int(tokenizer.mask_token_id), int(tokenizer.pad_token_id), len(tokenizer)


def _build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    return load_model(TASK.auto_class, path, hyperparameters, trust_remote_code)


def _loss(model: Any, inputs: dict[str, Any]) -> Tensor:
    """Return the mean log loss of the hidden tokens; 0 where none is."""
    from torch.nn import functional

    said, hidden = _said(model, inputs)
    labels = inputs["labels"][hidden]
    return functional.cross_entropy(said[hidden].float(), labels, reduction="sum") / max(
        1, len(labels)
    )


def _said(model: Any, inputs: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Return the logits of all tokens, and where tokens are hidden."""
    logits = model(**{name: inputs[name] for name in _GIVEN}).logits
    return logits, inputs["labels"] != IGNORED


def _infer(model: Any, inputs: dict[str, Any]) -> list[tuple[np.ndarray, ...]]:
    """Return of each piece: its hidden tokens' log losses, which are guessed right, and the ids and
    probabilities of the best guesses at the mask it has itself.
    """
    logits, hidden = _said(model, inputs)
    found = []
    for row, places, labels, asked in zip(
        logits, hidden, inputs["labels"], inputs["asked"].tolist(), strict=True
    ):
        logs, true = row[places].float().log_softmax(dim=-1), labels[places]
        losses = -logs.gather(1, true[:, None])[:, 0]
        best = row[max(0, asked)].float().softmax(dim=-1).topk(min(MOST_GUESSES, row.shape[-1]))
        found.append(
            tuple(
                each.cpu().numpy()
                for each in (losses, logs.argmax(dim=-1) == true, best.indices, best.values)
            )
        )
    return found


def _decode(
    outputs: Sequence[Any],
    rows: Any,
    columns: Columns,
    tokenizer: PreTrainedTokenizerBase,
    labels: Labels,
) -> np.ndarray | list[Said]:
    """Return what each text's hidden words cost, float32 (rows, 6): nats, tokens, tokens guessed,
    words, words guessed, letters. Where texts have masks of their own, a list of what is ``Said``.
    """
    import numpy as np

    worth = np.zeros((len(columns["text"]), 6), dtype=np.float32)
    words: dict[tuple[int, int], bool] = {}
    filled: dict[int, tuple[tuple[str, float], ...]] = {}
    masks: dict[int, int] = {}
    for (losses, right, ids, chances), row in zip(
        outputs, (rows[index] for index in range(len(outputs))), strict=True
    ):
        at, asked = int(row["row"]), int(row["asked"])
        hidden = np.flatnonzero(row["hidden"])
        letters = np.asarray(row["letters"])[hidden].sum()
        worth[at] += losses.sum(), len(losses), right.sum(), 0, 0, letters
        for word, hit in zip(np.asarray(row["words"])[hidden], right, strict=True):
            words[at, int(word)] = words.get((at, int(word)), True) and bool(hit)
        if asked != -1:
            masks[at] = masks.get(at, 0) + (1 if asked >= 0 else 2)
            told = [str(tokenizer.decode([each])) for each in ids.tolist()]
            filled[at] = tuple(zip(told, chances.tolist(), strict=True))
    for (at, _), hit in words.items():
        worth[at, 3:5] += 1, hit
    if not masks:
        return worth
    return [
        Said(tuple(each.tolist()), masks.get(at, 0), filled.get(at, ()))
        for at, each in enumerate(worth)
    ]


def _worth(predicted: np.ndarray | list[Said]) -> np.ndarray:
    import numpy as np

    if isinstance(predicted, np.ndarray):
        return predicted.astype(np.float64)
    return np.asarray([each.worth for each in predicted], dtype=np.float64)


def _targets(columns: Columns, labels: Labels) -> None:
    """Return nothing: what is true of a text is in the text."""


def _score(predicted: Any, targets: None, labels: Labels) -> dict[str, float]:
    return _metrics(_worth(predicted))


def _metrics(worth: np.ndarray) -> dict[str, float]:
    import numpy as np

    nats, tokens, hits, words, word_hits, letters = worth.sum(axis=0)
    tokens, words, letters = (max(each, 1.0) for each in (tokens, words, letters))
    return {
        "bits_per_character": float(nats / np.log(2) / letters),
        "word_accuracy": float(word_hits / words),
        "token_accuracy": float(hits / tokens),
        "perplexity": float(np.exp(min(nats / tokens, 100.0))),
    }


def _report(
    predicted: Any, targets: None, columns: Columns, labels: Labels, seed: int
) -> SplitScore:
    """Return metrics with intervals, and the texts whose words were the hardest to guess."""
    import numpy as np

    from automl.jobs import SplitScore
    from automl.tasks import _bootstrap

    worth = _worth(predicted)
    bits = worth[:, 0] / np.log(2) / np.maximum(worth[:, 5], 1)
    return SplitScore(
        rows=len(worth),
        metrics=_metrics(worth),
        intervals=_bootstrap.intervals(lambda rows: _metrics(worth[rows]), len(worth), seed),
        per_class={},
        confusion=(),
        examples=tuple(
            {"text": columns["text"][row], "label": _hidden_words(columns["text"][row]),
             "score": float(bits[row])}
            for row in np.argsort(-bits, kind="stable")[:_SHOWN]
        ),
    )  # fmt: skip


def _hidden_words(text: str) -> str:
    from automl.tasks import _masking

    spans = _masking.spans(text)
    chosen = _masking.hidden(text, len(spans))
    return " ".join(text[slice(*span)] for span, one in zip(spans, chosen, strict=True) if one)


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, np.ndarray]:
    from automl.tasks import _masking

    asked = {name: texts(columns["text"]) for name, columns in others.items()}
    return _masking.guesses(texts(train["text"]), asked)


def _answers(predicted: Any, labels: Labels, top: int) -> list[dict[str, Any]]:
    """Return what stands at each text's mask; RowError where it has none, or several."""
    return [_answer(each, top, row) for row, each in enumerate(predicted)]


def _answer(said: Any, top: int, row: int) -> dict[str, Any]:
    masks = said.masks if isinstance(said, Said) else 0
    if masks != 1:
        found = "several masks" if masks else "no mask"
        hint = "write [MASK] where the one word is missing"
        raise RowError(Problem(f"the text has {found}; one word can be filled in", hint=hint), row)
    told = {"token": said.guesses[0][0], "score": said.guesses[0][1]}
    return {**told, "scores": dict(said.guesses[:top])} if top > 1 else told


def _usage(repository: str, max_length: int, roles: Collection[str] = ()) -> str:
    return _USAGE.format(repository=repository)


TASK = Task(
    name="fill-mask",
    pipeline_tag="fill-mask",
    auto_class="AutoModelForMaskedLM",
    mapping="MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    roles=(TEXT_ROLES[0],),
    metrics=(
        Metric(
            "bits_per_character",
            "minimize",
            "What the hidden words cost in bits, by their letters. The same words are hidden "
            "whatever the tokenizer, so models compare, but for one that can't tell capitals.",
        ),
        Metric("word_accuracy", "maximize", "Share of the hidden words guessed whole."),
        Metric("token_accuracy", "maximize", "Share of the hidden tokens guessed."),
        Metric(
            "perplexity", "minimize", "Of a hidden token; compares one tokenizer's models only."
        ),
    ),
    objective="bits_per_character",
    floor_description="frequencies of words, unknown ones spelt by the frequencies of letters",
    knobs=ENCODER - {"dropout"} | MASKING,
    evaluation_rows=2000,
    untrained=True,
    most_rate=1e-4,
    encode=_encode,
    build=_build,
    targets=_targets,
    score=_score,
    report=_report,
    floor=_floor,
    answers=_answers,
    says=("token", "score"),
    usage=_usage,
    collator=_collator,
    training_collator=_training_collator,
    infer=_infer,
    decode=_decode,
    loss=_loss,
)
"""Words that are missing from a text; what is learnt serves other tasks as a candidate."""
