"""Bundles and best models as they were saved: the model with its trained head, and its tokenizer.

Heavy libraries are imported inside. Knows no data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automl.errors import CandidateError

if TYPE_CHECKING:
    from automl.tasks import Task

ADAPTER = "adapter"
"""Folder of a best model that holds the adapters it was trained with, in PEFT's format."""
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"


def trained(task: Task, path: str, trust_remote_code: bool = False, name: str = "") -> Any:
    """Return the folder's model with the head it was saved with, in float32, evaluating, on CPU.

    ``name`` is what an error calls it. Raises CandidateError when any weight is missing: a head
    would be drawn at random silently.
    """
    import torch
    import transformers

    model, found = getattr(transformers, task.auto_class).from_pretrained(
        path,
        dtype=torch.float32,
        use_safetensors=True,
        trust_remote_code=trust_remote_code,
        output_loading_info=True,
    )
    if lost := sorted({*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])}):
        raise CandidateError(f"{len(lost)} weights are missing in {name or path}, e.g. {lost[0]}")
    return model.eval()
