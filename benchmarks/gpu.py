"""What a GPU gives: our worker against a tuned loop, trials that share it, memory that runs out.

    python benchmarks/gpu.py [--size base|large] [--steps 200] [--batch 32] [--length 128]
    python benchmarks/gpu.py --tiny          on a CPU, in a minute or two: does it run at all?

The model is an encoder of BERT's shape with random weights (base: 110M, large: 335M), the rows are
random words of random length, so that nothing need be downloaded. Four parts, each a process of its
own:

- **choices**: tokens a second of a bare loop, by number format, attention, optimizer, compilation;
- **loop**: the worker's tokens a second, against the bare loop under the same choices;
- **sharing**: trials an hour with 1, 2 and 4 of them at once on the GPU, start and end included;
- **memory**: a trial in too small a part of the GPU, answered with half the rows until it fits.

Tokens are those of the texts: padding is not counted.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from automl import documents, events, machine, processes
from automl.events import Failed, Finished, Reported, Started
from automl.jobs import DataRef, ModelRef, Parent, TrialSpec
from automl.processes import Order, Process
from automl.rundir import TrialDir

TOKENIZER = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "tiny-bert"
SIZES = {"base": (768, 12), "large": (1024, 24), "tiny": (64, 2)}
LABELS = ("even", "odd")
WORDS = ("please", "help", "me", "the", "house", "and", "garden", "wrong", "price", "train")
SMALL_SHARE = 0.1
"""Part of the GPU in which memory is made to run out."""


def prepare(folder: Path, options: argparse.Namespace) -> TrialSpec:
    """Write model and rows into ``folder`` and return the spec of a trial over all the steps."""
    import psutil
    import pyarrow as pa

    from automl.data.tables import write_table

    dice = random.Random(0)
    tables = {}
    for split, count in (("train", options.steps * options.batch), ("validation", 64)):
        lengths = [dice.randint(options.length // 4, options.length - 2) for _ in range(count)]
        texts = [" ".join(dice.choices(WORDS, k=length)) for length in lengths]
        labels = [LABELS[length % 2] for length in lengths]
        tables[split] = str(folder / f"{split}.arrow")
        write_table(pa.table({"text": texts, "label": labels}), Path(tables[split]))
    make_model(folder / "model", options.size, options.length)
    me = psutil.Process()
    return TrialSpec(
        number=0,
        task="text-classification",
        model=ModelRef("random", str(folder / "model")),
        hyperparameters={"learning_rate": 1e-5, "epochs": 1, "batch_size": options.batch},
        data=DataRef(tables, LABELS, f"{options.steps}-{options.batch}", options.length),
        metric="log_loss",
        direction="minimize",
        evaluation_samples=10**9,
        seed=0,
        precision="bf16" if options.devices else "fp32",
        threads=1,
        processes=1,
        devices=options.devices,
        tokens=str(folder / "tokens"),
        parent=Parent(me.pid, me.create_time()),
    )


def make_model(folder: Path, size: str, length: int) -> None:
    """Save an encoder with random weights and the tests' tokenizer."""
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, set_seed

    set_seed(0)
    width, layers = SIZES[size]
    config = BertConfig(
        vocab_size=30522,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        intermediate_size=4 * width,
        max_position_embeddings=max(512, length),
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(TOKENIZER).save_pretrained(folder)


# -- the bare loop ----------------------------------------------------------------------------


def bare(spec: TrialSpec, choice: Mapping[str, object]) -> float:
    """Train the trial's rows in a loop made by hand and return tokens a second."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers import DataCollatorWithPadding as Padder

    device = torch.device("cuda" if spec.devices else "cpu")
    torch.set_num_threads(spec.threads)
    model = AutoModelForSequenceClassification.from_pretrained(
        spec.model.path, dtype=torch.float32, attn_implementation=choice["attention"]
    ).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=bool(choice["fused"]))
    forward = torch.compile(model, dynamic=True) if choice["compiled"] else model
    cast = torch.autocast(device.type, torch.bfloat16, enabled=choice["precision"] == "bf16")
    tokenizer = AutoTokenizer.from_pretrained(spec.model.path)
    batches, tokens = batched(spec, tokenizer, Padder(tokenizer))
    model.train()
    for batch in batches[:1]:  # compiling is not training
        step(forward, optimizer, cast, {name: x.to(device) for name, x in batch.items()})
    began = time.perf_counter()
    for batch in batches:
        step(forward, optimizer, cast, {name: x.to(device) for name, x in batch.items()})
    if device.type == "cuda":
        torch.cuda.synchronize()
    return tokens / (time.perf_counter() - began)


def batched(spec: TrialSpec, tokenizer, collate) -> tuple[list[dict], int]:
    """Batches of rows of like length in random order, and the tokens of all."""
    from automl.data.tables import read_table

    rows = read_table(Path(spec.data.tables["train"])).to_pylist()
    size = int(spec.hyperparameters["batch_size"])
    cut = {"truncation": True, "max_length": spec.data.max_length}
    encoded = [tokenizer(row["text"], **cut) for row in rows]
    for each, row in zip(encoded, rows, strict=True):
        each["labels"] = LABELS.index(row["label"])
    encoded.sort(key=lambda each: len(each["input_ids"]))
    batches = [collate(encoded[i : i + size]) for i in range(0, len(encoded), size)]
    random.Random(0).shuffle(batches)
    return batches, sum(len(each["input_ids"]) for each in encoded)


def step(model, optimizer, cast, batch) -> None:
    import torch

    with cast:
        loss = model(**batch).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()


def in_a_process(spec: Path, choice: Mapping[str, object]) -> float | None:
    """Return what ``bare`` comes to in a process of its own; None where it fails."""
    command = [sys.executable, __file__, "--arm", str(spec), json.dumps(choice)]
    devices = documents.read(TrialSpec, spec).devices
    environment = processes.environment(1, devices)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print((done.stderr.strip().splitlines() or ["no output"])[-1], file=sys.stderr)
        return None
    return float(done.stdout.split()[-1])


# -- our trials -------------------------------------------------------------------------------


def begin(spec: TrialSpec, folder: Path, fault: str = "") -> tuple[TrialDir, Process]:
    """Start the trial as the local executor would."""
    trial = TrialDir(folder)
    trial.root.mkdir(exist_ok=True)
    documents.write(trial.spec, spec)
    environment = processes.environment(1, spec.devices, spec.device_share)
    environment |= {"AUTOML_FAULT": fault} if fault else {}
    return trial, processes.start(Order(trial.spec, trial.log, environment))


def said(trial: TrialDir, kind: type) -> list:
    return [each for each in events.Tail(trial.metrics).read() if isinstance(each, kind)]


def trained_seconds(spec: TrialSpec, folder: Path) -> float:
    """Train a trial and return the seconds from its first step to its only evaluation's end."""
    trial, process = begin(spec, folder)
    if process.wait() != 0:
        raise SystemExit(trial.log.read_text())
    return said(trial, Reported)[0].time - said(trial, Started)[-1].time


def an_hour(spec: TrialSpec, folder: Path, at_once: int) -> float:
    """Return how many such trials an hour end where so many share the device all the time."""
    began = time.monotonic()
    shared = replace(spec, device_share=1 / at_once)
    running = [begin(shared, folder / f"shared-{at_once}-{n}") for n in range(at_once)]
    for trial, process in running:
        if process.wait() != 0:
            failed = said(trial, Failed)
            print(f"a trial failed: {failed[-1].message if failed else '?'}", file=sys.stderr)
            return 0.0
    return at_once * 3600 / (time.monotonic() - began)


def recovered(spec: TrialSpec, folder: Path) -> list[str]:
    """Return what became of each attempt in too little memory, the rows halved after each."""
    rows, told = int(spec.hyperparameters["batch_size"]), []
    fault = "" if spec.devices else "oom@step=2,once"
    small = replace(spec, device_share=SMALL_SHARE) if spec.devices else spec
    while rows:
        trial, process = begin(replace(small, micro_batch=rows), folder / "small", fault)
        code, failed = process.wait(), said(trial, Failed)
        if code == 0 and said(trial, Finished):
            return [*told, f"{rows} rows at once: finished"]
        kind = failed[-1].kind if failed else f"exit code {code}"
        told.append(f"{rows} rows at once: {kind}")
        if kind != "out_of_memory":
            break
        rows //= 2
    return told


# -- all together -----------------------------------------------------------------------------


def choices(options: argparse.Namespace) -> list[dict[str, object]]:
    """What is compared, the one that our worker makes first, then each other one by itself."""
    ours: dict[str, object] = {
        "precision": "bf16" if options.devices else "fp32",
        "attention": "sdpa",
        "fused": True,
        "compiled": False,
    }
    others: list[dict[str, object]] = [
        {"precision": "fp32" if options.devices else "bf16"},
        {"attention": "eager"},
        {"fused": False},
        {"compiled": True},
    ]
    return [ours, *({**ours, **other} for other in others[: 2 if options.tiny else 4])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=tuple(SIZES), default="base")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--tiny", action="store_true", help="a small model on the CPU")
    parser.add_argument("--arm", nargs=2, metavar=("SPEC", "CHOICE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.arm:
        path, choice = options.arm
        print(bare(documents.read(TrialSpec, Path(path)), json.loads(choice)))
        return
    if options.tiny:
        options.size, options.steps, options.batch, options.length = "tiny", 12, 8, 32
    gpus = () if options.tiny else machine.gpus()
    if not gpus and not options.tiny:
        raise SystemExit("no GPU is visible; --tiny runs this on the CPU")
    options.devices = tuple(gpu.id for gpu in gpus[:1])
    print(f"{machine.describe()}; {options.size}, batch {options.batch}, {options.length} tokens")
    with tempfile.TemporaryDirectory() as name:
        compare(Path(name), options)


def compare(folder: Path, options: argparse.Namespace) -> None:
    """Run the four parts and print what they come to."""
    spec = prepare(folder, options)
    documents.write(folder / "spec.json", spec)
    speeds = []
    for choice in choices(options):
        speeds.append(in_a_process(folder / "spec.json", choice))
        words = ", ".join(f"{name} {value}" for name, value in choice.items())
        print(f"bare loop, {words}: " + (f"{speeds[-1]:.0f} tokens/s" if speeds[-1] else "fails"))
    from transformers import AutoTokenizer, DataCollatorWithPadding

    tokenizer = AutoTokenizer.from_pretrained(spec.model.path)
    _, tokens = batched(spec, tokenizer, DataCollatorWithPadding(tokenizer))
    with processes.preloaded():
        trained_seconds(spec, folder / "first")  # fills the cache of tokens, starts the server
        ours = tokens / trained_seconds(spec, folder / "ours")
        share = f", {ours / speeds[0]:.2f} of the bare loop" if speeds[0] else ""
        print(f"our worker: {ours:.0f} tokens/s{share} (its evaluation counts)")
        for at_once in (1, 2) if options.tiny else (1, 2, 4):
            print(f"{at_once} at once: {an_hour(spec, folder, at_once):.0f} trials an hour")
        print("; ".join(recovered(spec, folder)))


if __name__ == "__main__":
    main()
