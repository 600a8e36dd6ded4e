"""What happens between the steps of a trial: evaluate, keep the best, save, answer requests, tell.

Trains nothing itself. The same on every rank; rank 0 writes and speaks.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from transformers import TrainerCallback, TrainerControl, TrainerState

from automl.events import Progressed, Reported, Saved, Started
from automl.worker import (
    adapters,
    checkpoints,
    costs,
    device,
    durable,
    head_start,
    models,
    sharding,
    snapshot,
)
from automl.worker.attempt import Leave, Setting, leaving
from automl.worker.failures import NotANumber
from automl.worker.orders import Order
from automl.worker.prediction import outputs
from automl.worker.reporter import PROGRESS_SECONDS
from automl.worker.snapshot import TrialProgress

WAITING_SECONDS = 5.0
"""How often a trial that waits at a rung says that it is alive."""
EVALUATION_ROWS = 4
"""Evaluation takes this many times the rows of a training step at once: it keeps no gradients."""


class Conduct(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Trainer's callback for one attempt. ``trainer`` is set before training begins."""

    trainer: Any

    def __init__(self, setting: Setting, progress: TrialProgress) -> None:
        self.setting = setting
        self.progress = progress
        self.began = self.saved = time.monotonic()
        self.speed = 0.0
        self.mark: tuple[int, float, float] = (0, 0.0, self.began)
        """Step, loss sum and time at the last word of progress."""
        self.loss: float | None = None
        self.judged: tuple[int, float] = (0, 0.0)
        """Step and loss sum at the last evaluation."""
        self.saved_step = -1

    # -- Trainer's moments ------------------------------------------------------------------

    def on_train_begin(
        self, args: Any, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Say that training begins, and make up for an evaluation that was interrupted."""
        setting = self.setting
        setting.reporter.say(
            Started(
                state.global_step,
                setting.pace.total_steps,
                str(args.device),
                setting.ranks.processes,
            )
        )
        self.began = self.saved = time.monotonic()
        self.mark = (state.global_step, 0.0, self.began)
        self.judged = (state.global_step - self.progress.loss_steps, -self.progress.loss_sum)
        if state.global_step == 0 and setting.spec.hyperparameters.get("head_init") == "probe":
            self._give_head_start()
        if self.progress.pending:
            self._evaluate(state.global_step)
        elif self._at_rung(state.global_step):
            self._ask_again(state.global_step)
        self.mark = (state.global_step, 0.0, time.monotonic())

    def on_epoch_begin(
        self, args: Any, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Let the sampler know which pass this is, also when continuing in the middle of one."""
        epoch = state.global_step // self.setting.pace.steps_per_epoch
        self.trainer.sampler.epoch = epoch
        if hasattr(self.trainer.data_collator, "epoch"):
            self.trainer.data_collator.epoch = epoch

    def on_step_end(
        self, args: Any, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Evaluate when it is due, answer requests, say how far it is."""
        step = state.global_step
        if self.setting.pace.due(step):
            paused = time.monotonic()
            self._evaluate(step)
            # Speed is that of training: what evaluation took since the last word is left out.
            began, loss, then = self.mark
            self.mark = (began, loss, then + time.monotonic() - max(paused, then))
        if step < self.setting.pace.total_steps:
            self._answer(self.setting.orders.poll(), step)
            self._tell(step)

    def _give_head_start(self) -> None:
        """Fit the classifier; an attempt that must leave meanwhile begins anew."""
        setting = self.setting

        def between() -> None:
            order = setting.orders.poll()
            if order != "go_on":
                raise Leave(leaving(order, 0))
            self._say_progress(0, PROGRESS_SECONDS)

        head_start.give(
            self.trainer.model,
            self.trainer.train_dataset,
            setting.collate,
            EVALUATION_ROWS * setting.pace.micro_batch,
            setting.spec.seed,
            setting.ranks,
            between,
        )

    # -- answers ----------------------------------------------------------------------------

    def _answer(self, order: Order, step: int, pending: bool = False) -> None:
        if order == "go_on":
            return
        if order != "stop":
            self._save(step, pending)
        raise Leave(leaving(order, step))

    # -- rungs ------------------------------------------------------------------------------

    def _at_rung(self, step: int) -> bool:
        return self.setting.pace.rung(step, self.setting.spec.rungs)

    def _ask_again(self, step: int) -> None:
        """Wait for an answer that an earlier attempt at this rung did not live to hear.

        A report that was lost with a power cut leaves nothing to ask about: training goes on.
        """
        known = self.setting.reporter.reported(self.progress.evaluations, step)
        if self.setting.ranks.share(known is not None):
            if known is not None:
                self.setting.reporter.say(replace(known, rung=True))
            self._wait(step)

    def _wait(self, step: int) -> None:
        """Hold still until the trial is told to go on; leave if it is told otherwise."""
        with self._uncounted():
            order = self.setting.orders.wait(lambda: self._say_progress(step, WAITING_SECONDS))
        self._answer(order, step)

    @contextmanager
    def _uncounted(self) -> Iterator[None]:
        """Take what happens meanwhile for no work of the trial's."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.began += time.monotonic() - began

    def _tell(self, step: int) -> None:
        """Say how far training is, every second; look at the loss while at it."""
        if not self._is_silent(PROGRESS_SECONDS):
            return
        began, loss_before, then = self.mark
        loss, now = self._check_loss(), time.monotonic()
        if step > began:
            self.loss = (loss - loss_before) / (step - began)
            samples = self.setting.pace.samples(step) - self.setting.pace.samples(began)
            self.speed = samples / max(now - then, 1e-9)
        self.mark = (step, loss, now)
        self._say_progress(step)

    def _is_silent(self, seconds: float) -> bool:
        return self.setting.ranks.first and self.setting.reporter.silent_seconds() >= seconds

    def _say_progress(self, step: int, silence: float = 0.0) -> None:
        """Say how far training is, once nothing was said of it for so many seconds."""
        if not self._is_silent(silence):
            return
        self.setting.reporter.say(
            Progressed(
                step,
                self.setting.pace.total_steps,
                step / self.setting.pace.steps_per_epoch,
                self.loss,
                self.speed,
                device.peak_memory(self.trainer.args.device),
            )
        )

    def _check_loss(self) -> float:
        """Return the loss sum so far; raises NotANumber once it is none."""
        loss = float(self.trainer.loss_sum)
        if not math.isfinite(loss):
            raise NotANumber(f"the loss is {loss} by step {self.trainer.state.global_step}")
        return loss

    # -- evaluation -------------------------------------------------------------------------

    def _evaluate(self, step: int) -> None:
        """Score the validation split, keep the model if it is the best so far, report, save.

        An evaluation that a lost attempt has reported is taken from its report, if the model it
        may have kept is still there; it is reported twice only where it asks for an answer.
        """
        setting, number = self.setting, self.progress.evaluations + 1
        known = setting.reporter.reported(number, step)
        if known is not None and setting.trial.best.exists():
            self._count(number, known.metrics, known.best)
            report = known
        else:
            found = self._judge(number, step)
            report = found if known is None else known
        self.judged = (step, float(self.trainer.loss_sum))
        rung = self._at_rung(step)
        if known is None or rung:
            setting.reporter.say(replace(report, rung=rung))
        waited = time.monotonic() - self.saved >= setting.spec.checkpoint_seconds
        if setting.ranks.share(waited) and step < setting.pace.total_steps:
            self._save(step)
        if rung:
            self._wait(step)

    def _judge(self, number: int, step: int) -> Reported:
        """Score the model and keep it if it is the best so far."""
        setting = self.setting
        loss = self._mean_loss(step)
        metrics = self._score(step)
        best = self._improves(metrics[setting.spec.metric])
        if best and (setting.ranks.first or setting.ranks.sharded):
            self._keep()
        self._count(number, metrics, best)
        seconds = self.seconds()
        with self._uncounted():
            costs = self._costs() if number == 1 and setting.spec.costs else {}
        samples = setting.pace.samples(step)
        return Reported(number, step, samples, metrics, seconds, best, costs=costs, loss=loss)

    def _mean_loss(self, step: int) -> float | None:
        """Return the training loss since the last evaluation, over all attempts."""
        began, before = self.judged
        loss = self._check_loss()
        return (loss - before) / (step - began) if step > began else None

    def _costs(self) -> dict[str, float]:
        if not (self.setting.ranks.first or self.setting.ranks.sharded):
            return {}
        setting, model = self.setting, self.trainer.model
        if adapters.attached(model):
            # What is used later has none: they cost time and weights that it will not.
            kept = replace(setting.spec.model, path=str(setting.trial.best))
            model = models.trained(setting.task, kept, self.trainer.args.device)
        rows = costs.typical(setting.validation)
        return costs.measure(model, rows, setting.collate, setting.trial.best, setting.task.infer)

    def _score(self, step: int) -> dict[str, float]:
        """Return the metrics on the validation split, every row predicted by exactly one rank."""
        setting = self.setting

        def between() -> None:
            self._answer(setting.orders.poll(), step, pending=True)
            self._tell(step)

        task, truth, labels = setting.task, setting.truth, setting.spec.data.labels
        said = setting.ranks.merge(
            outputs(
                self.trainer.model,
                setting.validation,
                setting.collate,
                EVALUATION_ROWS * setting.pace.micro_batch,
                task.infer,
                share=setting.ranks.part,
                between=between,
            )
        )
        predicted = task.decode(said, setting.validation, truth.columns, setting.tokenizer, labels)
        if task.settle is not None:
            predicted = task.settle(self.trainer.model, predicted, truth.targets, labels)
        if isinstance(predicted, np.ndarray) and not np.isfinite(predicted).all():
            raise NotANumber(f"the model predicts no finite numbers at step {step}")
        return task.score(predicted, truth.targets, labels)

    def _improves(self, value: float) -> bool:
        best = self.progress.best
        if best is None:
            return True
        return value > best if self.setting.spec.direction == "maximize" else value < best

    def _count(self, number: int, metrics: Mapping[str, float], best: bool) -> None:
        self.progress = replace(
            self.progress,
            evaluations=number,
            best=metrics[self.setting.spec.metric] if best else self.progress.best,
        )

    # -- files ------------------------------------------------------------------------------

    def _keep(self) -> None:
        """Write the model as the trial's best, such that ``from_pretrained`` gives it back."""
        model, ranks = self.trainer.model, self.setting.ranks
        with self.setting.task.keeping(model):
            whole = sharding.weights(model) if ranks.sharded else None
            if not ranks.first:
                return
            with durable.replacing(self.setting.trial.best) as folder:
                adapters.save(model, folder, self.setting.task, whole)
                self.setting.tokenizer.save_pretrained(folder)

    def _save(self, step: int, pending: bool = False) -> None:
        """Write a checkpoint to continue from, unless there is one of this very moment."""
        if step == self.saved_step and not pending:
            return
        loss, (judged, before) = self._check_loss(), self.judged
        trial, ranks = self.setting.trial, self.setting.ranks
        folder = checkpoints.fresh(trial.checkpoints, step)
        taken = snapshot.take(self.trainer) if ranks.first or ranks.sharded else None
        if ranks.first and taken is not None:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            progress = replace(
                self.progress,
                step=step,
                pending=pending,
                seconds=self.seconds(),
                loss_sum=loss - before,
                loss_steps=step - judged,
            )
            snapshot.write(folder, taken, self.trainer.state, progress)
        ranks.meet()
        snapshot.write_generators(folder, ranks.rank)
        ranks.meet()
        if ranks.first:
            configuration = snapshot.configuration(self.setting.spec)
            target, size = checkpoints.complete(trial.checkpoints, step, configuration)
            self.setting.reporter.say(Saved(step, str(target.relative_to(trial.root)), size))
        self.saved, self.saved_step = time.monotonic(), step

    def seconds(self) -> float:
        """Return the trial's seconds so far, over all attempts whose work was kept."""
        return self.progress.seconds + time.monotonic() - self.began
