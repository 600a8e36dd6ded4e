"""Learning curves to replay: what a configuration would have scored after each epoch.

Knows no search. LCBench's curves come from a surrogate (YAHPO Gym, Apache-2.0) that lies outside
the repository; made-up ones need nothing.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from automl.plan import Parameter, Scalar

EPOCHS = 52
SPACE = (
    Parameter("batch_size", "int", 91, 16, 512, log=True),
    Parameter("learning_rate", "float", 3.16e-3, 1e-4, 1e-1, log=True),
    Parameter("momentum", "float", 0.545, 0.1, 0.99),
    Parameter("weight_decay", "float", 0.05, 1e-5, 1e-1),
    Parameter("num_layers", "int", 3, 1, 5),
    Parameter("max_units", "int", 256, 64, 1024, log=True),
    Parameter("max_dropout", "float", 0.5, 0.0, 1.0),
)
"""LCBench's space, in the order of the surrogate's inputs (the epoch comes before them)."""
TUNING = (
    "3945",
    "7593",
    "34539",
    "126025",
    "126026",
    "126029",
    "146212",
    "167104",
    "167149",
    "167152",
    "167161",
    "167168",
)
"""Tasks that may be tuned and reported on; all others are for judging."""

Curve = NDArray[np.float64]


class Curves(Protocol):
    """Values after epochs 1 to ``EPOCHS`` of any configuration of ``SPACE``; higher is better."""

    def curve(self, task: str, values: Mapping[str, Scalar]) -> Curve:
        """Return the curve of one configuration."""
        ...


def folder() -> Path:
    """Return where the surrogate lies: ``replay/lcbench`` under AUTOML_SHARED or ../shared."""
    root = Path(__file__).resolve().parents[2].parent / "shared"
    return Path(os.environ.get("AUTOML_SHARED", root)) / "replay" / "lcbench"


class Surrogate:
    """LCBench's surrogate: 34 tabular tasks, seven hyperparameters, validation accuracy (%)."""

    def __init__(self) -> None:
        """Load the network onto one thread. Needs onnxruntime (``pip install onnxruntime``)."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            folder() / "model.onnx", options, providers=["CPUExecutionProvider"]
        )
        encoding = json.loads((folder() / "encoding.json").read_text())["OpenML_task_id"]
        self._codes = {task: code for task, code in encoding.items() if task != "#na#"}

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks, those for tuning first."""
        judging = sorted(set(self._codes) - set(TUNING), key=int)
        return (*(task for task in TUNING if task in self._codes), *judging)

    def curve(self, task: str, values: Mapping[str, Scalar]) -> Curve:
        """Return the validation accuracy in per cent after each epoch."""
        return self.curves(task, np.array([[float(values[p.name]) for p in SPACE]]))[0]

    def curves(self, task: str, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the curves [row, epoch] of configurations given as rows in ``SPACE``'s order."""
        inputs = np.empty((len(rows), EPOCHS, 1 + len(SPACE)), np.float32)
        inputs[:, :, 0] = np.arange(1, EPOCHS + 1)
        inputs[:, :, 1:] = rows[:, None, :]
        codes = np.full((len(rows) * EPOCHS, 1), self._codes[task], np.int32)
        found = self._session.run(
            None, {"x_cat": codes, "x_cont": inputs.reshape(-1, 1 + len(SPACE))}
        )[0]
        accuracy: NDArray[np.float64] = np.asarray(found[:, 1], np.float64)
        return accuracy.reshape(len(rows), EPOCHS)


@dataclass(frozen=True, slots=True)
class MadeUp:
    """Curves by formula: a configuration near ``optimum`` (shares of the ranges) ends higher.

    A smaller learning rate rises more slowly, so that early ranks mislead a little.
    """

    optimum: float = 0.6

    def curve(self, task: str, values: Mapping[str, Scalar]) -> Curve:
        """Return a rising curve whose end depends on the distance from the optimum."""
        shares = [share(parameter, float(values[parameter.name])) for parameter in SPACE]
        distance = math.sqrt(sum((s - self.optimum) ** 2 for s in shares) / len(shares))
        pace = 3 + 12 * (1 - shares[1])
        return 100 * (1 - distance) * (1 - np.exp(-np.arange(1, EPOCHS + 1) / pace))


def share(parameter: Parameter, value: float) -> float:
    """Return where in its range (from 0 to 1) the value lies."""
    assert parameter.low is not None
    assert parameter.high is not None
    if parameter.log:
        return math.log(value / parameter.low) / math.log(parameter.high / parameter.low)
    return (value - parameter.low) / (parameter.high - parameter.low)


def draw(rows: int, seed: int) -> NDArray[np.float64]:
    """Return random configurations of ``SPACE`` as rows, each the same for the same seed."""
    shares = np.random.default_rng(seed).random((rows, len(SPACE)))
    columns = []
    for parameter, column in zip(SPACE, shares.T, strict=True):
        assert parameter.low is not None
        assert parameter.high is not None
        # An integer's whole bin counts, also at both ends of its range.
        half = 0.5 if parameter.kind == "int" else 0.0
        low, high = parameter.low - half, parameter.high + half
        value = low * (high / low) ** column if parameter.log else low + column * (high - low)
        columns.append(np.rint(value) if parameter.kind == "int" else value)
    lowest = np.array([parameter.low for parameter in SPACE], float)
    highest = np.array([parameter.high for parameter in SPACE], float)
    return np.clip(np.stack(columns, axis=1), lowest, highest)


def configuration(row: Sequence[float] | NDArray[np.float64]) -> dict[str, Scalar]:
    """Return a row of ``SPACE`` as named values, all ``EPOCHS`` epochs long."""
    values: dict[str, Scalar] = {
        parameter.name: int(value) if parameter.kind == "int" else float(value)
        for parameter, value in zip(SPACE, row, strict=True)
    }
    return {**values, "epochs": EPOCHS}
