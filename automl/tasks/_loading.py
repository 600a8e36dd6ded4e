"""Bundles and best models as they were saved: the model with its trained head, and its tokenizer.

Heavy libraries are imported inside. Knows no data.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.errors import CandidateError
from automl.tasks._text import load_tokenizer

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
    tokenizer = load_tokenizer(path, trust_remote_code)
    if task.adapt is None:
        return tokenizer, ()
    config = json.loads((Path(path) / "config.json").read_bytes())
    return tokenizer, task.adapt(tokenizer, config, rows())


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
