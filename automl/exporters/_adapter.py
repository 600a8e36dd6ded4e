"""A winner's adapters without the model that they stand beside: files, and how they are used.

Copies files and edits JSON; never loads a model.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.documents import write_bytes
from automl.exporters._paths import origin
from automl.plan import Candidate
from automl.tasks import Task
from automl.tasks._loading import ADAPTER, ADAPTER_CONFIG, ADAPTER_WEIGHTS, BASE, GENERATION

if TYPE_CHECKING:
    from automl.exporters import Delivery

MERGED = "merged"
"""Folder that the card's code makes of base model and adapters."""
_USAGE = """\
from peft import PeftModel
from transformers import AutoConfig, {auto_class}, AutoTokenizer{more}

# Once: the base model, under this model's settings, with the adapters merged into it.
config = AutoConfig.from_pretrained({repository!r}, subfolder={settings!r})
base = {auto_class}.from_pretrained(
    {base!r}, {revision}config=config, dtype="float32", ignore_mismatched_sizes=True
)
model = PeftModel.from_pretrained(base, {repository!r}).merge_and_unload()
{generation}model.save_pretrained({merged!r})
AutoTokenizer.from_pretrained({repository!r}).save_pretrained({merged!r})

{usage}"""
_GENERATION = """\
model.generation_config = GenerationConfig.from_pretrained({repository!r}, subfolder={settings!r})
"""


def write(delivery: Delivery, folder: Path, candidate: Candidate, config: dict[str, Any]) -> None:
    """Write the adapters, which name their base model, and the settings it is loaded under.

    ``config`` is the whole model's: classes, and what of its structure is not the base model's.
    """
    kept = delivery.model / ADAPTER
    shutil.copyfile(kept / ADAPTER_WEIGHTS, folder / ADAPTER_WEIGHTS)
    (folder / ADAPTER_WEIGHTS).chmod(0o644)
    settings = json.loads((kept / ADAPTER_CONFIG).read_bytes())
    settings["base_model_name_or_path"] = origin(candidate)
    settings["revision"] = candidate.revision if candidate.source == "hub" else None
    settings["target_modules"] = sorted(settings["target_modules"])
    _write(folder / ADAPTER_CONFIG, settings)
    (folder / BASE).mkdir()
    _write(folder / BASE / "config.json", config)
    if (delivery.model / GENERATION).exists():
        shutil.copyfile(delivery.model / GENERATION, folder / BASE / GENERATION)


def usage(delivery: Delivery, task: Task, repository: str) -> str:
    """Return the Python lines that merge once, and then predict as the task does."""
    plan = delivery.plan
    candidate = plan.candidate(delivery.winner.configuration.candidate)
    hub = candidate.source == "hub"
    generates = (delivery.model / GENERATION).exists()
    names = {"repository": repository, "settings": BASE}
    return _USAGE.format(
        **names,
        auto_class=task.auto_class,
        more=", GenerationConfig" if generates else "",
        base=origin(candidate) if hub else f"path/to/{origin(candidate)}",
        revision=f"revision={candidate.revision!r}, " if hub else "",
        generation=_GENERATION.format(**names) if generates else "",
        merged=MERGED,
        usage=task.usage(MERGED, delivery.max_length, plan.data.columns),
    )


def _write(path: Path, content: dict[str, Any]) -> None:
    write_bytes(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
