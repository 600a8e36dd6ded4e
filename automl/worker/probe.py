"""Method ``probe``: a logistic regression on a frozen encoder, put into the stock model's head.

What comes out is an ordinary model of its family, cut after its best layer, and is loaded, scored
and exported like any other. Trains no weight of the encoder.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers

from automl import tasks
from automl.errors import CandidateError
from automl.events import Finished, Paused, Progressed, Reported, Started, Stopped
from automl.jobs import TrialSpec
from automl.plan import Scalar
from automl.rundir import TrialDir
from automl.tasks import Task, _layers, _pooling
from automl.worker import (
    cache,
    costs,
    device,
    durable,
    faults,
    features,
    head,
    logistic,
    models,
    ridge,
    store,
)
from automl.worker.attempt import Leave
from automl.worker.failures import NotANumber
from automl.worker.orders import Orders
from automl.worker.prediction import Logits, predict
from automl.worker.ranks import Ranks
from automl.worker.reporter import PROGRESS_SECONDS, Reporter

METHOD = "probe"
LAYER_ROWS = 2000
"""Training rows, at most, on which the layers are compared."""
FOLDED_ROWS = 5000
"""Training rows up to which the regularisation is chosen by all folds; above, by one."""
BATCH_ROWS = 64
_ROUNDING = 0.05
"""By how much states may differ in another precision, of how far they spread."""
_FORMAT = 2
"""Raised when what is cached under the same key changes."""

Features = npt.NDArray[np.float32]
Targets = npt.NDArray[np.int64]


def probe(trial: TrialDir, spec: TrialSpec, reporter: Reporter) -> Finished | Paused | Stopped:
    """Do one attempt at the trial and return how it ended; its one evaluation is reported.

    An attempt that is told to pause leaves nothing but cached features: the next one starts anew
    and comes to the same. Of several processes only the first has work. Raises CandidateError
    when the model can't be probed.
    """
    if not reporter.first:
        return Finished(0, 0.0)
    durable.recover(trial.best)
    try:
        return _train(_setting(trial, spec, reporter))
    except Leave as left:
        return left.event


@dataclass(slots=True)
class _Watch:
    """Looks up between batches and between steps of a fit: for requests, and to say progress."""

    reporter: Reporter
    orders: Orders
    total_steps: int
    """Batches of all passes over rows."""
    device: torch.device
    step: int = 0
    began: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """Return the seconds of this attempt."""
        return time.monotonic() - self.began

    def look(self) -> None:
        """Raise Leave when asked to; say progress once a second."""
        order = self.orders.poll()
        if order == "stop":
            raise Leave(Stopped(self.step))
        if order != "go_on":
            raise Leave(Paused(self.step, "parent_gone" if order == "parent_gone" else "requested"))
        if self.reporter.silent_seconds() >= PROGRESS_SECONDS:
            self.reporter.say(
                Progressed(
                    self.step,
                    self.total_steps,
                    self.step / self.total_steps,
                    None,
                    self.step * BATCH_ROWS / max(self.seconds(), 1e-9),
                    device.peak_memory(self.device),
                )
            )

    def batch(self, *_: int) -> None:
        """Look up before a batch."""
        self.look()
        self.step = min(self.step + 1, self.total_steps)


@dataclass(frozen=True, slots=True)
class _Setting:
    """All that stays the same during an attempt."""

    trial: TrialDir
    spec: TrialSpec
    task: Task
    tokenizer: Any
    rows: dict[str, store.Rows]
    collate: Callable[[list[Any]], Any]
    device: torch.device
    watch: _Watch
    head: dict[str, Scalar]
    """Hyperparameters of the model that are settled before its layers are compared."""
    layers: int | None
    """Layers there are to choose from; None where none can be left away, or the spec says."""

    def model(self, **more: Scalar) -> Any:
        """Return the frozen model, its head drawn from the spec's seed."""
        transformers.set_seed(self.spec.seed)
        model = self.task.build(
            self.spec.model.path,
            self.spec.data.labels,
            {**self.head, **more},
            self.spec.model.trust_remote_code,
        )
        models.check_vocabulary(model, self.tokenizer)
        return model.to(self.device).eval()

    def targets(self, split: str) -> Targets:
        """Return the class indices of a split's rows."""
        try:
            return self.rows[split].scalars("labels").astype(np.int64)
        except KeyError:
            raise CandidateError("only rows with one class each can be probed") from None

    def score(self, logits: Logits, targets: Targets) -> float:
        """Return the goal's metric, negated where less is better."""
        found = self.task.score(logits, targets, self.spec.data.labels)[self.spec.metric]
        return found if self.spec.direction == "maximize" else -found


def _setting(trial: TrialDir, spec: TrialSpec, reporter: Reporter) -> _Setting:
    task = tasks.get(spec.task)
    faults.read(trial, spec.number).loading()
    tokenizer = task.processor(spec.model.path, spec.model.trust_remote_code)
    rows = {
        split: cache.encoded(task, spec.data, split, tokenizer, Path(spec.tokens))
        for split in ("train", "validation")
    }
    config = _config(spec)
    chosen = {
        name: spec.hyperparameters[name]
        for name in ("pooling", "keep_layers")
        if name in spec.hyperparameters
    }
    layers = None if "keep_layers" in chosen else _layers.layers(config)
    compared = min(len(rows["train"]), LAYER_ROWS) if layers else 0
    batches = [compared, len(rows["train"]), len(rows["validation"])]
    target = device.select(spec.devices)
    orders = Orders(trial, spec.parent, Ranks(0, 1))
    total = sum(math.ceil(count / BATCH_ROWS) for count in batches)
    return _Setting(
        trial=trial,
        spec=spec,
        task=task,
        tokenizer=tokenizer,
        rows=rows,
        collate=task.collator(tokenizer),
        device=target,
        watch=_Watch(reporter, orders, total, target),
        head={"pooling": _pooling.pooling_choices(config)[-1], **chosen},
        layers=layers,
    )


def _config(spec: TrialSpec) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((Path(spec.model.path) / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise CandidateError(f"its config can't be read: {error}") from error
    return found


def _train(setting: _Setting) -> Finished:
    spec, watch, reporter = setting.spec, setting.watch, setting.watch.reporter
    reporter.say(Started(0, watch.total_steps, str(setting.device)))
    known = reporter.reported(1, watch.total_steps)
    if known is not None and setting.trial.best.exists():
        return Finished(watch.total_steps, known.seconds)
    if setting.layers is None:
        model, states = setting.model(), None
    else:
        layer, states = _best_layer(setting)
        model = setting.model(keep_layers=layer)
    _fit(setting, model, states)
    metrics = _evaluate(setting, model)
    with durable.replacing(setting.trial.best) as folder:
        model.save_pretrained(folder, save_original_format=False)
        setting.tokenizer.save_pretrained(folder)
    watch.step, seconds = watch.total_steps, watch.seconds()
    validation = setting.rows["validation"]
    cost = (
        costs.measure(
            model,
            costs.typical(validation),
            setting.collate,
            setting.trial.best,
            setting.task.infer,
        )
        if spec.costs
        else {}
    )
    if known is None:
        samples = len(setting.rows["train"])
        reporter.say(Reported(1, watch.step, samples, metrics, seconds, best=True, costs=cost))
    return Finished(watch.step, seconds)


def _best_layer(setting: _Setting) -> tuple[int, Features]:
    """Return how many layers to keep, and the pooled states of the last of them.

    They are those up to the one whose states do best on rows held out, of layers that do equally
    well the lowest. Compared on the first rows, at most ``LAYER_ROWS``, in the trial's precision.
    """
    whole = setting.rows["train"]
    # Tables are ordered by row hash: the first rows are a fair draw.
    rows = whole.take(np.arange(min(LAYER_ROWS, len(whole))))
    targets = setting.targets("train")[: len(rows)]

    def make() -> Features:
        # The layer that pools is none to choose from.
        model = setting.model(pooling=_pooling.STOCK)
        return features.by_layer(
            model,
            rows,
            setting.collate,
            BATCH_ROWS,
            _reads(model, setting),
            between=setting.watch.batch,
            context=lambda: device.autocast(setting.spec.precision, setting.device),
        )

    found = _cached(setting, make, "layers", len(rows), setting.spec.precision)
    setting.watch.step = math.ceil(len(rows) / BATCH_ROWS)
    fold = logistic.folds(targets, setting.spec.seed)
    layer = 1 + ridge.best_layer(found[:, 1:], targets, fold)
    return layer, found[:, layer]


def _reads(model: Any, setting: _Setting) -> features.Pooling:
    """Return how the final model's head will read the states of its last layer."""
    if setting.head["pooling"] == _pooling.MEAN:
        return "mean"
    return "last" if features.natural(model) == "last" else "first"


def _fit(setting: _Setting, model: Any, states: Features | None) -> None:
    """Put into the model's head the regression on all training rows, as the head reads them.

    ``states`` are the first rows' pooled states of the model's last layer, if they are known.
    """
    rows, targets, watch = setting.rows["train"], setting.targets("train"), setting.watch
    batch = setting.collate([rows[row] for row in range(min(len(rows), 8))])
    inputs = {name: x.to(setting.device) for name, x in batch.items() if name != "labels"}
    name = head.last_linear(model, inputs)
    # What is left of a head that can't be straightened may be drawn from the seed.
    drawn = None if head.straighten(model, name, inputs) else setting.spec.seed
    layer = model.get_submodule(name)
    bias = layer.bias is not None

    def make() -> Features:
        with head.opened(model, name):
            return predict(
                model,
                rows,
                setting.collate,
                BATCH_ROWS,
                between=watch.batch,
                context=lambda: device.autocast(setting.spec.precision, setting.device),
                outputs=layer.in_features,
            )

    found = None
    if states is not None and len(states) == len(rows):
        found = _as_read(states, head.read(model, name, inputs))
    if found is None:
        what = "head", model.config.to_json_string(), drawn, setting.spec.precision
        found = _cached(setting, make, *what)
    watch.step = watch.total_steps - math.ceil(len(setting.rows["validation"]) / BATCH_ROWS)
    fold = logistic.folds(targets, setting.spec.seed)
    which = tuple(range(logistic.FOLDS if len(rows) <= FOLDED_ROWS else 1))
    best = int(np.argmax(_held_out(setting, found, targets, fold, which, bias)))
    *_, fitted = logistic.path(
        found,
        targets,
        len(setting.spec.data.labels),
        logistic.STRENGTHS[: best + 1],
        bias=bias,
        device=setting.device,
        between=watch.look,
    )
    head.install(model, name, fitted)


def _as_read(states: Features, read: torch.Tensor) -> Features | None:
    """Return the states as the head reads them, ``read`` of the first rows; None: it reads others.

    Saves a pass over the rows where the head does no more than scale and shift what it pools.
    """
    line = head.line(torch.from_numpy(np.array(states[: len(read)])), read.cpu(), _ROUNDING)
    if line is None:
        return None
    slope, offset = line
    return np.float32(slope) * states + np.float32(offset)


def _held_out(
    setting: _Setting,
    found: Features,
    targets: Targets,
    fold: npt.NDArray[np.int64],
    which: tuple[int, ...],
    bias: bool = True,
) -> npt.NDArray[np.float64]:
    return logistic.held_out(
        found,
        targets,
        len(setting.spec.data.labels),
        setting.score,
        fold,
        which,
        bias=bias,
        device=setting.device,
        between=setting.watch.look,
    )


def _evaluate(setting: _Setting, model: Any) -> dict[str, float]:
    """Return the metrics of the model as it will be saved, in float32, on the validation split."""
    logits = predict(
        model,
        setting.rows["validation"],
        setting.collate,
        BATCH_ROWS,
        between=setting.watch.batch,
    )
    if not np.isfinite(logits).all():
        raise NotANumber("the probe predicts no finite numbers")
    return setting.task.score(logits, setting.targets("validation"), setting.spec.data.labels)


def _cached(setting: _Setting, make: Callable[[], Features], *what: object) -> Features:
    """Return features that the trial's repeats and further attempts need too, made at most once."""
    spec = setting.spec
    parts = (
        _FORMAT,
        features.content(Path(spec.model.path)),
        cache.key(setting.task, spec.data, "train", setting.tokenizer),
        what,
    )
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=12).hexdigest()
    return features.cached(Path(spec.tokens) / "features", f"train-{digest}", make)
