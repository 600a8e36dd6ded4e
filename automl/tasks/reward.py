"""Reward: a model learns to give an answer a number, from pairs of a chosen and a rejected one.

Bradley and Terry 1952: how much likelier one answer is to be preferred is how much more it is
worth. Encoders and decoders alike. Knows no trial.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.errors import DataError
from automl.tasks import ENCODER, Columns, Labels, Role, Task, _chat, _pairs
from automl.tasks._chat import ASSISTANT, Message, Misfit
from automl.tasks._pairs import PAIR_ROLES
from automl.tasks._text import load_scorer

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedTokenizerBase

MARGIN = "margin"
_USAGE = """\
from transformers import pipeline

score = pipeline(
    "text-classification",
    model={repository!r},
    function_to_apply="none",
    truncation=True,
    max_length={max_length},
)
messages = [
    {{"role": "user", "content": "Put a question here."}},
    {{"role": "assistant", "content": "Put an answer here."}},
]
print(score(score.tokenizer.apply_chat_template(messages, tokenize=False))[0]["score"])
"""
_TEMPLATE = _chat.DEFAULT_TEMPLATE.removeprefix("{{ bos_token }}")
"""For tokenizers without one: they begin the text themselves."""


def _encode(
    columns: Columns, tokenizer: PreTrainedTokenizerBase, max_length: int, labels: Labels
) -> dict[str, list[Any]]:
    """Return both conversations as the pipeline reads them; too long ones lose the beginning."""
    found = _pairs.beside(columns, lambda each: _inputs(tokenizer, each, max_length))
    if MARGIN in columns:
        found[MARGIN] = [float(value) for value in columns[MARGIN]]
    return found


def _inputs(
    tokenizer: PreTrainedTokenizerBase, conversation: Sequence[Message], max_length: int
) -> Mapping[str, Sequence[int]]:
    _settle(tokenizer)
    text = _chat.render(tokenizer, conversation)
    return dict(tokenizer(text, truncation=True, max_length=max_length))


def _settle(tokenizer: Any) -> None:
    """See that the tokenizer has a template, and cuts what is furthest from the answer."""
    if not getattr(tokenizer, "chat_template", None):
        tokenizer.chat_template = _TEMPLATE
    tokenizer.truncation_side = "left"
    tokenizer.init_kwargs["truncation_side"] = "left"  # what is saved with the model


def _begin(model: Any, tokenizer: PreTrainedTokenizerBase, rows: Any) -> None:
    _settle(tokenizer)


def _rewards(model: Any, inputs: Mapping[str, Any]) -> Any:
    given = {name: values for name, values in inputs.items() if name != MARGIN}
    return model(**given).logits.squeeze(-1).float()


def _loss(model: Any, inputs: dict[str, Any]) -> Any:
    """Return the negative log-probability of the choices; by ``margin`` they are worth more."""
    from torch.nn.functional import logsigmoid

    chosen, rejected = _rewards(model, inputs).chunk(2)
    return -logsigmoid(chosen - rejected - inputs.get(MARGIN, 0.0)).mean()


def _infer(model: Any, inputs: dict[str, Any]) -> np.ndarray:
    """Return the rewards of the chosen and of the rejected answers, float32 of shape (rows, 2)."""
    return _pairs.together(_rewards(model, inputs))


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, np.ndarray]:
    """Return judgements by split of a linear model of the answers' words."""
    from automl.tasks import _tfidf

    return _tfidf.preferences(
        _answered(train), {name: _answered(each) for name, each in others.items()}, seed
    )


def _answered(columns: Columns) -> tuple[list[str], list[str]]:
    """Return the chosen and the rejected answers' texts."""
    pairs = list(_pairs.conversations(columns))
    return [_pairs.said(one) for one, _ in pairs], [_pairs.said(other) for _, other in pairs]


def _respond(
    model: Any, tokenizer: PreTrainedTokenizerBase, columns: Columns, max_length: int
) -> np.ndarray:
    """Return the rewards of each row's ``completion`` after its ``prompt``; float32 (rows, 1)."""
    import numpy as np
    import torch

    from automl.tasks import _text

    try:
        whole = [_conversation(*row) for row in _chat.read(columns, "prompt", "completion")]
    except Misfit as error:
        raise DataError(error.rule) from None
    rows = [_inputs(tokenizer, each, max_length) for each in whole]
    device = next(model.parameters()).device
    batch = _text.padder(tokenizer)(rows)
    with torch.no_grad():
        found = _rewards(model, {name: values.to(device) for name, values in batch.items()})
    rewards: np.ndarray = found.cpu().numpy().reshape(-1, 1).astype(np.float32)
    return rewards


def _conversation(prompt: Any, completion: Any) -> list[Message]:
    answer = _chat.messages(completion, "completion", ASSISTANT)
    if prompt is not None and str(_chat.value(prompt)).strip():
        return [*_chat.messages(prompt, "prompt"), *answer]
    return answer


def _answers(rewards: np.ndarray, labels: Labels, top: int) -> list[dict[str, Any]]:
    return [{"score": float(value)} for value in rewards.reshape(-1)]


def _usage(repository: str, max_length: int, roles: Collection[str] = ()) -> str:
    return _USAGE.format(repository=repository, max_length=max_length)


TASK = Task(
    name="reward",
    pipeline_tag="text-classification",
    auto_class="AutoModelForSequenceClassification",
    mapping="MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    roles=(*PAIR_ROLES, Role(MARGIN, "number", False, (MARGIN,))),
    asks=(
        Role("completion", "json", True,
             ("completion", "response", "answer", "output", "messages", "text", "chosen")),
        Role("prompt", "json", False, _pairs.PROMPTS),
    ),
    metrics=_pairs.metrics("reward"),
    objective="accuracy",
    floor_description=(
        "TF-IDF of the answers' words (1-2) and of characters within words (2-5), logistic "
        "regression of their differences with C=10"
    ),
    knobs=ENCODER | {"pooling"},
    texts=2,
    usual_length=1024,
    encode=_encode,
    build=load_scorer,
    targets=_pairs.targets,
    score=_pairs.score,
    report=_pairs.report,
    floor=_floor,
    answers=_answers,
    says=("score",),
    usage=_usage,
    collator=_pairs.collator,
    infer=_infer,
    loss=_loss,
    begin=_begin,
    lengths=_pairs.lengths,
    prepare=_pairs.prepare,
    respond=_respond,
)  # fmt: skip
"""A number for an answer: the higher, the likelier it is preferred."""
