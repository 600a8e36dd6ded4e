"""What speaks against a model that was found, whatever the task: decided before its weights come.

Only safetensors weights, because unpickling runs code; no code from the model unless the recipe
says so by name.
"""

from __future__ import annotations

import json
from pathlib import Path

from automl.catalog import files, headers
from automl.catalog.model import FoundModel, ResolvedModel

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack")


def objection(model: FoundModel) -> str | None:
    """Return why the model cannot be a candidate, with what to do about it, or None."""
    if not model.config:
        return _without_config(model)
    if not isinstance(model.config.get("model_type"), str):
        return "its config.json names no model_type, so transformers cannot tell what it is"
    if _needs_code(model) and not model.trust_remote_code:
        return (
            "it needs Python code that comes with it (auto_map in its configuration); if you "
            f"trust that code, write {_by_name(model)}"
        )
    if not model.weights:
        return _without_weights(model)
    return None


def damage(model: ResolvedModel) -> str | None:
    """Return what is wrong with the weight files that are here now, or None."""
    for name in model.weights:
        found = headers.defect(model.path / name)
        if found:
            return found
    return None


def _needs_code(model: FoundModel) -> bool:
    return bool(model.config.get("auto_map")) or bool(
        _json(model.root / "tokenizer_config.json").get("auto_map")
    )


def _json(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _by_name(model: FoundModel) -> str:
    key = {"folder": "path", "hub": "id", "package": "package"}[model.source]
    return f"{{{key}: {model.reference.split('@')[0]}, trust_remote_code: true}}"


def _without_config(model: FoundModel) -> str:
    if files.CONFIG in model.sizes:
        return "its config.json is not a JSON object"
    if "adapter_config.json" in model.sizes:
        return (
            "it is a PEFT adapter, not a whole model; merge it into its base model with "
            "merge_and_unload() and save that"
        )
    return "it has no config.json"


def _without_weights(model: FoundModel) -> str:
    pickled = sorted(name for name in model.sizes if name.endswith(PICKLED))
    if pickled:
        return (
            f"it has only pickled weights ({pickled[0]}), which can run code when loaded; "
            "convert it once with from_pretrained(...).save_pretrained('folder') and use "
            "{path: folder}"
        )
    if files.INDEX in model.sizes:
        return f"{files.INDEX} is damaged or names shards that are not there"
    other = sorted(name for name in model.sizes if name.endswith(".safetensors"))
    if other:
        return f"it has {other[0]} but no {files.WEIGHTS}"
    return f"it has no weights ({files.WEIGHTS})"
