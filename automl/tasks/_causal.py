"""What tasks over causal language models share: loading, token probabilities, generating.

Heavy libraries are imported inside. Knows no metric and no floor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from automl.errors import CandidateError, DataError
from automl.plan import Scalar
from automl.tasks import _chat
from automl.tasks._chat import Message, Misfit
from automl.tasks._text import IGNORED, load_model

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

AUTO_CLASS = "AutoModelForCausalLM"
MAPPING = "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"
MOST_NEW_TOKENS = 1024
"""Tokens generated at most, however long the answers of the data are."""
PLAIN_NEW_TOKENS = 256
"""Of plain text, which seldom ends by itself."""
TURNS = "turns"
"""Encoded column: answers of a conversation that are learnt; 0 for plain text."""
ROW = "row"
"""Encoded column: which row of the columns an encoded one is of."""
OVERLAP = 8
"""A window of a long text begins with the last eighth of the one before, as context."""
_READ = ("input_ids", "attention_mask", "position_ids")
"""What of a batch the model is given; positions where rows are packed."""
_LOGITS_AT_ONCE = 1 << 26
"""Floats of logits, at most, that judging holds at once (256 MB)."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A row's tokens, and which of them are learnt."""

    ids: Sequence[int]
    learnt: Sequence[bool]

    @property
    def labels(self) -> list[int]:
        """The tokens that are learnt, the others ignored."""
        return [i if told else IGNORED for i, told in zip(self.ids, self.learnt, strict=True)]


def load(
    path: str, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    """Return the folder's causal language model in float32, its dropout as its config says.

    Raises CandidateError where any weight is missing, the head's included, and where the model
    sees what comes after a token: it would learn to copy it.
    """
    model = load_model(AUTO_CLASS, path, hyperparameters, trust_remote_code, new_head=False)
    if not _is_causal(model):
        raise CandidateError(
            f"a {model.config.model_type} reads a text from both sides, so it cannot be trained to "
            "go on with one; name a decoder (GPT-2, Llama, Qwen, ...)"
        )
    return model


def build(
    path: str, labels: Sequence[str], hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    """Return ``load``'s model: what a task's ``build`` is, there being no labels."""
    return load(path, hyperparameters, trust_remote_code)


def _is_causal(model: Any) -> bool:
    """Whether what the model says after a token is the same whatever follows it."""
    import torch

    training = model.training
    model.eval()
    ids = torch.tensor([[3, 4, 5, 6], [3, 4, 5, 7]]) % model.config.get_text_config().vocab_size
    with torch.no_grad():
        one, other = model(input_ids=ids).logits[:, :3]
    model.train(training)
    return bool(torch.allclose(one, other, atol=1e-4, rtol=1e-3))


# -- encoding -----------------------------------------------------------------------------------


def conversation_tokens(
    tokenizer: PreTrainedTokenizerBase, conversation: Sequence[Message]
) -> list[Tokens]:
    """Return the conversation's tokens, the assistant's learnt; several where ``rendered`` does.

    What its template marks as generated is learnt where it marks anything.
    """
    if "generation %}" in _chat.template(tokenizer).replace("generation-%}", "generation %}"):
        return [_marked(tokenizer, conversation)]
    return [
        _with_end(_tokens(tokenizer, each.text, each.spans), tokenizer)
        for each in _chat.rendered(tokenizer, conversation)
    ]


def answer_tokens(tokenizer: PreTrainedTokenizerBase, conversation: Sequence[Message]) -> Tokens:
    """Return the conversation's tokens, those of its last turn learnt."""
    turn = _chat.last_turn(tokenizer, conversation)
    return _with_end(_tokens(tokenizer, turn.text, turn.spans), tokenizer)


def _marked(tokenizer: Any, conversation: Sequence[Message]) -> Tokens:
    _chat.render(tokenizer, conversation)  # for its error, which names the conversation
    found = tokenizer.apply_chat_template(
        list(conversation), return_dict=True, return_assistant_tokens_mask=True
    )
    return Tokens(list(found["input_ids"]), [bool(each) for each in found["assistant_masks"]])


def _tokens(tokenizer: Any, text: str, spans: Sequence[tuple[int, int]]) -> Tokens:
    """Return the text's tokens; those that begin within a span are learnt."""
    if not tokenizer.is_fast:
        return _piecewise(tokenizer, text, spans)
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    learnt = [
        any(begins <= start < ends for begins, ends in spans)
        for start, _ in found["offset_mapping"]
    ]
    return Tokens(list(found["input_ids"]), learnt)


def _piecewise(tokenizer: Any, text: str, spans: Sequence[tuple[int, int]]) -> Tokens:
    """Return the same of a tokenizer that doesn't say where its tokens stand: piece by piece."""
    ids: list[int] = []
    learnt: list[bool] = []
    ends = [0, *(place for span in spans for place in span), len(text)]
    for number, (start, stop) in enumerate(pairwise(ends)):
        piece = tokenizer(text[start:stop], add_special_tokens=False)["input_ids"]
        ids += piece
        learnt += [number % 2 == 1] * len(piece)
    return Tokens(ids, learnt)


def _with_end(tokens: Tokens, tokenizer: Any) -> Tokens:
    """Return the tokens with an end that is learnt, unless the template has closed the turn."""
    if not tokens.ids or tokens.ids[-1] in tokenizer.all_special_ids:
        return tokens
    if tokenizer.eos_token_id is None:
        return tokens
    return Tokens([*tokens.ids, tokenizer.eos_token_id], [*tokens.learnt, True])


def text_tokens(tokenizer: Any, text: str) -> Tokens:
    """Return a plain text's tokens between its beginning and its end, all but the first learnt.

    A tokenizer without a token for beginnings begins with its end, as GPT-2's texts do.
    """
    found = list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    begins = tokenizer.bos_token_id
    begins = tokenizer.eos_token_id if begins is None else begins
    before = [] if begins is None else [begins]
    after = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    ids = [*before, *found, *after]
    return Tokens(ids, [False, *[True] * (len(ids) - 1)])


def windows(tokens: Tokens, length: int) -> Iterator[Tokens]:
    """Yield pieces of up to ``length`` tokens in which each token is learnt once."""
    overlap = max(1, length // OVERLAP)
    start = 0
    while True:
        fresh = overlap if start else 0
        stop = start + length
        learnt = [False] * fresh + list(tokens.learnt[start + fresh : stop])
        yield Tokens(tokens.ids[start:stop], learnt)
        if stop >= len(tokens.ids):
            return
        start = stop - overlap


def cut(tokens: Tokens, length: int) -> Tokens:
    """Return ``length`` of the tokens: what is given loses its beginning, down to half of them.

    Where that is not enough, what is learnt loses its end.
    """
    given = next((at for at, told in enumerate(tokens.learnt) if told), len(tokens.ids))
    start = max(0, min(len(tokens.ids) - length, given - length // 2))
    stop = start + length
    return Tokens(tokens.ids[start:stop], tokens.learnt[start:stop])


def told_bytes(tokenizer: Any, whole: Tokens, kept: Tokens, said: Sequence[str]) -> int:
    """Return the bytes of what is learnt of a row: of ``said``, or of what was kept of it."""
    if len(kept.ids) == len(whole.ids):
        return max(1, sum(len(text.encode()) for text in said))
    ids = [i for i, told in zip(kept.ids, kept.learnt, strict=True) if told]
    return max(1, len(tokenizer.decode(ids, skip_special_tokens=True).encode()))


# -- judging ------------------------------------------------------------------------------------


def mean_loss(model: Any, inputs: Mapping[str, Any]) -> Any:
    """Return the mean negative log-probability of the tokens that are learnt."""
    from torch.nn.functional import cross_entropy

    given = {name: inputs[name] for name in _READ if name in inputs}
    logits = model(**given).logits
    return cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), inputs["labels"][:, 1:].flatten(),
        ignore_index=IGNORED,
    )  # fmt: skip


def row_sums(model: Any, inputs: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Return log-probability, number, and rightly guessed ones of each row's learnt tokens.

    Gradients flow through the first.
    """
    from torch.nn.functional import cross_entropy

    logits = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
    logits, labels = logits[:, :-1].float(), inputs["labels"][:, 1:]
    nats = cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")
    told = labels != IGNORED
    right = (logits.detach().argmax(-1) == labels) & told
    return -nats.sum(1), told.sum(1), right.sum(1)


def in_parts(
    judge: Callable[[Any, Mapping[str, Any]], Any], model: Any, inputs: Mapping[str, Any]
) -> Any:
    """Return ``judge`` of the rows, so many at once that their logits take a quarter of a GB."""
    import torch

    count, length = inputs["input_ids"].shape
    words = model.get_input_embeddings().num_embeddings
    size = max(1, _LOGITS_AT_ONCE // (length * words))
    parts = [
        judge(model, {name: values[start : start + size] for name, values in inputs.items()})
        for start in range(0, count, size)
    ]
    return [torch.cat(each) for each in zip(*parts, strict=True)]


# -- generating ---------------------------------------------------------------------------------


def settle(model: Any, tokenizer: Any, ends: Sequence[int], longest: int, *, chat: bool) -> None:
    """Settle how the model generates: greedily, until it ends, and no further than the data does.

    ``ends`` are the tokens that end the data's answers, ``longest`` is how many tokens nearly all
    of these take. A tokenizer that conversations need a template for is given the default one.
    """
    from transformers import GenerationConfig

    if chat and not getattr(tokenizer, "chat_template", None):
        tokenizer.chat_template = _chat.DEFAULT_TEMPLATE
    own = model.generation_config.eos_token_id
    known = [own] if isinstance(own, int) else list(own or ())
    stops = {*known, *(each for each in ends if each in tokenizer.all_special_ids)}
    stops |= {tokenizer.eos_token_id} - {None}
    limit = getattr(model.config, "max_position_embeddings", None) or 2 * MOST_NEW_TOKENS
    model.generation_config = GenerationConfig(
        do_sample=False,
        max_new_tokens=max(1, min(longest, MOST_NEW_TOKENS, limit // 2)),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=sorted(stops) or None,
        pad_token_id=tokenizer.pad_token_id,
    )


def nearly_longest(counts: np.ndarray) -> int:
    """Return what 99% of the counts need, rounded up to a multiple of 8."""
    import numpy as np

    return int(-(-np.percentile(counts, 99) // 8) * 8)


def prompt_ids(tokenizer: Any, conversation: Sequence[Message]) -> list[int]:
    """Return the tokens of a conversation that the assistant is to go on with."""
    text = _chat.render(tokenizer, conversation, ask=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def generate(model: Any, tokenizer: Any, prompts: Sequence[list[int]], limit: int) -> list[str]:
    """Return what the model says after each prompt, by its own generation settings.

    Of a prompt that leaves no room within ``limit`` tokens, the end is read.
    """
    import torch

    device = next(model.parameters()).device
    room = max(1, limit - int(model.generation_config.max_new_tokens or PLAIN_NEW_TOKENS))
    kept = [ids[-room:] for ids in prompts]
    width = max(map(len, kept))
    pad = tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(each)) + each for each in kept], device=device)
    mask = torch.tensor([[0] * (width - len(each)) + [1] * len(each) for each in kept])
    with torch.no_grad():
        said = model.generate(input_ids=ids, attention_mask=mask.to(device))
    return [tokenizer.decode(each, skip_special_tokens=True) for each in said[:, width:]]


def respond(
    model: Any, tokenizer: Any, columns: Mapping[str, Sequence[Any]], max_length: int
) -> list[str]:
    """Return the assistant's answer to each row's ``messages``, or ``prompt`` with its ``input``.

    Raises DataError for a row that is no conversation, or that has its answer already.
    """
    try:
        asked = [_asked(*row) for row in _chat.read(columns, "messages", "prompt", "input")]
    except Misfit as error:
        raise DataError(error.rule) from None
    return generate(model, tokenizer, [prompt_ids(tokenizer, each) for each in asked], max_length)


def _asked(messages: Any, prompt: Any, more: Any) -> list[Message]:
    if messages is not None:
        return _chat.asked(_chat.messages(messages, "messages"), "messages")
    return _chat.asked(prompted(prompt, more), "prompt")


def prompted(prompt: Any, more: Any = None) -> list[Message]:
    """Return the conversation that ``prompt`` is; what more it comes with follows after a line."""
    found = _chat.messages(prompt, "prompt")
    addition = _chat.value(more) if more is not None else ""
    if str(addition).strip():
        found[-1] = {**found[-1], "content": f"{found[-1]['content']}\n\n{addition}"}
    return found


def answers(said: Sequence[str], labels: Sequence[str], top: int) -> list[dict[str, Any]]:
    """Return what a person is told of each text that was generated."""
    return [{"completion": text} for text in said]


def show(
    model: Any, tokenizer: Any, conversations: Sequence[Sequence[Message]], limit: int
) -> list[dict[str, Any]]:
    """Return what was asked, what should be answered and what the model says, a row each."""
    prompts = [prompt_ids(tokenizer, each[:-1]) for each in conversations]
    said = generate(model, tokenizer, prompts, limit)
    return [
        {"asked": each[-2]["content"] if len(each) > 1 else "",
         "expected": each[-1]["content"], "said": answer}
        for each, answer in zip(conversations, said, strict=True)
    ]  # fmt: skip
