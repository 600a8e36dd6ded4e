"""A trial's spec in the words of transformers' TrainingArguments.

Everything that Trainer would do of its own accord (save, log, evaluate, report) is off.
"""

from __future__ import annotations

import math

from transformers import TrainingArguments

from automl import tasks
from automl.jobs import TrialSpec
from automl.rundir import TrialDir
from automl.tasks import ADAPTING
from automl.worker.pace import Pace, plan

SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}
MOST_LOADERS = 8
METHODS = ("full", *ADAPTING)


def pace(spec: TrialSpec, rows: int) -> Pace:
    """Return the trial's pace over ``rows`` training rows."""
    chosen = spec.hyperparameters
    return plan(
        rows=rows,
        batch_size=int(chosen["batch_size"]),
        epochs=float(chosen["epochs"]),
        warmup_ratio=float(chosen.get("warmup_ratio", 0.0)),
        evaluation_samples=spec.evaluation_samples,
        processes=spec.processes,
        micro_batch=spec.micro_batch,
    )


def loaders(spec: TrialSpec) -> int:
    """Return how many processes prepare batches while the device trains; 0: it waits for them.

    Texts cost nothing to prepare. Changing pictures takes milliseconds each, which a GPU does not
    have; on a CPU the processes would take from training what they give.
    """
    if not spec.devices or tasks.get(spec.task).chunk is None:
        return 0
    return max(0, min(MOST_LOADERS, spec.threads - 1))


def training_arguments(trial: TrialDir, spec: TrialSpec, paced: Pace) -> TrainingArguments:
    """Return the arguments of one attempt; making them joins the trial's other processes.

    Raises ValueError for a method or schedule that is not known.
    """
    chosen = spec.hyperparameters
    schedule, method = str(chosen.get("schedule", "linear")), chosen.get("method", "full")
    if schedule not in SCHEDULES or method not in METHODS:
        raise ValueError(f"no schedule {schedule!r} or no method {method!r}")
    return TrainingArguments(
        output_dir=str(trial.root),
        seed=spec.seed,
        use_cpu=not spec.devices,
        ddp_backend="gloo" if spec.processes > 1 and not spec.devices else None,
        # Of NCCL and gloo alike: a rank that waits longer ends, which is a hang's end.
        ddp_timeout=math.ceil(spec.collective_seconds),
        bf16=spec.precision == "bf16",
        fp16=spec.precision == "fp16",
        per_device_train_batch_size=paced.micro_batch,
        gradient_accumulation_steps=paced.accumulation,
        num_train_epochs=paced.epochs,
        learning_rate=float(chosen["learning_rate"]),
        weight_decay=float(chosen.get("weight_decay", 0.0)),
        max_grad_norm=float(chosen.get("max_grad_norm", 1.0)),
        label_smoothing_factor=float(chosen.get("label_smoothing", 0.0)),
        lr_scheduler_type=SCHEDULES[schedule],
        # A whole number: below 1 Trainer takes it for a ratio, and 1.0 for one step.
        warmup_steps=paced.warmup_steps,
        optim="adamw_torch_fused",
        # A NaN loss must be seen, not averaged away.
        logging_nan_inf_filter=False,
        logging_strategy="no",
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=bool(spec.devices),
        dataloader_num_workers=loaders(spec),
    )
