"""Sentence similarity: texts in, embeddings out, whose cosine says how alike texts are.

Trained on pairs with scores, on pairs alike or not, on queries with what answers them, or with what
does not as well: the columns that are there decide, and with them what is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from automl.plan import Scalar
from automl.tasks import ENCODER, Columns, Labels, Malformed, Metric, Prepared, Role, Task
from automl.tasks import _embedding as embedding
from automl.tasks._text import CLASS_COLUMNS, PAIR, TEXT_ROLES, texts

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from automl.jobs import SplitScore

_TEXTS = ("text", PAIR, "negative")
_EXTRAS = ("negative", "score", "label")
"""What may be told of two texts; of several columns, the first in this order counts."""
_YES, _NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")
_TEMPERATURE = 0.05
_USAGE = """\
from sentence_transformers import SentenceTransformer

model = SentenceTransformer({repository!r})
one, other = model.encode(["Put a text here.", "Put the other one here."])
print(model.similarity(one, other))
"""


def _prepare(columns: Columns) -> Prepared:
    """Return the texts and the one thing that is told of them; 0 or 1 where they are alike."""
    told = [name for name in _EXTRAS if name in columns]
    found: dict[str, Sequence[Any]] = {
        name: values for name, values in columns.items() if name not in told[1:]
    }
    notes = [f"{name} is not looked at, because {told[0]} is there" for name in told[1:]]
    malformed: tuple[Malformed, ...] = ()
    if told[:1] == ["label"]:
        found["label"], malformed = _decided([str(value) for value in columns["label"]])
    if told[:1] == ["score"]:
        notes += _range(columns["score"])
    return Prepared(found, tuple(notes), malformed)


def _decided(values: Sequence[str]) -> tuple[list[str], tuple[Malformed, ...]]:
    """Return 1 for like and 0 for unlike; of a name and ``not_`` that name, the first is like."""
    there = {value.casefold() for value in values}
    negated = {value for value in there if value.startswith("not_")}
    no = {*_NO, *negated}
    yes = {*_YES, *(value.removeprefix("not_") for value in negated)}
    hint = "write 1 and 0; for scores, under data: columns: {score: <column>}"
    malformed = tuple(
        Malformed(row, f"label {value!r} says neither that the texts are alike nor not", hint)
        for row, value in enumerate(values)
        if value.casefold() not in yes | no
    )
    return ["1" if value.casefold() in yes else "0" for value in values], malformed


def _range(scores: Sequence[float]) -> list[str]:
    low, high = min(scores, default=0), max(scores, default=1)
    if low >= -1 and high <= 1:
        return []
    return [f"scores go from {low:g} to {high:g}; where cosines are needed, train's are 0 to 1"]


def _encode(
    columns: Columns, tokenizer: PreTrainedTokenizerBase, max_length: int, labels: Labels
) -> dict[str, list[Any]]:
    """Return each text's tokens by itself; ``labels`` are scores as floats, or 0 and 1 as whole."""
    found: dict[str, list[Any]] = {}
    for role in (name for name in _TEXTS if name in columns):
        inputs = tokenizer(texts(columns[role]), truncation=True, max_length=max_length)
        for name in ("input_ids", "attention_mask"):
            found[_input(role, name)] = list(inputs[name])
    if "score" in columns:
        found["labels"] = [float(value) for value in columns["score"]]
    elif "label" in columns:
        found["labels"] = [int(value) for value in columns["label"]]
    return found


def _input(role: str, name: str) -> str:
    return name if role == "text" else f"{role}_{name}"


def _lengths(encoded: Mapping[str, Sequence[Any]]) -> list[int]:
    """Return the tokens of each row's longest text."""
    every = [values for name, values in encoded.items() if name.endswith("input_ids")]
    return [max(map(len, row)) for row in zip(*every, strict=True)]


def _collator(tokenizer: PreTrainedTokenizerBase) -> Callable[[list[Any]], Any]:
    from automl.tasks._text import Padder

    return Padder({_input(role, "input_ids"): int(tokenizer.pad_token_id) for role in _TEXTS})


def _build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    model = embedding.load(path, hyperparameters, trust_remote_code)
    model.automl_options = dict(hyperparameters)
    return model


def _begin(model: Any, tokenizer: PreTrainedTokenizerBase, rows: Any) -> None:
    """Note how far the train scores reach: as cosines they are to be from 0 to 1."""
    if "labels" in rows.columns:
        scores = rows.scalars("labels")
        low, high = float(scores.min()), float(scores.max())
        inside = low >= -1 and high <= 1
        model.automl_range = (0.0, 1.0) if inside else (low, high - low)


def _embeddings(model: Any, inputs: Mapping[str, Any]) -> list[Tensor]:
    """Return the embeddings of each text that rows have: (rows, dimensions) each."""
    return [
        embedding.embed(
            model, inputs[_input(role, "input_ids")], inputs[_input(role, "attention_mask")]
        )
        for role in _TEXTS
        if _input(role, "input_ids") in inputs
    ]


def _loss(model: Any, inputs: dict[str, Any]) -> Any:
    """Return the loss that goes with what is told of the texts.

    With ``matryoshka``, the mean of the losses of the embeddings' first so many dimensions, each
    again of length 1 (Kusupati et al. 2022).
    """
    import torch
    from torch.nn import functional

    bare = getattr(model, "module", model)
    options: Mapping[str, Scalar] = getattr(bare, "automl_options", {})
    whole = _embeddings(model, inputs)
    sizes = nested_sizes(whole[0].shape[1], int(options.get("matryoshka", 0)))
    losses = []
    for size in sizes:
        cut = [functional.normalize(each[:, :size], dim=1) for each in whole]
        losses.append(_told_loss(cut, inputs, options, getattr(bare, "automl_range", (0.0, 1.0))))
    return torch.stack(losses).mean()


def nested_sizes(dimensions: int, smallest: int) -> list[int]:
    """Return the smallest size, twice that, and so on, and all dimensions; 0 means these alone."""
    sizes = []
    while 0 < smallest < dimensions:
        sizes.append(smallest)
        smallest *= 2
    return [*sizes, dimensions]


def _told_loss(
    embedded: Sequence[Tensor],
    inputs: Mapping[str, Any],
    options: Mapping[str, Scalar],
    span: tuple[float, float],
) -> Tensor:
    from automl.tasks import _contrast

    temperature = float(options.get("temperature", _TEMPERATURE))
    told = inputs.get("labels")
    if told is None:
        return _ranking(embedded, inputs, temperature)
    one, other = embedded[:2]
    if not told.is_floating_point():
        return _contrast.contrast(one, other, told, options.get("pair_loss", "online") == "online")
    if options.get("score_loss", "cosent") == "cosent":
        return _contrast.order(one, other, told, temperature)
    return _contrast.distance(one, other, (told.float() - span[0]) / span[1])


def _ranking(embedded: Sequence[Tensor], inputs: Mapping[str, Any], temperature: float) -> Tensor:
    import torch

    from automl.tasks import _contrast

    queries = _numbered([inputs["input_ids"]], [inputs["attention_mask"]])
    roles = [role for role in _TEXTS[1:] if _input(role, "input_ids") in inputs]
    documents = _numbered(
        [inputs[_input(role, "input_ids")] for role in roles],
        [inputs[_input(role, "attention_mask")] for role in roles],
    )
    relevant = _contrast.relevant(queries, documents)
    return _contrast.ranking(embedded[0], torch.cat(list(embedded[1:])), relevant, temperature)


def _numbered(ids: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
    """Return a number for each text, by its tokens: equal texts have the same."""
    import torch
    from torch.nn import functional

    width = max(each.shape[1] for each in ids)
    bare = [each.masked_fill(mask == 0, -1) for each, mask in zip(ids, masks, strict=True)]
    table = torch.cat([functional.pad(each, (0, width - each.shape[1]), value=-1) for each in bare])
    numbers: Tensor = torch.unique(table, dim=0, return_inverse=True)[1]
    return numbers


def _infer(model: Any, inputs: dict[str, Any]) -> np.ndarray:
    """Return the embeddings, float32 (rows, texts, dimensions)."""
    import torch

    found: np.ndarray = torch.stack(_embeddings(model, inputs), dim=1).cpu().numpy()
    return found


def _targets(columns: Columns, labels: Labels) -> Any:
    from automl.tasks import _similarity

    return _similarity.truth(columns)


def _judged(predicted: np.ndarray, targets: Any) -> np.ndarray:
    """Return what metrics are made of: a floor has said just that, a model embeddings."""
    from automl.tasks import _similarity

    if predicted.ndim == 2:
        return predicted
    return _similarity.judged([predicted[:, text] for text in range(predicted.shape[1])], targets)


def _score(predicted: np.ndarray, targets: Any, labels: Labels) -> dict[str, float]:
    from automl.tasks import _similarity

    return _similarity.score(_judged(predicted, targets), targets)


def _report(
    predicted: np.ndarray, targets: Any, columns: Columns, labels: Labels, seed: int
) -> SplitScore:
    from automl.tasks import _similarity

    return _similarity.report(_judged(predicted, targets), targets, columns, seed)


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, np.ndarray]:
    from automl.tasks import _similarity, _tfidf

    roles = [role for role in _TEXTS if role in train]
    weighed = _tfidf.weighed(train, others, roles)
    return {
        name: _similarity.judged(weighed[name], _similarity.truth(columns))
        for name, columns in others.items()
    }


def _answers(predicted: np.ndarray, labels: Labels, top: int) -> list[dict[str, Any]]:
    """Return the cosine of two texts, or the embedding of one."""
    if predicted.shape[1] == 1:
        return [{"embedding": row[0].tolist()} for row in predicted]
    return [{"score": float(row[0] @ row[1])} for row in predicted]


def _usage(repository: str, max_length: int, roles: Collection[str] = ()) -> str:
    return _USAGE.format(repository=repository)


_SCORES = (
    Metric("spearman", "maximize", "Rank correlation of the cosines with the scores."),
    Metric("pearson", "maximize", "Linear correlation of the cosines with the scores."),
)
_DECISIONS = (
    Metric("average_precision", "maximize", "Area under precision and recall, by cosine."),
    Metric("roc_auc", "maximize", "Share of like and unlike pairs in order; 0.5 is chance."),
    Metric("accuracy", "maximize", "Share of right decisions, at these rows' best cosine."),
)  # fmt: skip
_RANKINGS = (
    Metric("ndcg_at_10", "maximize", "What the first ten documents are worth, the best first."),
    Metric("mrr_at_10", "maximize", "One over the first right document's place, 0 beyond ten."),
    Metric("recall_at_1", "maximize", "Share of a query's right documents that come first."),
    Metric("recall_at_5", "maximize", "The same of those among the first five."),
    Metric("recall_at_10", "maximize", "The same of those among the first ten."),
)  # fmt: skip
_TRIPLETS = (
    Metric("triplet_accuracy", "maximize", "Share of rows whose right text is nearer."),
    *_RANKINGS,
)
_EMBEDDER = ENCODER - {"dropout"} | {"embedding_pooling", "matryoshka"}
_BY_FORM: Mapping[str, tuple[tuple[Metric, ...], frozenset[str]]] = {
    "scores": (_SCORES, frozenset({"score_loss", "temperature"})),
    "decisions": (_DECISIONS, frozenset({"pair_loss"})),
    "triplets": (_TRIPLETS, frozenset({"temperature"})),
    "pairs": (_RANKINGS, frozenset({"temperature"})),
}
"""Metrics, the one to optimise first, and the hyperparameters of the loss."""


def _narrow(roles: Collection[str]) -> Task:
    """Return the task with the metrics and the loss that these columns allow."""
    form = next((name for name in _EXTRAS if name in roles), PAIR)
    names = {"negative": "triplets", "score": "scores", "label": "decisions", PAIR: "pairs"}
    metrics, knobs = _BY_FORM[names[form]]
    return replace(TASK, metrics=metrics, objective=metrics[0].name, knobs=_EMBEDDER | knobs)


TASK = Task(
    name="sentence-similarity",
    pipeline_tag="sentence-similarity",
    library="sentence-transformers",
    auto_class=embedding.AUTO_CLASS,
    mapping="MODEL_MAPPING_NAMES",
    roles=(
        Role("text", "text", True, (*TEXT_ROLES[0].conventional, "anchor", "query", "question")),
        Role(PAIR, "text", True, (*TEXT_ROLES[1].conventional, "positive", "pos", "answer",
                                  "passage", "document", "context"), asked="optional"),
        Role("negative", "text", False, ("negative", "neg", "hard_negative", "negative_1"),
             asked="never"),
        Role("score", "number", False, ("score", "scores", "similarity", "similarity_score",
                                        "relatedness", "relatedness_score")),
        Role("label", "class", False, (*CLASS_COLUMNS, "is_duplicate", "duplicate", "paraphrase")),
    ),
    metrics=(*_SCORES, *_DECISIONS, *_TRIPLETS),
    objective="spearman",
    floor_description="TF-IDF of words (1-2) and of characters within words (2-5), cosine",
    knobs=_EMBEDDER.union(*(knobs for _, knobs in _BY_FORM.values())),
    together="text",
    evaluation_rows=10_000,
    untrained=True,
    most_rate=1e-4,
    narrow=_narrow,
    encode=_encode,
    build=_build,
    targets=_targets,
    score=_score,
    report=_report,
    floor=_floor,
    answers=_answers,
    says=("score", "embedding"),
    usage=_usage,
    collator=_collator,
    infer=_infer,
    loss=_loss,
    begin=_begin,
    lengths=_lengths,
    prepare=_prepare,
    files=embedding.modules,
)  # fmt: skip
"""Embeddings from an encoder (or decoder), trained on what the columns tell of two texts."""
