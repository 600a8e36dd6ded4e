"""Trials as a study keeps them, and records of small studies that differ where a test wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from automl.experience.record import Record, record_of
from automl.plan import Configuration, FileHash, Lengths, Plan, Profile, Scalar
from tests import factories

SETTINGS: dict[str, Scalar] = {
    "learning_rate": 1e-4,
    "epochs": 3,
    "batch_size": 16,
    "weight_decay": 0.01,
}
HARDWARE = "CPU (Imaginary), 4 cores, 8 GiB memory"


@dataclass(frozen=True)
class Evaluated:
    samples: int
    value: float


@dataclass(frozen=True)
class Trial:
    number: int
    configuration: Configuration
    evaluations: tuple[Evaluated, ...]
    state: str = "complete"
    seconds: float = 30.0
    costs: Mapping[str, float] = field(default_factory=dict)
    repeat_of: int | None = None


def trial(number: int, value: float | None, candidate: str = "small", **changes: Any) -> Trial:
    """One trial of 300 samples; ``changes`` are fields of it, or hyperparameters."""
    fields = {k: changes.pop(k) for k in ("state", "seconds", "repeat_of") if k in changes}
    evaluations = () if value is None else (Evaluated(100, value / 2), Evaluated(300, value))
    settings = Configuration(candidate, {**SETTINGS, **changes})
    return Trial(number, settings, evaluations, **fields)


def files(name: str) -> tuple[FileHash, ...]:
    return (FileHash("config.json", name * 3, 10), FileHash("model.safetensors", name, 1000))


def candidate(name: str = "small", content: str = "w1", **changes: Any) -> Any:
    facts = {"files": files(content), "lengths": Lengths(20, 40, 60, 0.0), **changes}
    return factories.candidate(name, **facts)


def plan(*candidates: Any, rows: int = 1000, **changes: Any) -> Plan:
    made = factories.plan(*(candidates or (candidate(),)), **changes)
    counts = {"train": {"a": rows // 2, "b": rows - rows // 2}}
    data = replace(
        made.data,
        rows={"train": rows, "validation": 200, "test": 200},
        profile=Profile(counts, {"p50": 80, "p95": 200, "max": 400}, 0, 0),
    )
    return replace(made, data=data)


def record(*trials: Trial, of: Plan | None = None, time: float = 1e9, **changes: Any) -> Record:
    made = trials or (trial(0, 0.5), trial(1, 0.9, learning_rate=3e-4), trial(2, 0.4))
    return record_of(of or plan(), made, 120.0, HARDWARE, {"torch": "2"}, time=time, **changes)
