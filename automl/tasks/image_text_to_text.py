"""A picture and a question in, an answer out: vision-language models learn what to say.

Of a conversation over one picture the last answer is learnt. Pictures are prepared in each batch:
what a processor makes of one may be fifty times its file. Knows no trial.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.errors import CandidateError, DataError
from automl.plan import Scalar
from automl.tasks import Columns, Labels, Malformed, Metric, Prepared, Role, Task, _chat, _vision
from automl.tasks._chat import ASSISTANT, Message, Misfit
from automl.tasks._judging import named
from automl.tasks._text import IGNORED

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel

    from automl.jobs import SplitScore

ASKED, TOLD, FILE, SIZE, BYTES = "asked", "told", "file", "size", "bytes"
"""Encoded columns: the conversation before the answer and after it, as the template has them; the
picture's file; tokens; bytes of the answer."""
_USAGE = """\
from transformers import pipeline

answer = pipeline("image-text-to-text", model={repository!r})
asked = [
    {{
        "role": "user",
        "content": [
            {{"type": "image", "image": "picture.jpg"}},
            {{"type": "text", "text": "Put a question here."}},
        ],
    }}
]
print(answer(text=asked, return_full_text=False)[0]["generated_text"])
"""


def load_processor(path: str, trust_remote_code: bool = False) -> Any:
    """Return the folder's processor of pictures and texts, the one that works with Pillow.

    Raises CandidateError where it can't be loaded, or has no chat template.
    """
    from transformers import AutoProcessor

    given = {"trust_remote_code": trust_remote_code}
    try:
        found = AutoProcessor.from_pretrained(path, backend="pil", **given)
    except Exception as error:  # the file is someone else's: whatever it raises is the reason
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise CandidateError(f"its processor can't be loaded: {words}") from error
    if not hasattr(found, "tokenizer") or not hasattr(found, "image_processor"):
        raise CandidateError("its processor is not one of pictures and texts")
    if not found.chat_template:
        raise CandidateError("it has no chat template, which says where a picture stands")
    if found.tokenizer.pad_token_id is None:
        found.tokenizer.pad_token = found.tokenizer.eos_token
    return found


def _prepare(columns: Columns) -> Prepared:
    """Bring conversations to one form; a row that is none, or has no answer, is malformed."""
    stored: dict[str, list[Any]] = {name: [] for name in columns}
    malformed = []
    for number, row in enumerate(_rows(columns)):
        try:
            made = _conversation(row) if "messages" in row else None
            if made is None:
                _conversation(row)
        except Misfit as error:
            malformed.append(Malformed(number, error.rule, error.hint))
            continue
        for name, value in row.items():
            stored[name].append(_chat.stored(made) if made and name == "messages" else value)
    return Prepared(stored, (), tuple(malformed))


def _rows(columns: Columns) -> Iterator[dict[str, Any]]:
    names = list(columns)
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(names, values, strict=True))


def _conversation(row: Mapping[str, Any]) -> list[Message]:
    if row.get("messages") is not None:
        return _chat.answered(_chat.messages(row["messages"], "messages"), "messages")
    answer = _chat.messages(row["completion"], "completion", ASSISTANT)
    return [*_question(row), *_chat.answered(answer, "completion")]


def _question(row: Mapping[str, Any]) -> list[Message]:
    if row.get("messages") is not None:
        return _chat.asked(_chat.messages(row["messages"], "messages"), "messages")
    return _chat.asked(_chat.messages(row["prompt"], "prompt"), "prompt")


def _rendered(processor: Any, conversation: Sequence[Message], *, ask: bool) -> str:
    """Return the conversation as text, the picture standing before the first thing a user says."""
    turns: list[dict[str, Any]] = []
    shown = False
    for each in conversation:
        content: list[dict[str, str]] = [{"type": "text", "text": each["content"]}]
        if each["role"] == _chat.USER and not shown:
            content, shown = [{"type": "image"}, *content], True
        turns.append({"role": each["role"], "content": content})
    try:
        text: str = processor.apply_chat_template(turns, add_generation_prompt=ask, tokenize=False)
    except Exception as error:  # the template is someone else's: whatever it raises is the reason
        raise CandidateError(f"its chat template refuses a conversation: {error}") from error
    return text


def _encode(columns: Columns, processor: Any, max_length: int, labels: Labels) -> dict[str, Any]:
    """Return conversations as text in bytes with their pictures' files; nothing is cut."""
    import numpy as np

    found: dict[str, Any] = {name: [] for name in (ASKED, TOLD, FILE, SIZE, BYTES)}
    seen = 0
    for number, row in enumerate(_rows(columns)):
        whole = _conversation(row)
        asked, told = (
            _rendered(processor, turns, ask=ask)
            for turns, ask in ((whole[:-1], True), (whole, False))
        )
        if not told.startswith(asked):
            raise CandidateError("its chat template says a question otherwise before its answer")
        if not number:
            one = processor(text=[asked], images=[[_vision.opened(row["image"])]])
            seen = len(one["input_ids"][0]) - len(processor.tokenizer(asked)["input_ids"])
        for name, text in ((ASKED, asked), (TOLD, told)):
            found[name].append(np.frombuffer(text.encode(), dtype=np.uint8))
        found[FILE].append(_as_bytes(row["image"]))
        found[SIZE].append(seen + len(processor.tokenizer(told)["input_ids"]))
        found[BYTES].append(max(1, len(whole[-1]["content"].encode())))
    return found


def _as_bytes(picture: Any) -> np.ndarray:
    """Return a path, or what a picture's file holds, as bytes."""
    import io

    import numpy as np

    if isinstance(picture, str):
        picture = picture.encode()
    elif not isinstance(picture, bytes):
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        picture = stream.getvalue()
    return np.frombuffer(picture, dtype=np.uint8)


def _picture(stored: np.ndarray) -> Any:
    held = stored.tobytes()
    return _vision.opened(held.decode() if held.startswith(b"/") else held)


def _lengths(encoded: Mapping[str, Sequence[Any]]) -> list[int]:
    return [int(size) for size in encoded[SIZE]]


def _collator(processor: Any) -> Callable[[list[Any]], dict[str, Any]]:
    """Return what makes a batch: the processor's inputs, and labels where answers are learnt."""

    def collate(rows: list[Any]) -> dict[str, Any]:
        asked, told = ([row[name].tobytes().decode() for row in rows] for name in (ASKED, TOLD))
        pictures = [[_picture(row[FILE])] for row in rows]
        batch = _inputs(processor, told, pictures)
        before = _inputs(processor, asked, pictures)["input_ids"]
        labels = batch["input_ids"].clone()
        labels[batch["attention_mask"] == 0] = IGNORED
        for row, ids in enumerate(before):
            # A token that joins the question's end and the answer's beginning is learnt.
            shared = min(len(ids), labels.shape[1])
            given = int((ids[:shared] == batch["input_ids"][row, :shared]).cumprod(0).sum())
            labels[row, :given] = IGNORED
        return {**batch, "labels": labels}

    return collate


def _inputs(
    processor: Any, texts: Sequence[str], pictures: Sequence[Any], side: str = "right"
) -> Any:
    processor.tokenizer.padding_side = side
    found = processor(text=list(texts), images=list(pictures), padding=True, return_tensors="pt")
    return dict(found)


def _build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    from automl.tasks import _text

    return _text.load_model(
        TASK.auto_class, path, hyperparameters, trust_remote_code, new_head=False
    )


def _begin(model: Any, processor: Any, rows: Any) -> None:
    """Settle that the model answers greedily, and no longer than the data's answers are."""
    import numpy as np
    from transformers import GenerationConfig

    from automl.tasks import _causal

    sample = [rows[row] for row in range(min(len(rows), 1000))]
    told = [row[TOLD].tobytes().decode()[len(row[ASKED].tobytes().decode()) :] for row in sample]
    counts = np.array([len(processor.tokenizer(text)["input_ids"]) for text in told])
    own = model.generation_config.eos_token_id
    ends = {*([own] if isinstance(own, int) else own or ()), processor.tokenizer.eos_token_id}
    model.generation_config = GenerationConfig(
        do_sample=False,
        max_new_tokens=min(_causal.MOST_NEW_TOKENS, _causal.nearly_longest(counts)),
        eos_token_id=sorted(ends - {None}) or None,
        bos_token_id=processor.tokenizer.bos_token_id,
        pad_token_id=processor.tokenizer.pad_token_id,
    )


def _loss(model: Any, inputs: dict[str, Any]) -> Any:
    """Return the mean negative log-probability of the tokens that are learnt."""
    from torch.nn.functional import cross_entropy

    logits, labels = _logits(model, inputs)
    return cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)


def _logits(model: Any, inputs: dict[str, Any]) -> tuple[Any, Any]:
    given = {name: values for name, values in inputs.items() if name != "labels"}
    return model(**given).logits[:, :-1].float(), inputs["labels"][:, 1:]


def _infer(model: Any, inputs: dict[str, Any]) -> np.ndarray:
    """Return nats, tokens and rightly guessed tokens of each row, float32 of shape (rows, 3)."""
    import torch
    from torch.nn.functional import cross_entropy

    logits, labels = _logits(model, inputs)
    nats = cross_entropy(
        logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
    ).sum(1)
    told = labels != IGNORED
    right = ((logits.argmax(-1) == labels) & told).sum(1)
    found: np.ndarray = torch.stack([nats, told.sum(1), right], dim=1).float().cpu().numpy()
    return found


def _decode(
    outputs: Sequence[Any], rows: Any, columns: Columns, processor: Any, labels: Labels
) -> np.ndarray:
    """Return each row's nats, tokens, rightly guessed tokens and bytes."""
    import numpy as np

    made = [[*output, int(rows[row][BYTES])] for row, output in enumerate(outputs)]
    return np.asarray(made, dtype=np.float32)


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

    return _bits.report(sums, named(columns), seed)


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, np.ndarray]:
    """Return predictions by split of an n-gram model over the bytes of ``train``; it sees none."""
    from automl.tasks import _bits

    return _bits.floor(_passages(train), {name: _passages(each) for name, each in others.items()})


def _passages(columns: Columns) -> Iterator[tuple[int, Any]]:
    from automl.tasks._bytes import Passage

    for number, row in enumerate(_rows(columns)):
        *before, answer = _conversation(row)
        given = before[-1]["content"].encode() if before else b""
        yield number, Passage(given + b"\n\n", answer["content"].encode())


def _respond(model: Any, processor: Any, columns: Columns, max_length: int) -> list[str]:
    """Return the model's answer about each row's picture; DataError for a row that asks nothing."""
    import torch

    try:
        asked = [_question(row) for row in _rows(columns)]
    except Misfit as error:
        raise DataError(error.rule) from None
    texts = [_rendered(processor, each, ask=True) for each in asked]
    pictures = [[_vision.opened(picture)] for picture in columns["image"]]
    device = next(model.parameters()).device
    inputs = {
        name: values.to(device)
        for name, values in _inputs(processor, texts, pictures, "left").items()
    }
    with torch.no_grad():
        said = model.generate(**inputs)[:, inputs["input_ids"].shape[1] :]
    return [processor.tokenizer.decode(each, skip_special_tokens=True).strip() for each in said]


def _show(model: Any, processor: Any, columns: Columns, max_length: int) -> list[dict[str, Any]]:
    """Return what was asked about each picture, what should be answered and what is said."""
    whole = [_conversation(row) for row in _rows(columns)]
    asked = {"image": columns["image"], "messages": [_chat.stored(each[:-1]) for each in whole]}
    said = _respond(model, processor, asked, max_length)
    return [
        {"asked": each[-2]["content"] if len(each) > 1 else "",
         "expected": each[-1]["content"], "said": answer}
        for each, answer in zip(whole, said, strict=True)
    ]  # fmt: skip


def _answers(said: Sequence[str], labels: Labels, top: int) -> list[dict[str, Any]]:
    return [{"completion": text} for text in said]


def _usage(repository: str, max_length: int, roles: Collection[str] = ()) -> str:
    return _USAGE.format(repository=repository)


TASK = Task(
    name="image-text-to-text",
    pipeline_tag="image-text-to-text",
    auto_class="AutoModelForImageTextToText",
    mapping="MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    roles=(
        _vision.IMAGE,
        Role("messages", "json", True, ("messages", "conversations", "conversation", "chat")),
        Role("prompt", "json", True, ("prompt", "question", "query", "instruction")),
        Role(
            "completion",
            "json",
            True,
            ("completion", "answer", "response", "output", "caption", "multiple_choice_answer"),
            target=True,
        ),
    ),
    forms=(("image", "messages"), ("image", "prompt", "completion")),
    metrics=(
        Metric(
            "bits_per_byte",
            "minimize",
            "Bits that a byte of an answer costs under the model, its end counted in: comparable "
            "between models, whatever their tokens.",
        ),
        Metric("loss", "minimize", "Mean negative log-probability (nats) of a token."),
        Metric("perplexity", "minimize", "Exponential of the loss."),
        Metric("token_accuracy", "maximize", "Share of tokens that are the model's first guess."),
    ),
    objective="bits_per_byte",
    floor_description="an n-gram model of up to 5 bytes before each, which sees no picture",
    knobs=frozenset(),
    untrained=True,
    unit="",
    sample_rows=64,
    chunk=_vision.CHUNK,
    evaluation_rows=500,
    no_graphs="what sees and what writes would come apart, and nothing here puts them together",
    processor=load_processor,
    lengths=_lengths,
    encode=_encode,
    build=_build,
    targets=_targets,
    score=_score,
    report=_report,
    floor=_floor,
    answers=_answers,
    says=("completion",),
    usage=_usage,
    collator=_collator,
    infer=_infer,
    decode=_decode,
    loss=_loss,
    begin=_begin,
    prepare=_prepare,
    respond=_respond,
    show=_show,
)
"""What is to be said about a picture."""
