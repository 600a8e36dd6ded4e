"""Preference: a causal language model learns which of two answers is preferred (DPO, ORPO).

What comes out generates. Knows no trial.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.plan import Scalar
from automl.tasks import PREFERENCE, Columns, Labels, Metric, Role, Task, _causal, _pairs
from automl.tasks._causal import AUTO_CLASS, MAPPING
from automl.tasks._pairs import PAIR_ROLES, SIDES, TARGETS

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from automl.jobs import SplitScore
    from automl.tasks._chat import Message

BETA, ODDS_WEIGHT = 0.1, 0.1
"""Defaults of TRL's DPO and ORPO."""
_CERTAIN = -1e-6
"""Mean log-probability above which the odds of an answer would overflow."""
_REWARD = f"reward ({BETA} times what training added to its log-probability)"
_USAGE = """\
from transformers import pipeline

generate = pipeline("text-generation", model={repository!r})
question = [{{"role": "user", "content": "Put a question here."}}]
print(generate(question, return_full_text=False)[0]["generated_text"])
"""


def _encode(
    columns: Columns, tokenizer: PreTrainedTokenizerBase, max_length: int, labels: Labels
) -> dict[str, list[Any]]:
    """Return both conversations' tokens, and under ``targets`` those of their last turns.

    Of one that is too long, the prompt loses its beginning, down to half of ``max_length``; then
    the answer its end.
    """

    def side(conversation: list[Message]) -> dict[str, Sequence[int]]:
        kept = _causal.cut(_causal.answer_tokens(tokenizer, conversation), max_length)
        mask = [1] * len(kept.ids)
        return {"input_ids": kept.ids, "attention_mask": mask, TARGETS: kept.labels}

    return _pairs.beside(columns, side)


def _build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    """Return the model without dropout: it is compared with what it was before training."""
    from torch import nn

    model = _causal.load(path, hyperparameters, trust_remote_code)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    model.automl_preference = {
        name: hyperparameters[name] for name in PREFERENCE if name in hyperparameters
    }
    return model


def _settings(model: Any) -> tuple[str, float, float]:
    """Return the loss, DPO's beta, and ORPO's weight of the odds that the model is trained by."""
    chosen = getattr(getattr(model, "module", model), "automl_preference", {})
    return (
        str(chosen.get("preference_loss", "dpo")),
        float(chosen.get("beta", BETA)),
        float(chosen.get("odds_weight", ODDS_WEIGHT)),
    )


def _begin(model: Any, tokenizer: PreTrainedTokenizerBase, rows: Any) -> None:
    import numpy as np

    sample = [np.asarray(rows[row][f"chosen_{TARGETS}"]) for row in range(min(len(rows), 1000))]
    counts = np.array([int((each >= 0).sum()) for each in sample])
    ends = sorted({int(each[each >= 0][-1]) for each in sample[:50]})
    _causal.settle(model, tokenizer, ends, _causal.nearly_longest(counts), chat=True)


def _sums(model: Any, inputs: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Return log-probability and tokens of every answer in the batch."""
    given = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    sums, counts, _ = _causal.row_sums(model, {**given, "labels": inputs[TARGETS]})
    return sums, counts


def _reference(model: Any, rows: Any, collate: Any, batch_size: int) -> Any:
    """Return the rows with the log-probabilities that the untrained model gives."""
    from dataclasses import replace

    import numpy as np
    import torch

    device = next(model.parameters()).device
    model.eval()
    found = []
    for start in range(0, len(rows), batch_size):
        stop = min(start + batch_size, len(rows))
        inputs = collate([rows[row] for row in range(start, stop)])
        with torch.no_grad():
            sums, _ = _sums(model, {name: values.to(device) for name, values in inputs.items()})
        found.append(_pairs.together(sums))
    known = np.concatenate(found)
    added = {f"reference_{side}": known[:, column] for column, side in enumerate(SIDES)}
    return replace(rows, columns={**rows.columns, **added})


def _loss(model: Any, inputs: dict[str, Any]) -> Any:
    kind, beta, weight = _settings(model)
    sums, counts = _sums(model, inputs)
    if kind == "orpo":
        return orpo_loss(sums, counts, weight)
    return dpo_loss(sums, [inputs.get(f"reference_{side}", 0.0) for side in SIDES], beta)


def dpo_loss(sums: Any, reference: Sequence[Any], beta: float) -> Any:
    """Return the sigmoid loss of Rafailov et al. 2023, eq. 7.

    ``sums`` are log-probabilities of all chosen answers, then of all rejected ones; ``reference``
    those of the model before training, of the chosen and of the rejected.
    """
    from torch.nn.functional import logsigmoid

    chosen, rejected = sums.chunk(2)
    gained = (chosen - reference[0]) - (rejected - reference[1])
    return -logsigmoid(beta * gained).mean()


def orpo_loss(sums: Any, counts: Any, weight: float) -> Any:
    """Return the loss of Hong et al. 2024, eq. 6: of what was chosen, and of its odds.

    Odds are of mean log-probabilities a token. Only answers are learnt, not prompts.
    """
    import torch
    from torch.nn.functional import logsigmoid

    chosen, rejected = (sums / counts.clamp(min=1)).clamp(max=_CERTAIN).chunk(2)
    odds = (chosen - rejected) - (
        torch.log(-torch.expm1(chosen)) - torch.log(-torch.expm1(rejected))
    )
    likelihood = sums.chunk(2)[0].sum() / counts.chunk(2)[0].sum().clamp(min=1)
    return -likelihood - weight * logsigmoid(odds).mean()


def _infer(model: Any, inputs: dict[str, Any]) -> np.ndarray:
    """Return each pair's rewards and mean log-probabilities a token, float32 of shape (rows, 4)."""
    import numpy as np

    rows = {name: inputs[name] for name in ("input_ids", "attention_mask", TARGETS)}
    sums, counts = _causal.in_parts(_sums, model, rows)
    gained = _pairs.together(sums)
    for column, side in enumerate(SIDES):
        if (before := inputs.get(f"reference_{side}")) is not None:
            gained[:, column] -= before.float().cpu().numpy()
    return np.hstack([BETA * gained, _pairs.together(sums / counts.clamp(min=1))])


def _score(judged: np.ndarray, targets: Any, labels: Labels) -> dict[str, float]:
    likelihood = _pairs.score(judged[:, 2:], targets, labels)["accuracy"]
    return {**_pairs.score(judged[:, :2], targets, labels), "likelihood_accuracy": likelihood}


def _report(
    judged: np.ndarray, targets: Any, columns: Columns, labels: Labels, seed: int
) -> SplitScore:
    return _pairs.report(judged, targets, columns, labels, seed, _score)


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, np.ndarray]:
    """Return judgements by split of which answer is longer: as rewards, and as likelihoods."""
    import numpy as np

    found = _pairs.by_length(train, others, labels, seed)
    return {name: np.hstack([judged, judged]) for name, judged in found.items()}


def _show(
    model: Any, tokenizer: PreTrainedTokenizerBase, columns: Columns, max_length: int
) -> list[dict[str, Any]]:
    chosen = [conversation for conversation, _ in _pairs.conversations(columns)]
    return _causal.show(model, tokenizer, chosen, max_length)


def _usage(repository: str, max_length: int, roles: Collection[str] = ()) -> str:
    return _USAGE.format(repository=repository)


TASK = Task(
    name="preference",
    pipeline_tag="text-generation",
    auto_class=AUTO_CLASS,
    mapping=MAPPING,
    roles=PAIR_ROLES,
    asks=(Role("prompt", "json", True, (*_pairs.PROMPTS, "messages", "text")),),
    metrics=(
        *_pairs.metrics(_REWARD),
        Metric(
            "likelihood_accuracy",
            "maximize",
            "Share of pairs whose chosen answer has the higher mean log-probability a token, "
            "whatever the model said before training.",
        ),
    ),
    objective="accuracy",
    floor_description=_pairs.LENGTH_DESCRIPTION,
    knobs=PREFERENCE,
    texts=2,
    usual_length=1024,
    rate=0.05,
    encode=_encode,
    build=_build,
    targets=_pairs.targets,
    score=_score,
    report=_report,
    floor=_floor,
    answers=_causal.answers,
    says=("completion",),
    usage=_usage,
    collator=_pairs.collator,
    infer=_infer,
    loss=_loss,
    begin=_begin,
    reference=_reference,
    lengths=_pairs.lengths,
    prepare=_pairs.prepare,
    respond=_causal.respond,
    show=_show,
)
"""Answers as people prefer them, from pairs of a chosen and a rejected one."""
