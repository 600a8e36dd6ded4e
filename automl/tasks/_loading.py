"""Bundles and best models as they were saved: the model with its trained head, and its tokenizer.

Heavy libraries are imported inside. Knows no data.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.errors import CandidateError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from automl.tasks import Columns, Task


def adapted(
    task: Task, path: str, trust_remote_code: bool, rows: Callable[[], Columns]
) -> tuple[PreTrainedTokenizerBase, tuple[str, ...]]:
    """Return a pretrained folder's tokenizer as the task wants it for the data, and its notes.

    ``rows`` gives the first train rows; it is asked where the task looks at them. Raises
    CandidateError when the tokenizer can't be loaded, or the model can't do the task on them.
    """
    tokenizer = task.processor(path, trust_remote_code)
    if task.adapt is None:
        return tokenizer, ()
    config = json.loads((Path(path) / "config.json").read_bytes())
    return tokenizer, task.adapt(tokenizer, config, rows())


ADAPTER = "adapter"
"""Folder of a best model that holds the adapters it was trained with, in PEFT's format."""
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
BASE = "base"
"""Folder of a bundle of adapters that holds the settings under which their base model is loaded."""
GENERATION = "generation_config.json"


def trained(task: Task, path: str, trust_remote_code: bool = False, name: str = "") -> Any:
    """Return the folder's model with the head it was saved with, in float32, evaluating, on CPU.

    ``name`` is what an error calls it. Raises CandidateError when any weight is missing: a head
    would be drawn at random silently.
    """
    model, lost = _loaded(task, path, trust_remote_code)
    _refuse_missing(lost, name or path)
    return model.eval()


def variant(task: Task, path: str, name: str, number: Any, trust_remote_code: bool = False) -> Any:
    """Return the model of the folder's weights called ``name``, in the number format they have.

    Evaluating, on CPU. Raises CandidateError when any weight is missing.
    """
    model, lost = _loaded(task, path, trust_remote_code, variant=name, dtype=number)
    _refuse_missing(lost, path)
    return model.eval()


def with_adapters(task: Task, path: str, base: str, trust_remote_code: bool = False) -> Any:
    """Return the model in the folder ``base`` with the adapters in ``path`` merged into it.

    In float32, evaluating, on CPU; head and settings are those that lie with the adapters. Raises
    CandidateError when any weight is in neither.
    """
    import transformers
    from peft import PeftModel

    settings = Path(path, BASE)
    config = transformers.AutoConfig.from_pretrained(settings, trust_remote_code=trust_remote_code)
    model, lost = _loaded(
        task, base, trust_remote_code, config=config, ignore_mismatched_sizes=True
    )
    with warnings.catch_warnings():
        # Of PEFT's own reading of a setting that has a new name.
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")
        beside = PeftModel.from_pretrained(model, path)
    whole = tuple(f"{name}." for name in beside.peft_config["default"].modules_to_save or ())
    _refuse_missing([key for key in lost if not key.startswith(whole)], base)
    merged = beside.merge_and_unload()
    if (settings / GENERATION).exists():
        merged.generation_config = transformers.GenerationConfig.from_pretrained(settings)
    return merged.eval()


def _loaded(
    task: Task, path: str, trust_remote_code: bool, **settings: Any
) -> tuple[Any, list[str]]:
    """Return the model and the names of its weights that the folder does not give."""
    import torch
    import transformers

    model, found = getattr(transformers, auto_class(task, path)).from_pretrained(
        path,
        use_safetensors=True,
        trust_remote_code=trust_remote_code,
        output_loading_info=True,
        **{"dtype": torch.float32, **settings},
    )
    return model, sorted({*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])})


def auto_class(task: Task, path: str) -> str:
    """Return the name of the auto class for the model in the folder, by its family."""
    if not task.also:
        return task.auto_class
    from transformers.models.auto import modeling_auto

    family = json.loads((Path(path) / "config.json").read_bytes()).get("model_type")
    for name, mapping in task.also:
        if family in getattr(modeling_auto, mapping):
            return name
    return task.auto_class


def _refuse_missing(lost: Collection[str], name: str) -> None:
    if lost:
        first = min(lost)
        raise CandidateError(f"{len(lost)} weights are missing in {name}, e.g. {first}")
