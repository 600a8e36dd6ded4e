"""Who led a run at which moment: its incumbents' models are kept while it runs, and scored after.

The run knows nothing of it: files are hard-linked out of its trials' folders, which costs nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

POLL_SECONDS = 0.2


class Incumbents:
    """Follows one run folder. ``found`` holds seconds, validation score and model of each."""

    def __init__(self, run: Path, keep: Path, metric: str, began: float) -> None:
        self.run, self.keep, self.metric, self.began = run, keep, metric, began
        self.found: list[dict] = []
        self._position = 0

    def follow(self, alive: Callable[[], bool]) -> None:
        """Watch until the run is over."""
        while alive():
            self._read()
            time.sleep(POLL_SECONDS)
        self._read()

    def _read(self) -> None:
        path = self.run / "events.jsonl"
        if not path.exists():
            return
        with path.open() as stream:
            stream.seek(self._position)
            while (line := stream.readline()).endswith("\n"):
                self._position = stream.tell()
                self._hear(json.loads(line))

    def _hear(self, event: dict) -> None:
        said = event.get("event", {})
        if event["type"] != "trial_said" or said["type"] != "reported" or not said["best"]:
            return
        value = said["metrics"][self.metric]
        if self.found and value <= self.found[-1]["validation"]:
            return
        name = f"{event['trial']:04d}-{said['evaluation']}"
        if _link(self.run / "trials" / f"{event['trial']:04d}" / "best", self.keep / name):
            self.found.append(
                {
                    "seconds": event["time"] - self.began,
                    "validation": value,
                    "trial": event["trial"],
                    "model": name,
                }
            )


def _link(source: Path, target: Path) -> bool:
    """Link the folder's files; False where it was replaced meanwhile (a later event will come)."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    try:
        before = source.stat().st_ino
        for path in source.iterdir():
            if path.is_file():
                os.link(path, target / path.name)
        return source.stat().st_ino == before
    except FileNotFoundError:
        return False


def score(model: Path, work: Path, texts: tuple[str, ...], max_length: int) -> float:
    """Return the model's macro F1 on the test rows, by its own label names."""
    import csv

    import torch
    from sklearn.metrics import f1_score
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, logging

    logging.disable_progress_bar()
    with (work / "test.csv").open(newline="", encoding="utf-8") as stream:
        rows = sorted(csv.DictReader(stream), key=lambda row: sum(len(row[t]) for t in texts))
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForSequenceClassification.from_pretrained(model, dtype=torch.float32).eval()
    found = []
    for start in range(0, len(rows), 128):
        batch = [[row[text] for row in rows[start : start + 128]] for text in texts]
        inputs = tokenizer(
            *batch, truncation=True, max_length=max_length, padding=True, return_tensors="pt"
        )
        with torch.inference_mode():
            found += network(**inputs).logits.argmax(-1).tolist()
    names = [network.config.id2label[index] for index in found]
    return float(f1_score([row["label"] for row in rows], names, average="macro"))
