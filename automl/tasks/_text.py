"""What tasks over text share: tokenizers with a pad token, models with a new head, padding.

Heavy libraries are imported inside. Knows no class names, metrics or floors.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.errors import CandidateError, DataError
from automl.plan import Scalar
from automl.tasks import Role, _layers, _pooling, _timm

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

PAIR = "text_pair"
TEXT_ROLES = (
    Role(
        "text",
        "text",
        True,
        ("text", "sentence", "body", "content", "message", "utterance", "review", "text1",
         "text_1", "text_a", "sentence1", "sentence_1", "sentence_a", "question1", "premise"),
    ),
    Role(
        PAIR,
        "text",
        False,
        ("text_pair", "text2", "text_2", "text_b", "sentence2", "sentence_2", "sentence_b",
         "question2", "hypothesis"),
    ),
)  # fmt: skip
"""A text, or two of them."""
CLASS_COLUMNS = ("label", "labels", "class", "category", "target", "intent", "queue")
DROPOUTS = (
    "classifier_dropout",
    "seq_classif_dropout",
    "cls_dropout",
    "classifier_dropout_prob",
    "classifier_dropout_rate",
    "summary_last_dropout",
    "head_dropout",
    "final_dropout",
)
"""What model families call the dropout before the head; the first one a config has is set."""
_HEADS = ("pooler", "pooling", "summary", "classifier", "score", "contact_head")
"""Parts that sit inside some families' backbone but belong to a head: new in many checkpoints."""
IGNORED = -100
"""Target that the loss leaves out; what targets are padded with."""


def load_tokenizer(path: str, trust_remote_code: bool = False) -> PreTrainedTokenizerBase:
    """Return the tokenizer in the folder, padding on the right, with a pad token.

    A tokenizer without one (decoders) pads with its end, else its unknown token: padding is
    masked. Raises CandidateError with a plain reason when it can't be loaded or can't pad.
    """
    from transformers import AutoTokenizer

    _check_folder(path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=trust_remote_code)
    except Exception as error:  # the file is someone else's: whatever it raises is the reason
        raise CandidateError(f"its tokenizer can't be loaded: {_in_short(error)}") from error
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        # Without its files transformers 5 makes an empty tokenizer that knows no word, silently.
        raise CandidateError("its tokenizer has no vocabulary: files are missing")
    for trace in ("is_local", "local_files_only"):
        # How it was loaded here says nothing about the copy that is saved with the model.
        tokenizer.init_kwargs.pop(trace, None)
    tokenizer.padding_side = "right"
    if tokenizer.pad_token_id is None:
        substitute = tokenizer.eos_token or tokenizer.unk_token
        if substitute is None:
            raise CandidateError("its tokenizer has no pad token, nor one that could stand in")
        tokenizer.pad_token = substitute
    return tokenizer


def load_model(
    auto_class: str,
    path: str,
    hyperparameters: Mapping[str, Scalar],
    trust_remote_code: bool,
    *,
    new_head: bool = True,
    **settings: Any,
) -> PreTrainedModel:
    """Return the folder's model in float32 with a head of ``auto_class``, given ``settings``.

    Head weights that are absent or of another size are drawn from torch's generator, unless
    ``new_head`` says that the head must be there as well. Of the
    hyperparameters, ``dropout`` is the head's, ``pooling`` is ``stock`` or ``mean``,
    ``keep_layers`` leaves the first so many layers, and what ``freeze_embeddings`` names asks for
    no gradient. Raises CandidateError with a plain reason when the config is unreadable, when it
    knows no such pooling or layers, or when any weight outside the head is missing or of another
    shape: such a model would train from noise without a word.
    """
    config = load_config(path, hyperparameters, trust_remote_code, settings)
    model, new = load_weights(auto_class, path, config, trust_remote_code)
    # Of a model without a head, parts are not named after the whole.
    prefix = "" if model.base_model is model else model.base_model_prefix
    timm = _timm.head(model)
    excused = {key for key in new if new_head and (_in_head(key, prefix) or key in timm)}
    if lost := sorted(new - excused):
        raise missing(lost)
    _pooling.pool(model, str(hyperparameters.get("pooling", _pooling.STOCK)))
    if hyperparameters.get("freeze_embeddings", False):
        _layers.embeddings(model).requires_grad_(False)
    return model


def load_weights(
    auto_class: str, path: str, config: PretrainedConfig, trust_remote_code: bool
) -> tuple[PreTrainedModel, set[str]]:
    """Return the folder's model in float32, and which of its weights the folder didn't have.

    Raises CandidateError with a plain reason when it can't be loaded.
    """
    import torch
    import transformers

    try:
        model, found = getattr(transformers, auto_class).from_pretrained(
            path,
            config=config,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            use_safetensors=True,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
        )
    except Exception as error:  # the file is someone else's: whatever it raises is the reason
        raise CandidateError(f"it can't be loaded: {_in_short(error)}") from error
    return model, set(found["missing_keys"]) | {key for key, *_ in found["mismatched_keys"]}


def missing(lost: Sequence[str]) -> CandidateError:
    """Return the error that says of weights that they are lost."""
    return CandidateError(
        f"{len(lost)} of its weights are missing or of another shape, e.g. {lost[0]}"
    )


def load_scorer(
    path: str, labels: Sequence[str], hyperparameters: Mapping[str, Scalar], trust_remote_code: bool
) -> PreTrainedModel:
    """Return the folder's model with a head that says one number; else as ``load_model``."""
    return load_model(
        "AutoModelForSequenceClassification",
        path,
        hyperparameters,
        trust_remote_code,
        num_labels=1,
        problem_type="regression",
    )


def load_config(
    path: str,
    hyperparameters: Mapping[str, Scalar],
    trust_remote_code: bool,
    settings: Mapping[str, Any],
) -> PretrainedConfig:
    """Return the folder's config with what ``hyperparameters`` and ``settings`` ask of it."""
    from transformers import AutoConfig

    _check_folder(path)
    try:
        config = AutoConfig.from_pretrained(path, trust_remote_code=trust_remote_code, **settings)
    except Exception as error:  # the file is someone else's: whatever it raises is the reason
        raise CandidateError(f"its config can't be read: {_in_short(error)}") from error
    if (dropout := hyperparameters.get("dropout")) is not None:
        known = next((name for name in DROPOUTS if hasattr(config, name)), None)
        if known is not None:
            setattr(config, known, float(dropout))
    if (kept := hyperparameters.get("keep_layers")) is not None:
        _layers.keep(config, int(kept))
    _pooling.configure(config, str(hyperparameters.get("pooling", _pooling.STOCK)))
    reads = hasattr(config, "vocab_size") and not _sees(path)  # BEiT's words are of pictures
    if reads and getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = load_tokenizer(path, trust_remote_code).pad_token_id
    return config


def _sees(path: str) -> bool:
    """Return whether the folder's model is given pictures, and no text."""
    names = {each.name for each in Path(path).iterdir()}
    return "preprocessor_config.json" in names and not any("token" in name for name in names)


def _check_folder(path: str) -> None:
    """Raise CandidateError where transformers would take the path for a hub id and go looking."""
    if not Path(path).is_dir():
        raise CandidateError(f"there is no folder {path}")


def _in_head(key: str, base_model_prefix: str) -> bool:
    outside = bool(base_model_prefix) and not key.startswith(f"{base_model_prefix}.")
    return outside or any(part in key for part in _HEADS)


def _in_short(error: BaseException) -> str:
    words = " ".join(str(error).split()).rstrip(" :")
    return words[:200] or type(error).__name__


@dataclass(frozen=True, slots=True)
class Padder:
    """Turns encoded rows into a batch of int64 (or float32) tensors, padded to the longest.

    Written out because the tokenizer's own padding costs more than a small model's step: it
    validates and copies each row.
    """

    fill: Mapping[str, int]
    """Padding value by input name; others are padded with 0."""
    multiple: int = 1
    """Lengths are rounded up to a multiple of this; 8 suits a GPU's matrix units."""

    def __call__(self, rows: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Return input name → tensor of shape (rows, longest), or (rows,) for scalars."""
        return {name: self._column(name, [row[name] for row in rows]) for name in rows[0]}

    def _column(self, name: str, values: Sequence[Any]) -> Any:
        import numpy as np
        import torch

        if not hasattr(values[0], "__len__"):
            return torch.from_numpy(np.asarray(values))
        width = -(-max(map(len, values)) // self.multiple) * self.multiple
        kind = np.float32 if np.asarray(values[0]).dtype.kind == "f" else np.int64
        padded = np.full((len(values), width), self.fill.get(name, 0), dtype=kind)
        for row, value in zip(padded, values, strict=True):
            row[: len(value)] = value
        return torch.from_numpy(padded)


def padder(tokenizer: PreTrainedTokenizerBase) -> Padder:
    """Return the Padder for the tokenizer's pad token."""
    return Padder(
        {
            "input_ids": tokenizer.pad_token_id,
            "token_type_ids": tokenizer.pad_token_type_id,
            "labels": IGNORED,
        }
    )


def texts(values: Iterable[Any]) -> list[str]:
    """Return the values as the strings a tokenizer takes."""
    return [str(value) for value in values]


def text_roles(columns: Collection[str]) -> list[str]:
    """Return which of a text and its pair are there."""
    return [role.name for role in TEXT_ROLES if role.name in columns]


def encode_texts(
    columns: Mapping[str, Sequence[Any]], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> dict[str, list[Any]]:
    """Return the tokenizer's inputs for texts or pairs; of a pair too long, the longer is cut."""
    pairs = [texts(columns[role]) for role in text_roles(columns)]
    inputs = tokenizer(*pairs, truncation=True, max_length=max_length)
    return {name: list(inputs[name]) for name in inputs}


def indices(values: Iterable[Any], labels: Sequence[str]) -> list[int]:
    """Return the classes' places among ``labels``; DataError names one that is not there."""
    index = {label: position for position, label in enumerate(labels)}
    try:
        return [index[str(value)] for value in values]
    except KeyError as error:
        raise DataError(f"label {error.args[0]!r} is not one of {', '.join(labels)}") from None
