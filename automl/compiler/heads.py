"""Whether a model's family has the task's head, and its files a tokenizer, before loading either.

The families are read from transformers' source with ``ast``: importing it would import torch.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from automl import plugins
from automl.catalog import FoundModel
from automl.catalog.files import PROCESSORS, VOCABULARIES
from automl.catalog.folder import TIMM
from automl.tasks import Task

CAUSAL = "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"
MASKED = "MODEL_FOR_MASKED_LM_MAPPING_NAMES"
SOURCE = Path("models", "auto", "modeling_auto.py")


def objection(model: FoundModel, task: Task) -> str | None:
    """Return why the model cannot do the task, or None; loading it may still show a reason."""
    family = str(model.config["model_type"])
    own_code = model.trust_remote_code and task.auto_class in _auto_map(model.config)
    known = (task.mapping, *(mapping for _, mapping in task.also))
    if not own_code and not any(family in families(mapping) for mapping in known):
        return _without_head(family, task)
    if task.mapping == CAUSAL and not own_code and _reads_both_ways(model.config):
        return (
            f"a {family} reads a text from both sides, so it cannot be trained to go on with one; "
            "name a decoder (GPT-2, Llama, Qwen, ...)"
        )
    if family == TIMM:
        lacking = [each for each in ("timm", "torchvision") if not plugins.is_installed(each)]
        return f"it needs {' and '.join(lacking)}, not installed here" if lacking else None
    if task.media:
        there = any(name in model.sizes for name in PROCESSORS)
        return None if there else f"it has none of the files {', '.join(PROCESSORS)}"
    if not any(name in model.sizes for name in VOCABULARIES):
        return "it has no tokenizer files (tokenizer.json, vocab.txt or the like)"
    return None


def _reads_both_ways(config: Mapping[str, Any]) -> bool:
    """Whether transformers' causal class of the family is an encoder that masks nothing."""
    encoder = str(config["model_type"]) in families(MASKED)
    return encoder and not (config.get("is_decoder") or config.get("is_encoder_decoder"))


@cache
def families(mapping: str) -> frozenset[str]:
    """Return the model types that transformers lists in ``mapping`` (a name in modeling_auto).

    Raises KeyError when the installed transformers has no such mapping.
    """
    spec = importlib.util.find_spec("transformers")
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse((Path(spec.origin).parent / SOURCE).read_bytes())
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and _names(statement.targets) == [mapping]:
            assert isinstance(statement.value, ast.Call)
            return frozenset(key for key, _ in ast.literal_eval(statement.value.args[0]))
    raise KeyError(mapping)


def _names(targets: Iterable[ast.expr]) -> list[str]:
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _auto_map(config: Mapping[str, Any]) -> Mapping[str, Any]:
    found = config.get("auto_map")
    return found if isinstance(found, dict) else {}


def _without_head(family: str, task: Task) -> str:
    classes = " or ".join((task.auto_class, *(name for name, _ in task.also)))
    return (
        f"transformers has no {classes} for its model_type {family!r}, so it cannot do {task.name}"
    )
