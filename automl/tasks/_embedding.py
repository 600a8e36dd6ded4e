"""An encoder as a maker of embeddings: which of its states are pooled, and how that is written.

A folder may say so in sentence-transformers' form (``modules.json``); a saved model keeps it in its
config. Heavy libraries are imported inside. Knows no rows and no loss.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.errors import CandidateError
from automl.plan import Scalar
from automl.tasks._text import load_model

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

OWN = "own"
POOLINGS = ("mean", "cls", "lasttoken")
"""Named as sentence-transformers names them."""
AUTO_CLASS = "AutoModel"
_SETTING = "sentence_pooling"
"""What the pooling is called in the config of a saved model."""
_WIDTHS = ("hidden_size", "d_model", "dim", "n_embd")
_KNOWN = ("Transformer", "Pooling", "Normalize")


def load(path: str, hyperparameters: Mapping[str, Scalar], trust: bool) -> PreTrainedModel:
    """Return the folder's encoder, its pooling settled by the hyperparameters or the folder.

    Raises CandidateError as ``load_model`` does, and where the folder asks for modules or a
    pooling that are not known here.
    """
    plain = {name: value for name, value in hyperparameters.items() if name != "pooling"}
    model = load_model(AUTO_CLASS, path, plain, trust)
    chosen = str(hyperparameters.get("embedding_pooling", OWN))
    setattr(model.config, _SETTING, own_pooling(path, model) if chosen == OWN else chosen)
    return model


def own_pooling(path: str, model: PreTrainedModel) -> str:
    """Return what the folder says of its pooling; where it says nothing, what suits the family.

    A decoder's last token is the only one that has seen the whole text.
    """
    from transformers.models.auto import modeling_auto

    folder = Path(path)
    if (folder / "modules.json").is_file():
        return _stated(folder)
    found = getattr(model.config, _SETTING, None)
    if found is not None:
        return str(found)
    family = model.config.model_type
    decoder = family in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    masked = family in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return "lasttoken" if decoder and not masked else "mean"


def _stated(folder: Path) -> str:
    modules = json.loads((folder / "modules.json").read_bytes())
    kinds = [str(each["type"]).rpartition(".")[2] for each in modules]
    if foreign := [kind for kind in kinds if kind not in _KNOWN]:
        raise CandidateError(
            f"its embeddings go through a module {foreign[0]}; only {', '.join(_KNOWN)} are known"
        )
    where = next((each["path"] for each in modules if str(each["type"]).endswith("Pooling")), None)
    if where is None:
        raise CandidateError("its modules.json names no Pooling")
    try:
        config = json.loads((folder / where / "config.json").read_bytes())
    except FileNotFoundError:
        raise CandidateError(f"its {where}/config.json is missing") from None
    modes = {name.removeprefix("pooling_mode_"): value for name, value in config.items()}
    old = [name.removesuffix("_tokens").removesuffix("_token") for name, on in modes.items()
           if on is True and name != "include_prompt"]  # fmt: skip
    named = config.get("pooling_mode", "+".join(old))
    chosen = named if isinstance(named, str) else "+".join(named)
    if chosen not in POOLINGS:
        raise CandidateError(f"its pooling is {chosen!r}; known are {', '.join(POOLINGS)}")
    return chosen


def embed(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """Return embeddings of length 1, float32 (rows, dimensions)."""
    from torch.nn import functional

    states = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
    config = getattr(model, "module", model).config
    return functional.normalize(_pooled(states, mask, getattr(config, _SETTING)), dim=1)


def _pooled(states: Tensor, mask: Tensor, pooling: str) -> Tensor:
    import torch

    if pooling == "mean":
        weights = mask[:, :, None].to(states.dtype)
        return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
    place = mask.sum(dim=1) - 1 if pooling == "lasttoken" else torch.zeros_like(mask[:, 0])
    return states[torch.arange(len(states), device=states.device), place]


def modules(config: Mapping[str, Any], max_length: int) -> dict[str, Any]:
    """Return the JSON files by which sentence-transformers knows a folder, by path within it.

    ``config`` is that of a model that ``load`` made. In the form that every version of
    sentence-transformers from 2 on reads.
    """
    width = next(config[name] for name in _WIDTHS if name in config)
    pooling = {
        "word_embedding_dimension": width,
        "pooling_mode_cls_token": config[_SETTING] == "cls",
        "pooling_mode_mean_tokens": config[_SETTING] == "mean",
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
        "pooling_mode_weightedmean_tokens": False,
        "pooling_mode_lasttoken": config[_SETTING] == "lasttoken",
    }
    paths = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    return {
        "modules.json": [
            {
                "idx": index,
                "name": str(index),
                "path": path,
                "type": f"sentence_transformers.models.{kind}",
            }
            for index, (kind, path) in enumerate(paths.items())
        ],
        "1_Pooling/config.json": pooling,
        "sentence_bert_config.json": {"max_seq_length": max_length, "do_lower_case": False},
        "config_sentence_transformers.json": {
            "prompts": {},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    }
