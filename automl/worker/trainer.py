"""transformers' Trainer with our data order, our loss scaling and our checkpoints.

A subclass because Trainer offers no other way to replace these parts. Decides nothing: what happens
between steps is ``conduct``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainingArguments

from automl.tasks._text import IGNORED
from automl.worker import snapshot
from automl.worker.conduct import Conduct
from automl.worker.faults import Faults
from automl.worker.sampling import LengthGrouped
from automl.worker.store import Rows


class TrialTrainer(Trainer):  # type: ignore[misc]  # transformers is not typed
    """Trains one model on one process's share of the rows."""

    def __init__(
        self,
        model: Any,
        arguments: TrainingArguments,
        rows: Rows,
        sampler: LengthGrouped,
        collate: Callable[[list[Any]], Any],
        conduct: Conduct,
        faults: Faults,
        factors: Mapping[str, float],
        loss: Callable[[Any, dict[str, Any]], Any] | None = None,
    ) -> None:
        """``factors`` are of the learning rate, by parameter name; empty where all are alike.

        ``loss`` is the task's of a batch, where it is not the model's own.
        """
        # Heads take **kwargs and ignore the count Trainer passes in them; Trainer, believing that
        # they divided by it, would multiply loss and gradient by the accumulation factor.
        model.accepts_loss_kwargs = False
        super().__init__(
            model, arguments, data_collator=collate, train_dataset=rows, callbacks=[conduct]
        )
        self.remove_callback(PrinterCallback)
        self.sampler = sampler
        self.conduct = conduct
        conduct.trainer = self
        self.faults = faults
        self.factors = factors
        self.own_loss = loss
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=arguments.device)
        """Sum of each step's mean loss on this process since the attempt began; never synced."""
        self._step_weight = 0

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthGrouped:
        return self.sampler

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Return Trainer's own optimizer, its parameters grouped by their learning rate too."""
        if self.factors:
            kind, settings = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            self.optimizer = kind(self._groups(), **settings)
        else:
            super().create_optimizer(model)
        made: torch.optim.Optimizer = self.optimizer
        return made

    def _groups(self) -> list[dict[str, Any]]:
        decaying = set(self.get_decay_parameter_names(self.model))
        groups: dict[tuple[float, bool], list[torch.nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                group = self.factors[name], name in decaying
                groups.setdefault(group, []).append(parameter)
        return [
            {
                "params": parameters,
                "lr": factor * self.args.learning_rate,
                "weight_decay": self.args.weight_decay if decays else 0.0,
            }
            for (factor, decays), parameters in groups.items()
        ]

    @contextmanager
    def _defer_fsdp_gradient_reduction(self) -> Iterator[None]:
        """Within, gradients of a sharded model add up on each rank; Trainer asks for it."""
        self.model.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            self.model.set_requires_gradient_sync(True)

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], None]:
        """Return the step's micro-batches, noting what they weigh together."""
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        self._step_weight = sum(_weight(batch) for batch in batches)
        return batches, None

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """Return the micro-batch's share of the step's loss, its gradient added.

        The share is by what its mean loss was taken over, rows or tokens: as in one big batch.
        """
        self.current_gradient_accumulation_steps = self._step_weight / _weight(inputs)
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.loss_sum += loss
        return loss

    def compute_loss(self, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        """Return the model's loss, or the fault that a test asked for."""
        if self.own_loss is None:
            loss = super().compute_loss(model, inputs, *rest, **named)
        else:
            loss = self.own_loss(model, inputs)
        return self.faults.step(self.state.global_step + 1, loss) if self.faults else loss

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        # Trainer's own loads whatever keys happen to match.
        snapshot.restore_weights(self.model, Path(resume_from_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            snapshot.restore_training(self, Path(checkpoint))

    def _load_scaler(self, checkpoint: str | None) -> None:
        """Leave the scaler: it was restored with the optimizer."""

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            snapshot.restore_generators(Path(checkpoint), self.args.process_index)


def _weight(batch: Mapping[str, Any]) -> int:
    """Return how many targets the batch has: tokens that are not left out, else rows."""
    labels = batch.get("labels")
    if labels is None or labels.dim() < 2 or labels.is_floating_point():
        return len(next(iter(batch.values())))
    return max(1, int((labels != IGNORED).sum()))
