"""Low-rank adapters (LoRA, Hu et al. 2021) in a task's model: put in, saved, merged.

They go into the model itself: its class and its functions stay what the task expects. What belongs
to a head is trained whole beside them. Found by structure; knows no family's names but the word
for attention.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from automl.errors import CandidateError
from automl.plan import Scalar
from automl.tasks import ADAPTING, Task, _pooling
from automl.tasks._loading import ADAPTER, ADAPTER_WEIGHTS
from automl.worker import quantizing

ATTENTION, ALL = "attention", "all-linear"
RANK, ALPHA = 16, 32
"""Without a word in the hyperparameters: "LoRA Without Regret"."""
_NAME = "default"
_PREFIX = "base_model.model."
"""What PEFT puts before a parameter's name in an adapter's file."""
_ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
_HEADS = frozenset({"pooler", "sequence_summary"})
"""Parts of a head that some families keep inside the body."""
_READ_FROM_OUTSIDE = ("WavLMAttention",)
"""Modules that take their layers' weights without calling them: adapters would go unheard."""
_TASK_TYPES = {
    "AutoModelForSequenceClassification": "SEQ_CLS",
    "AutoModelForTokenClassification": "TOKEN_CLS",
    "AutoModelForQuestionAnswering": "QUESTION_ANS",
    "AutoModelForCausalLM": "CAUSAL_LM",
    "AutoModelForSeq2SeqLM": "SEQ_2_SEQ_LM",
    "AutoModel": "FEATURE_EXTRACTION",
}
"""Auto class → PEFT's word for it, by which ``AutoPeftModelFor…`` knows its own."""


@dataclass(frozen=True, slots=True)
class Room:
    """What adapters a model has room for."""

    per_rank: Mapping[str, int]
    """Value of ``lora_targets`` → weights that one rank adds; without what finds no layer."""
    head: int
    """Weights of the head, which are trained whole."""


def room(model: Any) -> Room:
    """Return how many weights adapters would train; CandidateError where the head is not told."""
    widths = {
        targets: sum(sum(_widths(model.get_submodule(name))) for name in _layers(model, targets))
        for targets in (ALL, ATTENTION)
    }
    head = sum(parameter.numel() for _, parameter in _head_parameters(model))
    return Room({targets: width for targets, width in widths.items() if width}, head)


def attach(model: Any, chosen: Mapping[str, Scalar]) -> None:
    """Freeze the model but its head and put adapters in, where the method asks for them.

    Draws from torch's generator. The model computes as before: adapters begin at zero; with
    ``qlora`` their layers' weights are rounded to four bits. Raises CandidateError where there is
    nothing to put them into.
    """
    if chosen.get("method") not in ADAPTING:
        return
    targets = str(chosen.get("lora_targets", ALL))
    pooling = str(chosen.get("pooling", _pooling.STOCK))
    names = _layers(model, targets, pooling)
    if not names:
        raise CandidateError(f"it has no layers that lora_targets: {targets} could go into")
    head = {name: each.requires_grad for name, each in _head_parameters(model, pooling)}
    kept = _config(model, names, chosen, _head(model, pooling))
    if chosen["method"] == "qlora":
        quantizing.quantize(model, names)
    _inject(model, _config(model, names, chosen))
    for name, parameter in model.named_parameters():
        if name in head:
            parameter.requires_grad_(head[name])
    model.automl_adapter = kept


def attached(model: Any) -> bool:
    """Return whether adapters are in the model."""
    return hasattr(model, "automl_adapter")


def share(model: Any) -> str:
    """Return in words how much of the model is trained."""
    trained = sum(each.numel() for each in model.parameters() if each.requires_grad)
    plain = sum(tensor.numel() for tensor in merged_shapes(model))
    return f"{trained:,} weights are trained beside or of {plain:,}: {trained / plain:.2%}"


def merged_shapes(model: Any) -> Iterator[torch.Size]:
    """Yield the shapes of the model's own weights, as they are without adapters."""
    for name, parameter in model.named_parameters():
        if ".lora_" not in name:
            state = getattr(parameter, "quant_state", None)
            yield parameter.shape if state is None else state.shape


def trained_state(model: Any) -> dict[str, torch.Tensor]:
    """Return what training changes of a model with adapters, by the model's own names.

    The rest is what building the model anew gives. Buffers are part of it.
    """
    changing = {name for name, each in model.named_parameters() if each.requires_grad}
    changing |= {name for name, _ in model.named_buffers()}
    return {
        name: tensor.detach().contiguous()
        for name, tensor in model.state_dict().items()
        if name in changing
    }


def restore(model: Any, state: Mapping[str, torch.Tensor]) -> None:
    """Put back what ``trained_state`` gave; RuntimeError when a name is missing or unexpected."""
    expected = trained_state(model).keys()
    if unlike := sorted(expected ^ state.keys()):
        raise RuntimeError(f"the checkpoint is of other adapters: {unlike[0]}")
    model.load_state_dict(state, strict=False)


def save(
    model: Any, folder: Path, task: Task, whole: dict[str, torch.Tensor] | None = None
) -> None:
    """Write the model such that ``from_pretrained`` gives it back.

    Adapters are merged into it, and lie beside it as PEFT's ``adapter`` folder, but for those that
    only fit weights in four bits. ``whole`` are the weights of a model that is divided.
    """
    # In the original format some families' keys are renamed, and what is then loaded back
    # is not what was saved (transformers #43701).
    if not attached(model):
        model.save_pretrained(folder, state_dict=whole, save_original_format=False)
        return
    model.save_pretrained(folder, state_dict=merged(model), save_original_format=False)
    if not quantizing.quantized(model):
        _save_adapter(model, folder / ADAPTER, task)


def merged(model: Any) -> dict[str, torch.Tensor]:
    """Return the weights of the model as it would be without adapters, computing the same."""
    state: dict[str, torch.Tensor] = model.state_dict()
    for name, layer in _adapted(model):
        # Four bits leave more behind than a weight: their scales have names of their own.
        for key in [key for key in state if key.startswith(f"{name}.")]:
            del state[key]
        base = layer.get_base_layer()
        weight = quantizing.weight(base)
        with torch.no_grad():
            whole = weight + layer.get_delta_weight(_NAME).to(weight.dtype)
        state[f"{name}.weight"] = whole.cpu()  # a GPU need not hold a second model
        if base.bias is not None:
            state[f"{name}.bias"] = base.bias.detach()
    return state


def _save_adapter(model: Any, folder: Path, task: Task) -> None:
    """Write adapters and head in PEFT's format; the base model is not named yet."""
    folder.mkdir()
    head = {name for name, _ in _named_within(model, model.automl_adapter.modules_to_save or ())}
    weights = {
        _PREFIX + name.replace(f".{_NAME}.", "."): tensor.detach().cpu().contiguous().clone()
        for name, tensor in model.state_dict().items()
        if name in head or ".lora_" in name
    }
    save_file(weights, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    config = model.automl_adapter
    config.inference_mode = True
    config.task_type = _TASK_TYPES.get(task.auto_class)
    config.save_pretrained(folder)


def _config(
    model: Any,
    names: Collection[str],
    chosen: Mapping[str, Scalar],
    whole: Collection[str] = (),
) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=int(chosen.get("lora_rank", RANK)),
        lora_alpha=int(chosen.get("lora_alpha", ALPHA)),
        lora_dropout=float(chosen.get("lora_dropout", 0.0)),
        target_modules=list(names),
        modules_to_save=list(whole) or None,
        fan_in_fan_out=any(_is_transposed(model.get_submodule(name)) for name in names),
    )


def _inject(model: Any, config: Any) -> None:
    from peft import inject_adapter_in_model

    with warnings.catch_warnings():
        # Which layers are transposed is settled layer by layer; PEFT warns of each.
        warnings.filterwarnings("ignore", message="fan_in_fan_out")
        inject_adapter_in_model(config, model, adapter_name=_NAME)


def _adapted(model: Any) -> list[tuple[str, Any]]:
    from peft.tuners.lora import LoraLayer

    return [(name, each) for name, each in model.named_modules() if isinstance(each, LoraLayer)]


def _layers(model: Any, targets: str, pooling: str = _pooling.STOCK) -> list[str]:
    """Return the names of the body's linear layers, or of those of its attention."""
    taken = [*_head(model, pooling), *_output(model)]
    return [
        name
        for name, module in model.named_modules()
        if _is_linear(module)
        and type(model.get_submodule(name.rpartition(".")[0])).__name__ not in _READ_FROM_OUTSIDE
        and not any(_inside([name], part) for part in taken)
        and (targets == ALL or _ATTENTION.search(name))
    ]


def _is_linear(module: nn.Module) -> bool:
    """Whether the module multiplies by a matrix in a forward pass of its own.

    The last layer of torch's own attention does not: its weights are read from outside.
    """
    if isinstance(module, nn.modules.linear.NonDynamicallyQuantizableLinear):
        return False
    return isinstance(module, nn.Linear) or _is_transposed(module)


def _is_transposed(module: nn.Module) -> bool:
    """GPT-2's kind of linear layer, its weights of shape (in, out)."""
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, Conv1D)


def _widths(layer: Any) -> tuple[int, int]:
    rows, columns = layer.weight.shape
    return rows, columns


def _head(model: Any, pooling: str = _pooling.STOCK) -> list[str]:
    """Return the names of the modules that make up the head, none inside another.

    What follows the body, except what gives a language model's words; what reads one state of it
    for a whole text; a layer that pools. Raises CandidateError where body and head can't be told
    apart.
    """
    body = getattr(model, model.base_model_prefix or " ", model)
    if body is model and not _is_headless(model):
        body = getattr(model, "encoder", model)  # Whisper's, of a model that only hears
    if body is model and not _is_headless(model):
        raise CandidateError("adapters need to know its head, which can't be told from its body")
    words = _output(model)
    found = [
        name
        for name, child in model.named_children()
        if body is not model and child is not body and not _inside(words, name)
    ]
    found += [name for name, _ in model.named_modules() if name.rpartition(".")[2] in _HEADS]
    found += [added] if (added := _pooling.added_layer(model, pooling)) else []
    with_weights = [
        name for name in found if any(True for _ in model.get_submodule(name).parameters())
    ]
    return [
        name
        for name in dict.fromkeys(with_weights)
        if not any(name.startswith(f"{other}.") for other in with_weights)
    ]


def _inside(names: Collection[str], module: str) -> bool:
    """Return whether one of the names is the module's or one of its parts'."""
    return any(name == module or name.startswith(f"{module}.") for name in names)


def _is_headless(model: Any) -> bool:
    """Whether it is a body alone, or gives words by its embeddings."""
    return bool(_output(model)) or type(model).__name__.endswith("Model")


def _output(model: Any) -> list[str]:
    """Return the name of the layer that gives a language model's words, where there is one."""
    layer = model.get_output_embeddings()
    return [name for name, module in model.named_modules() if layer is not None and module is layer]


def _head_parameters(model: Any, pooling: str = _pooling.STOCK) -> Iterator[tuple[str, Any]]:
    yield from _named_within(model, _head(model, pooling))


def _named_within(model: Any, modules: Collection[str]) -> Iterator[tuple[str, Any]]:
    """Yield the names and parameters inside the modules."""
    for name, parameter in model.named_parameters():
        if any(_inside([name], module) for module in modules):
            yield name, parameter
