"""Fine-tuning a text classifier with Trainer and Optuna, as someone does who knows both.

    python benchmarks/optuna_trainer.py task.json

The task file names csv files, text columns, candidate models, ranges, threads and the numbers of
trials after which the best model so far is scored on test (``benchmarks/real.py`` writes it).
This is the reference that ``automl run`` is measured against: TPE, median pruning, dynamic padding,
length grouping, fused AdamW, warm-up, an evaluation an epoch, the best epoch's model kept.
"""

import json
import sys
import time
from functools import cache
from pathlib import Path

import optuna
import torch
from datasets import load_dataset
from sklearn.metrics import f1_score
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

task = json.loads(Path(sys.argv[1]).read_text())
space, work = task["space"], Path(sys.argv[1]).parent
torch.set_num_threads(task["threads"])
data = load_dataset("csv", data_files=task["files"])
labels = sorted(set(data["train"]["label"]))


@cache
def encoded(model):
    tokenizer = AutoTokenizer.from_pretrained(model)

    def encode(rows):
        texts = [rows[column] for column in task["texts"]]
        found = tokenizer(*texts, truncation=True, max_length=task["max_length"])
        return {**found, "labels": [labels.index(label) for label in rows["label"]]}

    return tokenizer, data.map(encode, batched=True, remove_columns=data["train"].column_names)


def macro_f1(found):
    return {"macro_f1": f1_score(found.label_ids, found.predictions.argmax(-1), average="macro")}


def trainer_of(model, folder, **arguments):
    tokenizer, rows = encoded(model if model in task["models"] else task["models"][0])
    return Trainer(
        AutoModelForSequenceClassification.from_pretrained(
            model, num_labels=len(labels), dtype=torch.float32
        ),
        TrainingArguments(
            output_dir=str(folder),
            use_cpu=True,
            bf16=task["bf16"],
            seed=task["seed"],
            per_device_eval_batch_size=128,
            train_sampling_strategy="group_by_length",
            warmup_steps=0.1,
            optim="adamw_torch_fused",
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=1,
            save_only_model=True,
            load_best_model_at_end=True,
            metric_for_best_model="macro_f1",
            greater_is_better=True,
            report_to="none",
            disable_tqdm=True,
            **arguments,
        ),
        processing_class=tokenizer,
        train_dataset=rows["train"],
        eval_dataset=rows["validation"],
        compute_metrics=macro_f1,
    )


class Prune(TrainerCallback):
    def __init__(self, trial):
        self.trial = trial

    def on_evaluate(self, args, state, control, metrics, **_):
        self.trial.report(metrics["eval_macro_f1"], round(state.epoch))
        if self.trial.should_prune():
            raise optuna.TrialPruned


def objective(trial):
    trainer = trainer_of(
        trial.suggest_categorical("model", task["models"]),
        work / "checkpoints",
        learning_rate=trial.suggest_float("learning_rate", *space["learning_rate"], log=True),
        num_train_epochs=trial.suggest_int("epochs", *space["epochs"]),
        per_device_train_batch_size=trial.suggest_categorical("batch_size", space["batch_size"]),
        weight_decay=trial.suggest_float("weight_decay", *space["weight_decay"], log=True),
    )
    trainer.add_callback(Prune(trial))
    trainer.train()
    value = trainer.state.best_metric
    done = trial.study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
    if all(value > other.value for other in done):
        trainer.save_model(str(work / "best"))
    return value


study = optuna.create_study(
    direction="maximize",
    sampler=optuna.samplers.TPESampler(seed=task["seed"]),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1),
)
for count in task["trials"]:
    study.optimize(objective, n_trials=count - len(study.trials))
    began = time.time()
    best = trainer_of(str(work / "best"), work / "scoring")
    score = best.predict(encoded(study.best_params["model"])[1]["test"]).metrics["test_macro_f1"]
    line = {
        "trials": count,
        "validation": study.best_value,
        "test": score,
        "best": study.best_params,
        "states": [trial.state.name.lower() for trial in study.trials],
        "began": began,
        "ended": time.time(),
    }
    with (work / "result.jsonl").open("a") as stream:
        stream.write(json.dumps(line) + "\n")
