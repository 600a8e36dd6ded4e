"""The model itself: safetensors weights, config and tokenizer, as ``from_pretrained`` takes them.

Copies files and edits JSON; never loads the model.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from automl import tasks
from automl.documents import write_bytes
from automl.errors import AutoMLError
from automl.exporters import Delivery, _adapter
from automl.exporters._paths import origin
from automl.plan import Candidate

NAME = "safetensors"
_KEPT = re.compile(
    r"config\.json|generation_config\.json|.*\.safetensors|model\.safetensors\.index\.json"
    r"|tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json"
    r"|vocab\.txt|(target_)?vocab\.json|merges\.txt|.*\.model|.*\.spm|chat_template\.jinja|(pre)?processor_config\.json"
)
"""What belongs to a model; a training folder also holds optimizer states and pickles."""
_WHOLE = ("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json")
"""What makes a folder a whole model."""
_OF_THIS_MACHINE = (
    "is_local",
    "local_files_only",
    "name_or_path",
    "_name_or_path",
    "tokenizer_file",
    "vocab_file",
    "merges_file",
)
_PLACEHOLDER = re.compile(r"LABEL_\d+")


class Safetensors:
    """Copies the winner and writes into its settings what training knew: labels, length, and
    under ``automl_thresholds`` from which probability on a class is predicted."""

    name = NAME
    format = True
    order = 10

    def export(self, delivery: Delivery, folder: Path) -> None:
        """Copy the model, or the adapters of which it was made alone, into ``folder``.

        Raises AutoMLError where the winner's folder holds no safetensors weights or its classes
        are not the plan's.
        """
        candidate = delivery.plan.candidate(delivery.winner.configuration.candidate)
        alone = delivery.keeps_adapter
        _copy(delivery.model, folder, candidate.trust_remote_code, without=_WHOLE if alone else ())
        config = _config(delivery, candidate)
        if alone:
            _adapter.write(delivery, folder, candidate, config)
        else:
            _write(folder / "config.json", config)
        task = tasks.get(delivery.plan.task)
        if not task.media:
            tokens = _tokenizer_config(delivery.model, delivery.max_length)
            _write(folder / "tokenizer_config.json", tokens)
        further = task.files
        for path, content in further(config, delivery.max_length).items() if further else ():
            (folder / path).parent.mkdir(exist_ok=True)
            _write(folder / path, content)


EXPORTER = Safetensors()


def _copy(model: Path, folder: Path, with_code: bool, without: Collection[str]) -> None:
    kept = [
        file
        for file in sorted(model.iterdir())
        if file.is_file() and (_KEPT.fullmatch(file.name) or (with_code and file.suffix == ".py"))
    ]
    if not any(file.suffix == ".safetensors" for file in kept):
        raise AutoMLError(f"the winner's folder {model} holds no safetensors weights")
    for file in kept:
        if any(file.match(pattern) for pattern in without):
            continue
        shutil.copyfile(file, folder / file.name)
        # save_pretrained leaves weights readable by their owner alone
        (folder / file.name).chmod(0o644)


def _config(delivery: Delivery, candidate: Candidate) -> dict[str, Any]:
    config = _read(delivery.model / "config.json")
    labels = delivery.plan.data.labels
    if labels:
        _refuse_other_labels(config.get("id2label"), labels)
        config["id2label"] = {str(index): label for index, label in enumerate(labels)}
        config["label2id"] = {label: index for index, label in enumerate(labels)}
    if delivery.thresholds:
        config["automl_thresholds"] = dict(delivery.thresholds)
    if "_name_or_path" in config:
        config["_name_or_path"] = origin(candidate)
    return config


def _refuse_other_labels(found: Mapping[str, str] | None, labels: tuple[str, ...]) -> None:
    if not found or all(_PLACEHOLDER.fullmatch(label) for label in found.values()):
        return
    trained = tuple(found[index] for index in sorted(found, key=int))
    if trained != labels:
        raise AutoMLError(f"the winner's classes are {trained}, the plan's are {labels}")


def _tokenizer_config(model: Path, max_length: int) -> dict[str, Any]:
    path = model / "tokenizer_config.json"
    config = _read(path) if path.exists() else {}
    config = {key: value for key, value in config.items() if key not in _OF_THIS_MACHINE}
    return {**config, "model_max_length": max_length}


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise AutoMLError(f"the winner's folder {path.parent} holds no {path.name}") from None
    if not isinstance(content, dict):
        raise AutoMLError(f"{path} does not hold a JSON object")
    return content


def _write(path: Path, content: Any) -> None:
    write_bytes(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
