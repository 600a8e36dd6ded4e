"""What the worker's tests share: a tiny model, tiny tables, and a bench that runs trials here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest

from automl import documents, events, processes
from automl.data.tables import write_table
from automl.jobs import DataRef, ModelRef, Parent, TrialSpec
from automl.rundir import TrialDir

TINY_BERT = Path(__file__).resolve().parent.parent / "fixtures" / "tiny-bert"
LABELS = ("home", "money", "travel")
WORDS = {"home": "the house and garden", "money": "wrong price", "travel": "the morning train"}


def rows(count: int, offset: int = 0) -> dict[str, list[str]]:
    """Return ``count`` rows of very unequal length whose label can be learnt from a few words."""
    found: dict[str, list[str]] = {"text": [], "label": []}
    for number in range(offset, offset + count):
        label = LABELS[number % 3]
        filler = ("please help me " * (number % 7)).strip()
        found["text"].append(f"{filler} {WORDS[label]} number {number}".strip())
        found["label"].append(label)
    return found


@pytest.fixture(scope="package", autouse=True)
def forks() -> Iterator[None]:
    """One process, for all tests here, that has the imports done and that workers start from."""
    with processes.preloaded():
        yield


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataRef:
    """Split tables: 43 training rows (no multiple of any batch), 23 validation, 20 test."""
    folder = tmp_path_factory.mktemp("tables")
    tables = {}
    for split, (count, offset) in {
        "train": (43, 0),
        "validation": (23, 100),
        "test": (20, 200),
    }.items():
        tables[split] = str(folder / f"{split}.arrow")
        write_table(pa.table(rows(count, offset)), Path(tables[split]))
    return DataRef(tables, LABELS, "fingerprint", 32)


@dataclass(frozen=True)
class Bench:
    """Runs trials in this process."""

    root: Path
    spec: TrialSpec

    def trial(self, name: str = "trial", **changes: Any) -> TrialDir:
        """Return a fresh trial folder with its spec written; ``hyperparameters`` are merged in."""
        trial = TrialDir(self.root / name)
        trial.root.mkdir()
        self.respec(trial, **changes)
        return trial

    def respec(self, trial: TrialDir, **changes: Any) -> None:
        """Write the trial's spec anew."""
        chosen = {**self.spec.hyperparameters, **changes.pop("hyperparameters", {})}
        documents.write(trial.spec, replace(self.spec, hyperparameters=chosen, **changes))

    @staticmethod
    def run(trial: TrialDir) -> int:
        """Run one attempt, as an executor would start it, and return its exit code."""
        from automl.worker.run import run

        trial.clear_request()
        return run(trial.spec)

    @staticmethod
    def events(trial: TrialDir, *kinds: type) -> list[Any]:
        """Return the trial's events so far, of the given kinds or all."""
        found = events.Tail(trial.metrics).read()
        return [event for event in found if not kinds or isinstance(event, kinds)]

    def scores(self, trial: TrialDir) -> list[tuple[Any, ...]]:
        """Return all that was reported, but for the time it took."""
        return [
            (e.evaluation, e.step, e.samples, e.best, dict(e.metrics))
            for e in self.events(trial, events.Reported)
        ]


@pytest.fixture(scope="session")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of encoded splits, shared by all tests."""
    return tmp_path_factory.mktemp("tokens")


@pytest.fixture
def bench(tmp_path: Path, data: DataRef, tokens: Path) -> Bench:
    """A bench whose trials take 3 epochs of 6 steps and are evaluated each epoch."""
    return made(tmp_path, data, tokens)


@pytest.fixture(scope="package")
def unbroken(tmp_path_factory: pytest.TempPathFactory, data: DataRef, tokens: Path) -> TrialDir:
    """A trial as ``bench`` makes them that went to its end, for all tests to compare with."""
    bench = made(tmp_path_factory.mktemp("unbroken"), data, tokens)
    trial = bench.trial()
    assert bench.run(trial) == 0
    return trial


def made(root: Path, data: DataRef, tokens: Path) -> Bench:
    """Return the bench in ``root``."""
    spec = TrialSpec(
        number=0,
        task="text-classification",
        model=ModelRef("tiny", str(TINY_BERT)),
        hyperparameters={
            "learning_rate": 5e-3,
            "epochs": 3,
            "batch_size": 8,
            "weight_decay": 0.01,
            "warmup_ratio": 0.1,
            "schedule": "linear",
            "label_smoothing": 0.0,
            "max_grad_norm": 1.0,
            "dropout": 0.1,
            "method": "full",
        },
        data=data,
        metric="log_loss",
        direction="minimize",
        evaluation_samples=43,
        seed=7,
        precision="fp32",
        threads=1,
        processes=1,
        devices=(),
        tokens=str(tokens),
        parent=Parent(os.getpid(), psutil.Process().create_time()),
    )
    return Bench(root, spec)


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Ask for faults in what runs next; none by default."""
    monkeypatch.delenv("AUTOML_FAULT", raising=False)
    return lambda wish: monkeypatch.setenv("AUTOML_FAULT", wish)
