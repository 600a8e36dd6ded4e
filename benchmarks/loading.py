"""Whether training waits for its rows: pictures a second of the loader against those of the model.

    python benchmarks/loading.py MODEL FOLDER [--rows 512] [--batch 32] [--threads 1]

MODEL is a folder with an image classifier, FOLDER one with a folder of pictures for each class. The
same rows are decoded from their files, read back from the cache, read and changed at random (light,
randaugment), each batch also trained on, beside the bare loop that trains on one batch again and
again. All on the CPU, in one process, one after the other, best of three.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from automl import tasks
from automl.worker import store

TASK = "image-classification"
POLICIES = {
    "as it is": {"augmentation": "none"},
    "light": {"augmentation": "light", "flip": True, "crop": 0.7},
    "randaugment": {"augmentation": "randaugment", "magnitude": 5, "flip": True, "crop": 0.7},
}


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
    task = tasks.get(TASK)
    files = sorted(path for path in options.folder.rglob("*") if path.suffix == ".jpg")
    files = files[:: max(1, len(files) // options.rows)][: options.rows]
    labels = tuple(sorted({path.parent.name for path in files}))
    columns = {
        "image": [str(path) for path in files],
        "label": [path.parent.name for path in files],
    }
    processor = task.processor(str(options.model), False)
    model: Any = task.build(str(options.model), labels, {"freeze_norm": True}, False).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    assert task.loss is not None
    assert task.training_collator is not None

    def step(batch: dict[str, Any]) -> None:
        assert task.loss is not None
        task.loss(model, batch).backward()
        optimizer.step()
        optimizer.zero_grad()

    with tempfile.TemporaryDirectory() as name:
        store.save([store.rows(task.encode(columns, processor, 64, labels))], Path(name))
        rows = store.load(Path(name))

        def batches(policy: str) -> Iterator[dict[str, Any]]:
            assert task.training_collator is not None
            collate = task.training_collator(processor, 0, POLICIES[policy])
            for start in range(0, len(rows), options.batch):
                stop = min(len(rows), start + options.batch)
                yield collate([rows[row] for row in range(start, stop)])

        one = next(batches("as it is"))
        count = -(-len(rows) // options.batch)
        step(one)
        bare = len(rows) / seconds(lambda: [step(one) for _ in range(count)])
        print(f"{len(rows)} pictures, {tuple(one['pixel_values'].shape[1:])}, ", end="")
        print(f"{options.threads} thread(s), {options.model.name}: bare loop {bare:,.0f} a second")
        decoded = len(rows) / seconds(lambda: task.encode(columns, processor, 64, labels))
        print(f"  decoded and cut anew  {decoded:8,.0f} a second  {decoded / bare:5.1f} x bare")
        for policy in POLICIES:
            alone = len(rows) / seconds(lambda policy=policy: list(batches(policy)))
            both = len(rows) / seconds(
                lambda policy=policy: [step(batch) for batch in batches(policy)]
            )
            print(
                f"  cached, {policy:13} {alone:8,.0f} a second  {alone / bare:5.1f} x bare;", end=""
            )
            print(f"  trained {both:6,.0f}, {both / bare:.2f} of bare")


if __name__ == "__main__":
    main()
