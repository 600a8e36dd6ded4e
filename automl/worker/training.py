"""One attempt at one trial, from its spec to its last event.

The spec of a trial must not change between attempts, except in what only memory, speed or place
depend on; a checkpoint of another configuration is set aside.
"""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import TrainingArguments

from automl import tasks
from automl.data.tables import read_table
from automl.events import Failed, Finished, Paused, Stopped
from automl.jobs import TrialSpec
from automl.rundir import TrialDir
from automl.tasks import Task, _pooling
from automl.worker import (
    adapters,
    cache,
    checkpoints,
    depths,
    device,
    durable,
    failures,
    faults,
    models,
    settings,
    sharding,
    snapshot,
)
from automl.worker.attempt import Leave, Setting, Truth
from automl.worker.conduct import Conduct
from automl.worker.orders import Orders
from automl.worker.pace import Pace
from automl.worker.probe import METHOD, probe
from automl.worker.ranks import Ranks, join, leave, meet_on_cpu
from automl.worker.reporter import Reporter
from automl.worker.sampling import LengthGrouped
from automl.worker.snapshot import TrialProgress
from automl.worker.store import Rows
from automl.worker.tracking import following
from automl.worker.trainer import TrialTrainer


def train(trial: TrialDir, spec: TrialSpec) -> int:
    """Train the trial, or continue it, and return the process's exit code.

    0 when it finished, paused or stopped, 1 when it failed; the last event in its metrics file
    says which, a traceback goes to stderr.
    """
    first = os.environ.get("RANK", "0") == "0"
    with following(trial, spec if first else None) as followers:
        reporter = Reporter(trial, first, followers)
        try:
            reporter.say(_attempt(trial, spec, reporter))
            leave()
        except Exception as error:  # whatever it is, the scheduler must know what kind
            traceback.print_exc(file=sys.stderr)
            reporter.failed(Failed(failures.kind(error), failures.message(error)))
            return 1
    return 0


def _attempt(trial: TrialDir, spec: TrialSpec, reporter: Reporter) -> Finished | Paused | Stopped:
    torch.set_num_threads(spec.threads)
    device.hold_to(spec.device_share, device.select(spec.devices))
    if spec.hyperparameters.get("method") == METHOD:
        return probe(trial, spec, reporter)
    paced = settings.pace(spec, read_table(Path(spec.data.tables["train"])).num_rows)
    came = int(os.environ.get("WORLD_SIZE", "1"))
    if came != spec.processes:
        # A launcher given contradicting settings starts one process and says nothing.
        raise RuntimeError(f"{spec.processes} processes were asked for, {came} came")
    if not spec.devices:
        meet_on_cpu(spec.processes, spec.collective_seconds)
    arguments = settings.training_arguments(trial, spec, paced)
    together = join(spec.collective_seconds, spec.sharded)
    if together.first:
        durable.recover(trial.best)
    checkpoint = _checkpoint(trial, spec, together)
    trainer = assemble(trial, spec, arguments, paced, together, reporter, checkpoint)
    if together.processes > 1:
        # Each rank draws its own dropout; the model and the rows' order were drawn alike.
        torch.manual_seed(spec.seed + together.rank)
    try:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    except Leave as left:
        return left.event
    return Finished(trainer.state.global_step, trainer.conduct.seconds())


def _checkpoint(trial: TrialDir, spec: TrialSpec, together: Ranks) -> Path | None:
    """Return the checkpoint to continue from, the same on every rank."""
    step = -1
    if together.first:
        found = checkpoints.newest(trial.checkpoints, snapshot.configuration(spec))
        step = -1 if found is None else checkpoints.step(found)
    step = together.share(step)
    return None if step < 0 else checkpoints.path(trial.checkpoints, step)


def assemble(
    trial: TrialDir,
    spec: TrialSpec,
    arguments: TrainingArguments,
    paced: Pace,
    together: Ranks,
    reporter: Reporter,
    checkpoint: Path | None,
) -> TrialTrainer:
    """Return the trainer of one attempt, the model and all drawn from the spec's seed.

    Raises CandidateError when the model or its tokenizer don't load.
    """
    task = tasks.get(spec.task)
    injected = faults.read(trial, spec.number)
    injected.loading()
    tokenizer = models.tokenizer(task, spec.model, spec.data)
    transformers.set_seed(spec.seed)
    model = task.build(
        spec.model.path, spec.data.labels, spec.hyperparameters, spec.model.trust_remote_code
    )
    models.check_vocabulary(model, tokenizer)
    adapters.attach(model, spec.hyperparameters)
    if adapters.attached(model):
        print(adapters.share(model), flush=True)
    if together.sharded:
        sharding.shard(model, arguments.device)
    collate = task.collator(tokenizer)
    rows = _rows(task, spec, tokenizer, model, collate, paced)
    paced = replace(paced, items=len(rows["train"]))
    arguments.warmup_steps = paced.warmup_steps
    learn = task.training_collator
    orders = Orders(trial, spec.parent, together)
    setting = Setting(
        trial,
        spec,
        task,
        tokenizer,
        rows["validation"],
        _truth(task, spec),
        collate,
        paced,
        together,
        reporter,
        orders,
    )
    progress = TrialProgress() if checkpoint is None else snapshot.read_progress(checkpoint)
    sampler = LengthGrouped(rows["train"].lengths, paced.batch_size, spec.seed)
    conduct = Conduct(setting, progress)
    return TrialTrainer(
        model,
        arguments,
        rows["train"],
        sampler,
        collate if learn is None else learn(tokenizer, spec.seed, spec.hyperparameters),
        conduct,
        injected,
        _factors(model, spec),
        task.loss,
    )


def _rows(
    task: Task, spec: TrialSpec, tokenizer: Any, model: Any, collate: Any, paced: Pace
) -> dict[str, Rows]:
    """Return the encoded rows by split, with what only the model before training can tell."""
    tokens = Path(spec.tokens)
    rows = {
        split: cache.encoded(task, spec.data, split, tokenizer, tokens, most)
        for split, most in (("train", None), ("validation", task.evaluation_rows))
    }
    if task.begin is not None:
        task.begin(model, tokenizer, rows["train"])
    if task.reference is None:
        return rows
    if not spec.sharded:
        model.to(device.select(spec.devices))
    return {
        split: task.reference(model, found, collate, paced.micro_batch)
        for split, found in rows.items()
    }


def _truth(task: Task, spec: TrialSpec) -> Truth:
    columns = cache.read_columns(Path(spec.data.tables["validation"]), task.evaluation_rows)
    return Truth(columns, task.targets(columns, spec.data.labels))


def _factors(model: Any, spec: TrialSpec) -> dict[str, float]:
    """Return the factors of the learning rate by parameter name; none where all are alike."""
    decay = float(spec.hyperparameters.get("layer_decay", 1.0))
    if decay == 1.0:
        return {}
    pooling = str(spec.hyperparameters.get("pooling", _pooling.STOCK))
    return depths.factors(model, decay, _pooling.added_layers(model.config.to_dict(), pooling))
