"""Small bundles of any task for the tests of prediction: the sample's model, its head made loud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from automl import documents, tasks
from automl.bundle import INFO, BundleInfo
from tests.tasks.samples import TINY_BERT

LOUDNESS = 40.0
"""What an untrained head's weights are multiplied with, so that it says different things."""


def write(
    name: str,
    folder: Path,
    labels: Sequence[str],
    columns: Mapping[str, str],
    model: Path = TINY_BERT,
    max_length: int = 64,
) -> Path:
    """Write a bundle of an untrained model for the task into ``folder``; return it."""
    import torch

    torch.manual_seed(1)
    task = tasks.get(name)
    built = task.build(str(model), tuple(labels), {}, False)
    with torch.no_grad():
        for part in ("classifier", "qa_outputs"):
            if hasattr(head := getattr(built, part, None), "weight"):
                head.weight.mul_(LOUDNESS)
    built.save_pretrained(folder, save_original_format=False)
    task.processor(str(model), False).save_pretrained(folder)
    info = BundleInfo(
        name="a-bundle",
        task=name,
        pipeline_tag=task.pipeline_tag,
        labels=tuple(labels),
        columns=columns,
        max_length=max_length,
        trust_remote_code=False,
        candidate="tiny",
        base_model="tiny",
        revision=None,
        metric=task.objective,
        direction="maximize",
        validation=None,
        rows={},
        metrics={},
        intervals={},
        floor={},
        beats_floor=False,
        checks=(),
        versions={},
    )
    documents.write(folder / INFO, info)
    return folder
