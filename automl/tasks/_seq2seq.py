"""What tasks share that read a text and write another: encoder-decoder models, and generation.

What a tokenizer must know for it (a prompt, how long targets are, languages) lies in its own
settings under ``automl``, and is saved with it. Knows no metric and no language's name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from automl.plan import Scalar
from automl.tasks import Columns, Labels, Role
from automl.tasks._text import IGNORED, load_config, load_weights, missing, texts

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from automl.tasks._text_overlap import Judge

SOURCE, TARGET = "text", "target"
"""The roles' names."""
AUTO_CLASS = "AutoModelForSeq2SeqLM"
KNOBS = frozenset({"label_smoothing", "dropout"})
SETTINGS = "automl"
"""Key of ``init_kwargs``, and of tokenizer_config.json."""
MOST_TARGET_TOKENS = 512
AT_ONCE = 64
"""Rows that generate together: each is a row of logits over the vocabulary for every beam."""
_ROUND_TO = 8
_DROPOUTS = ("dropout_rate", "dropout")
"""What families call the dropout of the whole model."""
PROMPTED = "t5"
"""The family that was pretrained on tasks told apart by a prompt (Raffel et al. 2020)."""
USAGE = """\
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({repository!r})
model = AutoModelForSeq2SeqLM.from_pretrained({repository!r})
prompt = tokenizer.init_kwargs["automl"]["prompt"]  # what it was trained to be asked with
inputs = tokenizer(
    prompt + "Put a text here.", truncation=True, max_length={max_length}, return_tensors="pt"
)
said = model.generate(input_ids=inputs.input_ids, attention_mask=inputs.attention_mask)
print(tokenizer.decode(said[0], skip_special_tokens=True))
"""


def adapt(
    tokenizer: PreTrainedTokenizerBase,
    config: Mapping[str, Any],
    columns: Columns,
    prompt: str = "",
    **also: str,
) -> tuple[str, ...]:
    """Settle the prompt and how many tokens of a target are kept; return both in words.

    Kept is what 99% of the rows need, within ``MOST_TARGET_TOKENS`` and the model's positions. A
    prompt that the texts begin with already is not said twice.
    """
    if all(text.startswith(prompt) for text in texts(columns[SOURCE])):
        prompt = ""
    counts = [len(ids) for ids in _target_ids(columns[TARGET], tokenizer, None)]
    kept = target_length(counts, _positions(config))
    tokenizer.init_kwargs[SETTINGS] = {"prompt": prompt, "target_length": kept, **also}
    over = sum(count > kept for count in counts) / len(counts)
    cut = f"targets cut at {kept} tokens: {over:.1%} are longer (longest {max(counts)})"
    return (cut, f"each text follows the prompt {prompt!r}") if prompt else (cut,)


def target_length(counts: Sequence[int], most: int = MOST_TARGET_TOKENS) -> int:
    """Return the tokens that 99% of the targets need, rounded up, at most ``most``."""
    import numpy as np

    needed = math.ceil(float(np.percentile(counts, 99)) / _ROUND_TO) * _ROUND_TO
    return min(needed, most)


def _positions(config: Mapping[str, Any]) -> int:
    found = config.get("max_position_embeddings")
    return min(found, MOST_TARGET_TOKENS) if isinstance(found, int) else MOST_TARGET_TOKENS


def task_prompt(config: Mapping[str, Any], task: str, otherwise: str) -> str:
    """Return the prompt that the checkpoint states for the task; T5 without a word: ``otherwise``.

    Other families were not trained with one.
    """
    stated = (config.get("task_specific_params") or {}).get(task) or {}
    if "prefix" in stated:
        return str(stated["prefix"])
    return otherwise if config.get("model_type") == PROMPTED else ""


def encode(
    columns: Columns, tokenizer: PreTrainedTokenizerBase, max_length: int, labels: Labels
) -> dict[str, list[Any]]:
    """Return inputs of the prompted sources and, where targets are there, their ids as labels.

    Sources are cut to ``max_length``, targets to what ``adapt`` has settled.
    """
    settings = tokenizer.init_kwargs.get(SETTINGS, {})
    prompt = settings.get("prompt", "")
    asked = [prompt + text for text in texts(columns[SOURCE])]
    inputs = tokenizer(asked, truncation=True, max_length=max_length, return_attention_mask=True)
    encoded: dict[str, list[Any]] = {
        name: list(inputs[name]) for name in ("input_ids", "attention_mask")
    }
    if TARGET in columns:
        kept = settings.get("target_length", MOST_TARGET_TOKENS)
        encoded["labels"] = _target_ids(columns[TARGET], tokenizer, kept)
    return encoded


def _target_ids(
    targets: Sequence[Any], tokenizer: PreTrainedTokenizerBase, kept: int | None
) -> list[list[int]]:
    """Return the targets' ids, cut to ``kept``, each with an end that generation can stop at."""
    end = tokenizer.eos_token_id
    found = tokenizer(
        text_target=texts(targets), truncation=kept is not None, max_length=kept
    )["input_ids"]  # fmt: skip
    return [
        list(ids) if end is None or end in ids[-2:] else [*ids[: kept and kept - 1], end]
        for ids in found
    ]


def build(
    path: str, labels: Labels, hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    """Return the pretrained model; none of its weights may be missing: it has no new head.

    ``dropout`` is that of the whole model; ``label_smoothing`` goes into ``loss``.
    """
    given = {name: value for name, value in hyperparameters.items() if name != "dropout"}
    config = load_config(path, given, trust_remote_code, {})
    if (dropout := hyperparameters.get("dropout")) is not None:
        known = next((name for name in _DROPOUTS if hasattr(config, name)), None)
        if known is not None:
            setattr(config, known, float(dropout))
    model, lost = load_weights(AUTO_CLASS, path, config, trust_remote_code)
    if lost:
        raise missing(sorted(lost))
    model.automl_label_smoothing = float(hyperparameters.get("label_smoothing", 0.0))
    return model


def loss(model: Any, inputs: dict[str, Any]) -> Any:
    """Return the mean cross-entropy of the targets' tokens, smoothed where asked for.

    The model makes the decoder's inputs of the labels: without them some families would read the
    source there, silently.
    """
    from torch.nn.functional import cross_entropy

    said = model(**inputs)
    smoothing = getattr(getattr(model, "module", model), "automl_label_smoothing", 0.0)
    if not smoothing:
        return said.loss
    return cross_entropy(
        said.logits.float().flatten(0, 1),
        inputs["labels"].flatten(),
        ignore_index=IGNORED,
        label_smoothing=smoothing,
    )


def begin(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    rows: Any,
    beams: int = 1,
    no_repeat_ngram_size: int = 0,
) -> None:
    """Settle how the model generates, in its own ``generation_config``, which is saved with it.

    It may write as many tokens as the longest target has. What the checkpoint states of beams,
    repetition and length stays; its lengths were those of other data.
    """
    targets = rows.columns["labels"]
    settings = model.generation_config
    settings.max_new_tokens = int((targets.offsets[1:] - targets.offsets[:-1]).max())
    settings.max_length = settings.min_length = settings.min_new_tokens = None
    settings.do_sample = False
    if (settings.num_beams or 1) == 1 and beams > 1:
        settings.num_beams, settings.early_stopping = beams, True
    if no_repeat_ngram_size and not settings.no_repeat_ngram_size:
        settings.no_repeat_ngram_size = no_repeat_ngram_size
    if hasattr(tokenizer, "src_lang") and len(targets.offsets) > 1:
        _speak(model, tokenizer, [int(token) for token in targets[0]])


def _speak(model: Any, tokenizer: PreTrainedTokenizerBase, target: Sequence[int]) -> None:
    """Let generation begin with the language that the targets are marked with.

    The mark is a target's first token, except in mBART's first form: its last, which the model
    moves to the front.
    """
    code = getattr(tokenizer, "tgt_lang", None) or getattr(tokenizer, "src_lang", None)
    known = getattr(tokenizer, "lang_code_to_id", None) or {}
    mark = known.get(code) or tokenizer.convert_tokens_to_ids(code)
    if target[0] == mark:
        model.generation_config.forced_bos_token_id = mark
    elif target[-1] == mark:
        model.generation_config.decoder_start_token_id = mark


def infer(model: Any, inputs: dict[str, Any]) -> list[np.ndarray]:
    """Return the ids that the model generates for each row."""
    bare = getattr(model, "module", model)
    found: list[np.ndarray] = []
    for start in range(0, len(inputs["input_ids"]), AT_ONCE):
        some = {
            name: inputs[name][start : start + AT_ONCE] for name in ("input_ids", "attention_mask")
        }
        found += [ids.cpu().numpy() for ids in bare.generate(**some)]
    return found


def decode(
    outputs: Sequence[Any],
    rows: Any,
    columns: Columns,
    tokenizer: PreTrainedTokenizerBase,
    labels: Labels,
) -> list[str]:
    """Return the texts of the generated ids."""
    said = tokenizer.batch_decode([list(ids) for ids in outputs], skip_special_tokens=True)
    return [text.strip() for text in said]


def answers(key: str, predicted: Sequence[str], labels: Labels, top: int) -> list[dict[str, Any]]:
    """Return each text under the key that the hub's API has for the task."""
    return [{key: text} for text in predicted]


def usage(repository: str, max_length: int, roles: Sequence[str] = ()) -> str:
    """Return code that works without a pipeline: transformers 5 has none for these tasks."""
    return USAGE.format(repository=repository, max_length=max_length)


def roles(source: Sequence[str], target: Sequence[str]) -> tuple[Role, Role]:
    """Return the roles of what is read and of what is written, with their usual columns' names."""
    return (
        Role(SOURCE, "text", True, (SOURCE, *source)),
        Role(TARGET, "text", True, (TARGET, *target), target=True),
    )


def shared(judge: Judge, key: str) -> dict[str, Any]:
    """Return what is the same in each task, as arguments of ``Task``; answers are under ``key``."""
    return {
        "auto_class": AUTO_CLASS,
        "mapping": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
        "metrics": judge.metrics,
        "objective": judge.metrics[0].name,
        "knobs": KNOBS,
        "encode": encode,
        "build": build,
        "targets": judge.targets,
        "score": judge.score,
        "report": judge.report,
        "answers": partial(answers, key),
        "says": (key,),
        "usage": usage,
        "infer": infer,
        "decode": decode,
        "loss": loss,
    }
