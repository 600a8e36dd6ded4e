"""Whether training waits for its rows: what the loader gives a second against what the model takes.

    python benchmarks/loading.py MODEL FOLDER [--rows 512] [--batch 32] [--threads 1]

MODEL is a folder with a classifier of pictures or of sounds, FOLDER one with a folder of pictures
for each class, or with sounds whose names begin with their class. The same rows are decoded from
their files, read back from the cache, read and changed at random, each batch also trained on,
beside a loop that trains on the same batches, made before. Pictures are counted, of sounds their
seconds. All on the CPU, in one process, one after the other, best of three.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile
import torch

from automl import tasks
from automl.worker import models, store

LENGTH = 1600
"""Of sounds, in the units of the task: none here is that long."""


@dataclass(frozen=True)
class Kind:
    """What is loaded: its task, the role of its files, and how rows may be changed in training."""

    task: str
    role: str
    unit: str
    policies: Mapping[str, Mapping[str, Any]]
    label: Callable[[Path], str]


PICTURES = Kind(
    "image-classification",
    "image",
    "pictures",
    {
        "as it is": {"augmentation": "none"},
        "light": {"augmentation": "light", "flip": True, "crop": 0.7},
        "randaugment": {"augmentation": "randaugment", "magnitude": 5, "flip": True, "crop": 0.7},
    },
    lambda path: path.parent.name,
)
SOUNDS = Kind(
    "audio-classification",
    "audio",
    "seconds of sound",
    {
        "as it is": {"sound_augmentation": "none"},
        "light": {"sound_augmentation": "light", "noise": 20.0},
        "hidden": {"sound_augmentation": "light", "noise": 20.0, "time_mask": 0.1,
                   "feature_mask": 0.1},
    },
    lambda path: path.name.split("_")[0],
)  # fmt: skip
KINDS = {".jpg": PICTURES, ".png": PICTURES, ".flac": SOUNDS, ".wav": SOUNDS}


def seconds(work: Callable[[], object]) -> float:
    """Return the least of three times."""
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    files = sorted(path for path in options.folder.rglob("*") if path.suffix in KINDS)
    files = files[:: max(1, len(files) // options.rows)][: options.rows]
    kind = KINDS[files[0].suffix]
    task = tasks.get(kind.task)
    columns = {
        kind.role: [str(path) for path in files],
        "label": [kind.label(path) for path in files],
    }
    labels = tuple(sorted(set(columns["label"])))
    amount = (
        len(files) if kind is PICTURES else sum(soundfile.info(each).duration for each in files)
    )
    processor = task.processor(str(options.model), False)
    model: Any = task.build(str(options.model), labels, {"freeze_norm": True}, False).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)

    def step(batch: dict[str, Any]) -> None:
        models.loss(task, model, batch).backward()
        optimizer.step()
        optimizer.zero_grad()

    def encoded() -> dict[str, list[Any]]:
        return task.encode(columns, processor, LENGTH, labels)

    with tempfile.TemporaryDirectory() as name:
        store.save([store.rows(encoded())], Path(name))
        rows = store.load(Path(name))

        def batches(policy: str) -> Iterator[dict[str, Any]]:
            assert task.training_collator is not None
            collate = task.training_collator(processor, 0, kind.policies[policy])
            for start in range(0, len(rows), options.batch):
                stop = min(len(rows), start + options.batch)
                yield collate([rows[row] for row in range(start, stop)])

        several = list(batches("as it is"))
        step(several[0])
        bare = amount / seconds(lambda: [step(batch) for batch in several])
        print(
            f"{amount:,.0f} {kind.unit} in {len(rows)} rows, {options.threads} thread(s), ", end=""
        )
        print(f"{options.model.name}: bare loop {bare:,.0f} a second")
        decoded = amount / seconds(encoded)
        print(f"  decoded anew          {decoded:8,.0f} a second  {decoded / bare:5.1f} x bare")
        for policy in kind.policies:
            alone = amount / seconds(lambda policy=policy: list(batches(policy)))
            both = amount / seconds(
                lambda policy=policy: [step(batch) for batch in batches(policy)]
            )
            print(
                f"  cached, {policy:13} {alone:8,.0f} a second  {alone / bare:5.1f} x bare;", end=""
            )
            print(f"  trained {both:6,.0f}, {both / bare:.2f} of bare")


if __name__ == "__main__":
    main()
