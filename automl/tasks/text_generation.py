"""Text generation: a causal language model learns texts, or the answers of conversations.

Of a conversation only what the assistant says is learnt, of a plain text all. Knows no trial.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.plan import Scalar
from automl.tasks import (
    PACKING,
    Columns,
    Labels,
    Malformed,
    Metric,
    Prepared,
    Role,
    Task,
    _causal,
    _chat,
    _packing,
)
from automl.tasks._causal import AUTO_CLASS, MAPPING, ROW, TURNS
from automl.tasks._chat import ASSISTANT, Message, Misfit
from automl.tasks._text import padder

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from automl.jobs import SplitScore
    from automl.tasks._bytes import Passage
    from automl.tasks._causal import Tokens

_BYTES = "bytes"
"""Encoded column: bytes of what is learnt of a row, with its first piece."""
_WORDS = 8
"""Words of a text that the model is shown going on with."""
_USAGE = """\
from transformers import pipeline

generate = pipeline("text-generation", model={repository!r})
print(generate({example}, return_full_text=False)[0]["generated_text"])
"""
_TURN = '[{"role": "user", "content": "Put a question here."}]'


def _prepare(columns: Columns) -> Prepared:
    """Bring conversations to one form; a row that is none, or has no answer, is malformed."""
    if "text" in columns:
        return Prepared(columns)
    stored: dict[str, list[Any]] = {name: [] for name in columns}
    malformed = []
    rows = _chat.read(columns, *columns)
    for number, row in enumerate(rows):
        values = dict(zip(columns, row, strict=True))
        try:
            _conversation(values)
        except Misfit as error:
            malformed.append(Malformed(number, error.rule, error.hint))
            continue
        for name, value in values.items():
            stored[name].append(
                _chat.stored(_conversation(values)) if name == "messages" else value
            )
    return Prepared(stored, (), tuple(malformed))


def _conversation(row: Mapping[str, Any]) -> list[Message]:
    if row.get("messages") is not None:
        return _chat.answered(_chat.messages(row["messages"], "messages"), "messages")
    answer = _chat.messages(row["completion"], "completion", ASSISTANT)
    asked = _chat.asked(_causal.prompted(row["prompt"], row.get("input")), "prompt")
    return [*asked, *_chat.answered(answer, "completion")]


def _conversations(columns: Columns) -> Iterator[list[Message]]:
    for row in _chat.read(columns, *columns):
        yield _conversation(dict(zip(columns, row, strict=True)))


def _said(conversation: Sequence[Message]) -> list[str]:
    return [each["content"] for each in conversation if each["role"] == ASSISTANT]


def _encode(
    columns: Columns, tokenizer: PreTrainedTokenizerBase, max_length: int, labels: Labels
) -> dict[str, list[Any]]:
    """Return tokens with what is learnt under ``labels``.

    A long plain text becomes several rows, each with the end of the one before as context, so that
    nothing is lost; a long conversation is cut.
    """
    found: dict[str, list[Any]] = {
        name: [] for name in ("input_ids", "attention_mask", "labels", ROW, TURNS, _BYTES)
    }
    for row, turns, size, piece in _pieces(columns, tokenizer, max_length):
        found["input_ids"].append(list(piece.ids))
        found["attention_mask"].append([1] * len(piece.ids))
        found["labels"].append(piece.labels)
        found[ROW].append(row)
        found[TURNS].append(turns)
        found[_BYTES].append(size)
    return found


def _pieces(
    columns: Columns, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> Iterator[tuple[int, int, int, Tokens]]:
    """Yield row, turns, bytes and tokens of each encoded row."""
    if "text" in columns:
        for row, text in enumerate(columns["text"]):
            size = len(text.encode())
            for piece in _causal.windows(_causal.text_tokens(tokenizer, text), max_length):
                yield row, 0, size, piece
                size = 0
        return
    for row, conversation in enumerate(_conversations(columns)):
        several = _causal.conversation_tokens(tokenizer, conversation)
        said = _said(conversation)
        for number, whole in enumerate(several):
            kept = _causal.cut(whole, max_length)
            told = said if len(several) == 1 else said[number : number + 1]
            yield row, len(told), _causal.told_bytes(tokenizer, whole, kept, told), kept


def _build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    model = _causal.load(path, hyperparameters, trust_remote_code)
    if hyperparameters.get("packing", False):
        _packing.check(model)
    return model


def _training_collator(
    tokenizer: PreTrainedTokenizerBase, seed: int, hyperparameters: Mapping[str, Scalar]
) -> Callable[[list[Any]], Any]:
    if hyperparameters.get("packing", False):
        return _packing.Packer(tokenizer.pad_token_id)
    return padder(tokenizer)


def _begin(model: Any, tokenizer: PreTrainedTokenizerBase, rows: Any) -> None:
    import numpy as np

    chat = bool(rows.scalars(TURNS).any())
    sample = [rows[row]["labels"] for row in range(min(len(rows), 1000))]
    counts = np.array([int((np.asarray(each) >= 0).sum()) for each in sample])
    longest = _causal.nearly_longest(counts) if chat else _causal.PLAIN_NEW_TOKENS
    ends = {int(each[np.nonzero(np.asarray(each) >= 0)[0][-1]]) for each in sample[:50] if chat}
    _causal.settle(model, tokenizer, sorted(ends), longest, chat=chat)


def _infer(model: Any, inputs: dict[str, Any]) -> np.ndarray:
    """Return nats, tokens and rightly guessed tokens of each row, float32 of shape (rows, 3)."""
    import numpy as np

    said, tokens, right = _causal.in_parts(_causal.row_sums, model, inputs)
    columns = [-said.detach().float().cpu().numpy(), tokens.cpu().numpy(), right.cpu().numpy()]
    return np.stack(columns, axis=1).astype(np.float32)


def _decode(
    outputs: Sequence[Any],
    rows: Any,
    columns: Columns,
    tokenizer: PreTrainedTokenizerBase,
    labels: Labels,
) -> np.ndarray:
    """Return each row's nats, tokens, rightly guessed tokens and bytes: its pieces' together."""
    import numpy as np

    found = np.zeros((len(next(iter(columns.values()))), 4))
    for number, output in enumerate(outputs):
        piece = rows[number]
        found[int(piece[ROW])] += [*output, int(piece[_BYTES])]
    return found.astype(np.float32)


def _targets(columns: Columns, labels: Labels) -> np.ndarray:
    """Return nothing: how likely the targets are is what is predicted."""
    import numpy as np

    return np.zeros((len(next(iter(columns.values()))), 0), dtype=np.float32)


def _score(sums: np.ndarray, targets: Any, labels: Labels) -> dict[str, float]:
    from automl.tasks import _bits

    return _bits.score(sums)


def _report(
    sums: np.ndarray, targets: Any, columns: Columns, labels: Labels, seed: int
) -> SplitScore:
    from automl.tasks import _bits

    return _bits.report(sums, columns, seed)


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, np.ndarray]:
    """Return predictions by split of an n-gram model over the bytes of ``train``."""
    from automl.tasks import _bits

    return _bits.floor(_passages(train), {name: _passages(each) for name, each in others.items()})


def _passages(columns: Columns) -> Iterator[tuple[int, Passage]]:
    """Yield row and passage of each text, and of each answer after what went before it."""
    from automl.tasks._bytes import Passage

    if "text" in columns:
        for row, text in enumerate(columns["text"]):
            yield row, Passage(b"", text.encode())
        return
    for row, conversation in enumerate(_conversations(columns)):
        given = b""
        for message in conversation:
            content = message["content"].encode()
            if message["role"] == ASSISTANT:
                yield row, Passage(given + b"\n\n", content)
            given = content


def _respond(
    model: Any, tokenizer: PreTrainedTokenizerBase, columns: Columns, max_length: int
) -> list[str]:
    """Return what follows each text, or the assistant's answer to each conversation."""
    if "text" not in columns:
        return _causal.respond(model, tokenizer, columns, max_length)
    prompts = [list(tokenizer(text)["input_ids"]) for text in columns["text"]]
    return _causal.generate(model, tokenizer, prompts, max_length)


def _show(
    model: Any, tokenizer: PreTrainedTokenizerBase, columns: Columns, max_length: int
) -> list[dict[str, Any]]:
    """Return what it says to the first words of each text, or to all but the last turn."""
    if "text" in columns:
        given = [" ".join(text.split()[:_WORDS]) for text in columns["text"]]
        said = _respond(model, tokenizer, {"text": given}, max_length)
        return [{"begun": one, "said": other} for one, other in zip(given, said, strict=True)]
    return _causal.show(model, tokenizer, list(_conversations(columns)), max_length)


def _usage(repository: str, max_length: int, roles: Collection[str] = ()) -> str:
    example = '"Put the beginning of a text here."' if "text" in roles else _TURN
    return _USAGE.format(repository=repository, example=example)


TASK = Task(
    name="text-generation",
    pipeline_tag="text-generation",
    auto_class=AUTO_CLASS,
    mapping=MAPPING,
    roles=(
        Role(
            "messages",
            "json",
            True,
            ("messages", "conversations", "conversation", "chat", "dialog", "dialogue"),
        ),
        Role("prompt", "json", True, ("prompt", "instruction", "question", "query", "problem")),
        Role("input", "json", False, ("input", "context")),
        Role(
            "completion",
            "json",
            True,
            ("completion", "response", "output", "answer", "solution", "target"),
            target=True,
        ),
        Role("text", "text", True, ("text", "content", "story", "article", "document", "body")),
    ),
    forms=(("messages",), ("prompt", "input", "completion"), ("text",)),
    metrics=(
        Metric(
            "bits_per_byte",
            "minimize",
            "Bits that a byte of text costs under the model, its end counted in: comparable "
            "between models, whatever their tokens.",
        ),
        Metric(
            "loss",
            "minimize",
            "Mean negative log-probability (nats) of a token; tokens are each model's own (the "
            "baseline's are bytes).",
        ),
        Metric(
            "perplexity",
            "minimize",
            "Exponential of the loss; to be compared only between models with the same tokens.",
        ),
        Metric(
            "token_accuracy",
            "maximize",
            "Share of tokens that are the model's first guess; tokens are each model's own.",
        ),
    ),
    objective="bits_per_byte",
    floor_description="an n-gram model of up to 5 bytes before each (interpolated Kneser-Ney)",
    knobs=PACKING,
    untrained=True,
    usual_length=1024,
    encode=_encode,
    build=_build,
    training_collator=_training_collator,
    targets=_targets,
    score=_score,
    report=_report,
    floor=_floor,
    answers=_causal.answers,
    says=("completion",),
    usage=_usage,
    infer=_infer,
    decode=_decode,
    loss=_causal.mean_loss,
    begin=_begin,
    prepare=_prepare,
    respond=_respond,
    show=_show,
)
"""What follows in a text, or what an assistant answers."""
