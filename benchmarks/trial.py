"""One trial of ours against a bare PyTorch loop and a plain Trainer run: the same configuration.

    python benchmarks/trial.py [--rounds 3] [--epochs 3] [--precision fp32]

Each arm is a fresh process on one thread, in turn (ours, bare, trainer, ours, ...); its CPU-seconds
(user + system, all its children) are the operating system's. The bare loop is tuned as ours is:
dynamic padding, length grouping, fused AdamW, the same schedule, an evaluation an epoch, the best
model saved. The Trainer arm is what its documentation shows: shuffled batches padded to their
longest, evaluating and saving each epoch, the best loaded at the end.
Data and model are the quickstart's, so that anyone can run this.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RECIPE = HERE.parent / "recipes" / "quickstart" / "recipe.yaml"
SETTINGS = {
    "learning_rate": 3e-4,
    "epochs": 3,
    "batch_size": 32,
    "weight_decay": 0.01,
    "warmup_ratio": 0.1,
    "schedule": "linear",
    "max_grad_norm": 1.0,
}
SEED = 7


def prepare(folder: Path, epochs: int, precision: str) -> Path:
    """Compile the quickstart and write a trial's spec into ``folder``."""
    import psutil

    from automl import documents, pipeline
    from automl.data.tables import write_table
    from automl.jobs import DataRef, ModelRef, Parent, TrialSpec

    loaded = pipeline.load_recipe(RECIPE)
    compiled = pipeline.compile_recipe(loaded, folder=folder / "jobs")
    plan = compiled.plan
    for split, table in compiled.tables.items():
        write_table(table, folder / f"{split}.arrow")
    tables = {split: str(folder / f"{split}.arrow") for split in compiled.tables}
    candidate = plan.candidates[0]
    me = psutil.Process()
    spec = TrialSpec(
        number=0,
        task=plan.task,
        model=ModelRef(candidate.id, str(compiled.models[candidate.id])),
        hyperparameters={**SETTINGS, "epochs": epochs},
        data=DataRef(tables, plan.data.labels, plan.data.fingerprint, candidate.max_length),
        metric="macro_f1",
        direction="maximize",
        evaluation_samples=plan.data.rows["train"],
        seed=SEED,
        precision=precision,  # type: ignore[arg-type]
        threads=1,
        processes=1,
        devices=(),
        tokens=str(folder / "tokens"),
        parent=Parent(me.pid, me.create_time()),
    )
    documents.write(folder / "spec.json", spec)
    return folder / "spec.json"


def ours(spec: Path) -> list[str]:
    trial = spec.parent / f"trial-{time.monotonic_ns()}"
    trial.mkdir()
    (trial / "spec.json").write_bytes(spec.read_bytes())
    return [sys.executable, "-m", "automl.worker", str(trial / "spec.json")]


def cpu_seconds(command: list[str]) -> float:
    """Run the command on one thread and return its user and system seconds."""
    from automl.processes import environment

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, env=environment(1, ()), capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rows_of(spec: dict, split: str):
    from datasets import Dataset

    return Dataset.from_file(spec["data"]["tables"][split])


def encoded(spec: dict):
    """Return (tokenizer, {split: list of features}) for the hand-made arms."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(spec["model"]["path"])
    number = {label: i for i, label in enumerate(spec["data"]["labels"])}
    features = {}
    for split in ("train", "validation"):
        rows = rows_of(spec, split)
        tokens = tokenizer(
            list(rows["text"]), truncation=True, max_length=spec["data"]["max_length"]
        )
        features[split] = [
            {"input_ids": ids, "attention_mask": mask, "labels": number[label]}
            for ids, mask, label in zip(
                tokens["input_ids"], tokens["attention_mask"], rows["label"], strict=True
            )
        ]
    return tokenizer, features


def model_of(spec: dict):
    import torch
    from transformers import AutoModelForSequenceClassification, set_seed

    set_seed(SEED)
    labels = spec["data"]["labels"]
    return AutoModelForSequenceClassification.from_pretrained(
        spec["model"]["path"], dtype=torch.float32, num_labels=len(labels)
    )


def bare(spec: dict, folder: Path) -> None:
    import random

    import torch
    from sklearn.metrics import f1_score
    from transformers import DataCollatorWithPadding, get_linear_schedule_with_warmup

    torch.set_num_threads(1)
    tokenizer, features = encoded(spec)
    model, collate = model_of(spec), DataCollatorWithPadding(tokenizer)
    chosen = spec["hyperparameters"]
    size, train = chosen["batch_size"], features["train"]
    total = -(-len(train) // size) * chosen["epochs"]
    decayed = [p for n, p in model.named_parameters() if p.ndim > 1]
    plain = [p for n, p in model.named_parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": chosen["weight_decay"]},
            {"params": plain, "weight_decay": 0.0},
        ],
        lr=chosen["learning_rate"],
        fused=True,
    )
    schedule = get_linear_schedule_with_warmup(
        optimizer, int(total * chosen["warmup_ratio"]), total
    )
    cast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=spec["precision"] == "bf16")
    draw, best = random.Random(SEED), -1.0
    for _ in range(chosen["epochs"]):
        model.train()
        for rows in grouped(train, size, draw):
            with cast:
                loss = model(**collate(rows)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), chosen["max_grad_norm"])
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        model.eval()
        value = f1_score(
            *predictions(model, features["validation"], collate, cast), average="macro"
        )
        if value > best:
            best = value
            model.save_pretrained(folder / "best")
    print(json.dumps({"macro_f1": best}))


def grouped(rows: list[dict], size: int, draw):
    """Batches of rows of similar length, in random order: sorted within 50 shuffled batches."""
    order = list(range(len(rows)))
    draw.shuffle(order)
    batches = []
    for start in range(0, len(order), size * 50):
        chunk = sorted(order[start : start + size * 50], key=lambda i: -len(rows[i]["input_ids"]))
        batches += [chunk[i : i + size] for i in range(0, len(chunk), size)]
    draw.shuffle(batches)
    return ([rows[i] for i in batch] for batch in batches)


def predictions(model, rows: list[dict], collate, cast) -> tuple[list[int], list[int]]:
    import torch

    order = sorted(range(len(rows)), key=lambda i: len(rows[i]["input_ids"]))
    truth, found = [], []
    with torch.inference_mode(), cast:
        for start in range(0, len(order), 128):
            batch = collate([rows[i] for i in order[start : start + 128]])
            truth += batch.pop("labels").tolist()
            found += model(**batch).logits.argmax(-1).tolist()
    return truth, found


def trainer(spec: dict, folder: Path) -> None:
    import torch
    from sklearn.metrics import f1_score
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    torch.set_num_threads(1)
    tokenizer, features = encoded(spec)
    chosen = spec["hyperparameters"]
    arguments = TrainingArguments(
        output_dir=str(folder),
        use_cpu=True,
        seed=SEED,
        bf16=spec["precision"] == "bf16",
        per_device_train_batch_size=chosen["batch_size"],
        per_device_eval_batch_size=128,
        num_train_epochs=chosen["epochs"],
        learning_rate=chosen["learning_rate"],
        weight_decay=chosen["weight_decay"],
        warmup_steps=chosen["warmup_ratio"],
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="macro_f1",
        report_to="none",
        disable_tqdm=True,
    )

    def score(found) -> dict[str, float]:
        return {
            "macro_f1": f1_score(found.label_ids, found.predictions.argmax(-1), average="macro")
        }

    made = Trainer(
        model_of(spec),
        arguments,
        data_collator=DataCollatorWithPadding(tokenizer),
        train_dataset=features["train"],
        eval_dataset=features["validation"],
        compute_metrics=score,
    )
    made.train()
    made.save_model(str(folder / "best"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--arm", nargs=2, metavar=("NAME", "SPEC"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.arm:
        name, path = options.arm
        with tempfile.TemporaryDirectory() as folder:
            {"bare": bare, "trainer": trainer}[name](
                json.loads(Path(path).read_text()), Path(folder)
            )
        return
    with tempfile.TemporaryDirectory() as name:
        spec = prepare(Path(name), options.epochs, options.precision)
        arms = {
            "ours": lambda: ours(spec),
            "bare": lambda: [sys.executable, __file__, "--arm", "bare", str(spec)],
            "trainer": lambda: [sys.executable, __file__, "--arm", "trainer", str(spec)],
        }
        cpu_seconds(arms["ours"]())  # fills the token cache and the page cache
        found: dict[str, list[float]] = {arm: [] for arm in arms}
        for _ in range(options.rounds):
            for arm, command in arms.items():
                found[arm].append(cpu_seconds(command()))
                print(f"{arm:8} {found[arm][-1]:7.1f} CPU s", file=sys.stderr)
    for other in ("bare", "trainer"):
        ratios = [a / b for a, b in zip(found["ours"], found[other], strict=True)]
        print(
            f"ours / {other}: median {statistics.median(ratios):.2f} "
            f"(from {min(ratios):.2f} to {max(ratios):.2f}, {options.rounds} rounds)"
        )
    print(
        "median CPU s: "
        + ", ".join(f"{arm} {statistics.median(times):.1f}" for arm, times in found.items())
        + f"; {os.cpu_count()} cores, {options.precision}, {options.epochs} epochs"
    )


if __name__ == "__main__":
    main()
