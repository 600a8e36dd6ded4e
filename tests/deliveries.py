"""Deliveries to test exporters with: consistent numbers drawn from a seed, no training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import exp
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

from automl import documents, plan
from automl.exporters import CheckResult, Delivery, TrialSummary
from automl.exporters._choice import Choice, Confirmed, Point, Soup, optimism
from automl.exporters._energy import Energy
from automl.jobs import (
    FormatFacts,
    ImportanceResult,
    Interval,
    ScoreResult,
    Share,
    Speed,
    SplitScore,
)
from automl.monitoring.profiling import profile
from automl.reference import Reference, Value

TOPICS = ("account access", "billing", "delivery", "feedback", "refund", "returns", "technical")
VERSIONS = {"automl": "0.1.0", "python": "3.11.9", "torch": "2.13.0", "transformers": "5.23.0"}


def many_labels(count: int) -> tuple[str, ...]:
    """Return ``count`` class names such as large intent data sets have."""
    verbs = ("activate", "cancel", "declined", "get_disposable_virtual", "lost_or_stolen", "verify")
    things = ("card", "cash_withdrawal", "card_payment_fee_charged", "transfer", "top_up")
    names = [f"{verb}_{thing}" for thing in things for verb in verbs]
    return tuple(
        (names * 3)[index] + ("" if index < len(names) else f"_{index // len(names)}")
        for index in range(count)
    )


def confusion(labels: Sequence[str], accuracy: float, rows: int, seed: int) -> list[list[int]]:
    """Return a confusion matrix of about that accuracy, its mistakes in a few pairs mostly."""
    random = Random(seed)
    size = len(labels)
    matrix = [[0] * size for _ in labels]
    for row in range(rows):
        true = row % size if random.random() < 0.7 else random.randrange(max(1, size // 2))
        near = (true + 1 + int(random.expovariate(1.2))) % size
        hit = random.random() < accuracy - 0.25 * (true % 3 == 1)
        matrix[true][true if hit else near] += 1
    return matrix


def split_score(
    labels: Sequence[str],
    accuracy: float,
    rows: int,
    seed: int,
    examples: tuple[Mapping[str, Any], ...] = (),
) -> SplitScore:
    """Return the score that follows from ``confusion``."""
    matrix = confusion(labels, accuracy, rows, seed)
    table = {}
    for index, label in enumerate(labels):
        true, predicted = sum(matrix[index]), sum(row[index] for row in matrix)
        recall = matrix[index][index] / true if true else 0.0
        precision = matrix[index][index] / predicted if predicted else 0.0
        both = precision + recall
        table[label] = {
            "precision": precision,
            "recall": recall,
            "f1": 2 * precision * recall / both if both else 0.0,
            "support": float(true),
        }
    right = sum(matrix[index][index] for index in range(len(labels))) / rows
    metrics = {"accuracy": right, "macro_f1": sum(c["f1"] for c in table.values()) / len(table)}
    half = 1.96 * (right * (1 - right) / rows) ** 0.5
    return SplitScore(
        rows=rows,
        metrics=metrics,
        intervals={
            name: Interval(value - half, min(1.0, value + half)) for name, value in metrics.items()
        },
        per_class=table,
        confusion=tuple(tuple(row) for row in matrix),
        examples=examples,
    )


EVERY, RUNGS, HORIZON = 400, (800, 2400), 4000
"""Training samples between evaluations, at the rungs, and in all."""
COSTS = {
    "minilm": {"latency_ms": 6.13, "parameters": 22_713_216.0, "disk": 90_868_376.0},
    "tiny": {"latency_ms": 1.42, "parameters": 4_386_307.0, "disk": 17_549_312.0},
}


def trials(
    count: int, candidates: Sequence[str], best: float, seed: int
) -> tuple[TrialSummary, ...]:
    """Return trials whose values rise towards ``best``, compared at rungs: some pruned there, one
    left waiting, one failed, one with a frozen encoder.
    """
    random = Random(seed)
    made = []
    for number in range(count):
        values: dict[str, plan.Scalar] = {
            "learning_rate": 10 ** random.uniform(-5, -3.5),
            "batch_size": random.choice([16, 32]),
            "epochs": random.choice([1, 2, 3]),
            "method": "probe" if number == 2 else "full",
        }
        top = best - 0.01 - abs(random.gauss(0, 0.07)) * (number != count - 2)
        samples = range(EVERY, HORIZON + 1, EVERY)
        curve = tuple(
            (n, top * (1 - 0.7 * exp(-n / 800)) + random.uniform(0, 0.01)) for n in samples
        )
        state, seconds = "complete", 20.0 + 5 * random.random()
        if number == 2:
            curve, seconds = ((HORIZON, best - 0.09),), 3.1
        elif number == 5:
            curve, state, seconds = (), "failed", 0.4
        elif number % 3 == 0:
            curve, state = curve[:2], "pruned"
        elif number == 7:
            curve, state = curve[:6], "paused"
        candidate = candidates[number % len(candidates)]
        made.append(
            TrialSummary(
                number=number,
                configuration=plan.Configuration(candidate, values),
                state=state,
                value=max((value for _, value in curve), default=None),
                seconds=seconds,
                curve=curve,
                message="loss is not a number at step 12" if state == "failed" else "",
                costs=COSTS.get(candidate, {}) if curve else {},
            )
        )
    return tuple(made)


def repeats(tried: Sequence[TrialSummary], count: int, seed: int) -> tuple[TrialSummary, ...]:
    """Return the best complete trials trained again, each a little worse than it first looked."""
    random = Random(seed)
    complete = [trial for trial in tried if trial.state == "complete"]
    complete.sort(key=lambda trial: -(trial.value or 0.0))
    made = []
    for number, trial in enumerate(complete[:count], start=len(tried)):
        drop = random.uniform(0.0, 0.015)
        curve = tuple((samples, value - drop) for samples, value in trial.curve)
        made.append(
            replace(
                trial,
                number=number,
                curve=curve,
                value=max(value for _, value in curve),
                repeat_of=trial.number,
            )
        )
    return tuple(made)


def chosen(
    tried: Sequence[TrialSummary], again: Sequence[TrialSummary]
) -> tuple[TrialSummary, Choice]:
    """Return the winner by mean, and how it was chosen."""
    pairs = [(tried[one.repeat_of or 0], one) for one in again]
    pairs.sort(key=lambda pair: -fmean(one.value or 0.0 for one in pair))
    confirmed = tuple(
        Confirmed(
            pair[0].configuration.candidate,
            tuple(one.number for one in pair),
            tuple(one.value or 0.0 for one in pair),
        )
        for pair in pairs
    )
    winner = max(pairs[0], key=lambda one: one.value or 0.0)
    offered = [winner, *(one for one in pairs[0] if one is not winner)]
    soup = Soup(
        tuple((one.number, len(one.curve)) for one in offered),
        tuple(one.number for one in offered),
        0.934,
        0.941,
        True,
    )
    return winner, Choice(
        confirmed, optimism(confirmed, "maximize"), soup=soup, ended="all 12 trials have been made"
    )


def candidate(identifier: str = "minilm", **changes: Any) -> plan.Candidate:
    """Return a candidate of the plan, a folder unless changed."""
    base = plan.Candidate(
        id=identifier,
        source="folder",
        reference=f"../models/{identifier}",
        revision=None,
        files=(plan.FileHash("model.safetensors", "ab" * 32, 90_000_000),),
        family="bert",
        parameters=22_713_216,
        license="apache-2.0",
        language=("en",),
        max_length=64,
        lengths=plan.Lengths(18, 44, 131, 0.012),
        trust_remote_code=False,
        fit=plan.Fit(1_200_000_000, 0, 180_000_000),
        space=(
            plan.Parameter("learning_rate", "float", 2e-4, 2e-5, 1e-3, log=True, prior=2e-4),
            plan.Parameter("batch_size", "choice", 32, choices=(16, 32)),
            plan.Parameter("epochs", "int", 3, 1, 5),
            plan.Parameter("method", "choice", "full", choices=("full", "probe")),
        ),
        portfolio=(
            {"learning_rate": 2e-4, "batch_size": 32, "epochs": 3, "method": "full"},
            {"learning_rate": 5e-4, "batch_size": 32, "epochs": 2, "method": "full"},
            {"method": "probe"},
        ),
    )
    return replace(base, **changes)


def make_plan(labels: Sequence[str], candidates: Sequence[plan.Candidate], rows: int) -> plan.Plan:
    """Return a plan over ``labels`` with shares of 80, 10 and 10 per cent, ``rows`` in test."""
    sizes = {"train": 8 * rows, "validation": rows, "test": rows}
    counts = {
        split: {label: size // len(labels) for label in labels} for split, size in sizes.items()
    }
    data = plan.DataPlan(
        sources=(
            plan.Source(
                "train", "tickets.csv", (plan.FileHash("tickets.csv", "cd" * 32, 120_000),)
            ),
        ),
        columns={"text": "body", "label": "queue"},
        labels=tuple(labels),
        rows=sizes,
        fingerprint="ef" * 32,
        split=plan.SplitRule(0, 0.1, 0.1, "label", None, "12" * 32),
        profile=plan.Profile(counts, {"p50": 71, "p95": 190, "max": 611}, 3, 1),
        warnings=("3 rows of train also appear in test and were left out of test",),
    )
    return plan.Plan(
        name="support-tickets",
        task="text-classification",
        recipe_sha256="34" * 32,
        data=data,
        candidates=tuple(candidates),
        refused=(plan.Refusal("acme/giant", "needs 41 GB at batch size 16; 24 GB here"),),
        screening=(
            plan.Screened("../models/minilm", 1, 0.861, 5, True, "among the best 3"),
            plan.Screened("../models/tiny", 2, 0.702, 2, True, "the generalist"),
            plan.Screened("acme/code-encoder", 3, 0.415, 9, False, "rank 3 of 3"),
        ),
        search=plan.SearchPlan(
            7, "tpe", "promotion", EVERY, RUNGS, repeats=3, finish_share=0.2, soup=True
        ),
        goal=plan.Goal("macro_f1", "maximize", ("parameters <= 100M",)),
        budget=plan.BudgetPlan(12, 1800.0, None),
        devices=plan.DevicePlan("local", 1, 1, None, "auto"),
        checks=("accuracy >= 0.85", "recall[refund] >= 0.80"),
        export=plan.ExportPlan(("safetensors",), None, True),
        versions=VERSIONS,
    )


EXAMPLES: tuple[Mapping[str, Any], ...] = (
    {
        "text": "I was charged twice | please\nfix `now` <b>!</b>",
        "label": "billing",
        "predicted": "refund",
        "score": 0.981,
    },
    {
        "text": "see https://example.com/a_b_c and www.example.com *now*",
        "label": "delivery",
        "predicted": "returns",
        "score": 0.953,
    },
)


def make_delivery(
    model: Path,
    *,
    labels: Sequence[str] = TOPICS,
    accuracy: float = 0.95,
    floor: float = 0.8,
    rows: int = 500,
    seed: int = 1,
    candidates: Sequence[plan.Candidate] | None = None,
) -> Delivery:
    """Return a finished search over ``labels`` whose winner lies in ``model``."""
    candidates = candidates or (candidate(), candidate("tiny", parameters=4_386_307, license=None))
    tried = trials(12, [one.id for one in candidates], accuracy, seed)
    again = repeats(tried, 3, seed)
    winner, choice = chosen(tried, again)
    averaged = split_score(labels, accuracy, rows, seed)
    averaged = replace(averaged, metrics={**averaged.metrics, "macro_f1": accuracy - 0.006})
    floors = {split: split_score(labels, floor, rows, seed + 7) for split in ("validation", "test")}
    return Delivery(
        plan=make_plan(labels, candidates, rows),
        model=model,
        winner=winner,
        trials=(*tried, *again),
        score=ScoreResult(
            {
                "validation": averaged,
                "test": split_score(labels, accuracy, rows, seed, EXAMPLES),
            },
            "the winner",
            2.5,
            400.0,
            costs=winner.costs,
            reference=reference(labels, seed),
        ),
        floor=ScoreResult(floors, "TF-IDF and logistic regression", 0.4, 5000.0),
        checks=(
            CheckResult("accuracy >= 0.85", 0.874, True),
            CheckResult("recall[refund] >= 0.80", 0.861, True),
        ),
        recipe="recipe: 1\nname: support-tickets\ntask: text-classification\n",
        lock=json.dumps({"schema": "automl/lock", "version": 1}).encode() + b"\n",
        seconds=271.0,
        hardware="4 cores (an office machine), 16 GiB, no GPU",
        choice=choice,
        importance=ImportanceResult(
            {
                "learning_rate": Share(0.62, 0.55, 0.71),
                "epochs": Share(0.11, 0.04, 0.19),
                "candidate": Share(0.08, 0.02, 0.1),
                "batch_size": Share(0.01, 0.0, 0.03),
            },
            10,
            0.58,
        ),
        energy=Energy(
            "CPU core",
            1204.0,
            12.0,
            "assumed",
            473.0,
            "the world's mean in 2024 (Ember, Global Electricity Review 2025)",
        ),
    )


def reference(labels: Sequence[str], seed: int, rows: int = 400) -> Reference:
    """Return what texts of like length were like, each class as frequent as the others."""
    random = Random(seed)
    observed: list[dict[str, Value]] = [
        {
            "text length": float(random.randint(20, 120)),
            "text capitals": random.uniform(0, 0.05),
            "predicted class": random.choice(labels),
            "confidence": random.betavariate(8, 2),
        }
        for _ in range(rows)
    ]
    return profile(observed, ("validation", "test"), "")


def with_two_objectives(delivery: Delivery) -> Delivery:
    """Return the delivery as if speed had counted too: two candidates, thirty configurations."""
    random = Random(5)
    summaries, points = [], []
    for number in range(30):
        candidate = delivery.plan.candidates[number % 2].id
        layers = random.choice([2, 3, 4, 6, 12]) if number % 2 == 0 else 2
        latency = COSTS[candidate]["latency_ms"] * (0.3 + layers / 6) * random.uniform(0.95, 1.05)
        value = 0.9 - 0.25 * exp(-latency / 2.5) - abs(random.gauss(0, 0.03))
        base = delivery.trials[1 if number % 2 else 4]
        summaries.append(
            replace(
                base,
                number=number,
                state="complete",
                value=value,
                curve=((HORIZON, value),),
                configuration=replace(base.configuration, candidate=candidate),
                costs={**COSTS[candidate], "latency_ms": latency},
                broken=("latency_ms <= 12",) if latency > 12 else (),
            )
        )
        points.append(
            Point(number, candidate, {"macro_f1": value, "latency_ms": latency}, False, True, False)
        )
    points = _placed(points)
    chosen = next(one.trial for one in points if one.chosen)
    goal = plan.Goal(
        "macro_f1",
        "maximize",
        ("latency_ms <= 12", "parameters <= 100M"),
        {"latency_ms": "minimize"},
        plan.Prefer("latency_ms", 0.02),
    )
    return replace(
        delivery,
        plan=replace(delivery.plan, goal=goal),
        trials=tuple(summaries),
        winner=summaries[chosen],
        choice=Choice(points=tuple(points), ended="all 30 trials have been made"),
        score=replace(delivery.score, costs=summaries[chosen].costs),
    )


def _placed(points: list[Point]) -> list[Point]:
    """Mark what breaks the limit, the front, and the choice; the best first."""
    points.sort(key=lambda one: -one.values["macro_f1"])
    placed, quickest = [], 12.0
    for one in points:
        latency = one.values["latency_ms"]
        placed.append(replace(one, feasible=latency <= 12, front=latency <= quickest))
        quickest = min(quickest, latency)
    front = [one for one in placed if one.front]
    close = [one for one in front if one.values["macro_f1"] >= front[0].values["macro_f1"] - 0.02]
    return [replace(one, chosen=one is close[-1]) for one in placed]


def canonical(document: object) -> Any:
    """Return the document as plain JSON data, to compare with what was written."""
    return json.loads(documents.to_json(document))


def tiny_classifier(folder: Path, labels: Sequence[str] = TOPICS) -> Path:
    """Save a tiny BERT with an untrained head for ``labels`` as a trial's ``best/`` has it."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    base = Path(__file__).parent / "fixtures" / "tiny-bert"
    torch.manual_seed(3)
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=len(labels), id2label=dict(enumerate(labels))
    )
    torch.nn.init.normal_(model.classifier.weight, std=2.0)  # so that texts get unlike scores
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    (folder / "training_args.bin").write_bytes(b"a pickle that must not travel")
    return folder


def with_formats(delivery: Delivery, folder: Path) -> Delivery:
    """Return the delivery as if every format had been made, their files stand-ins in ``folder``."""
    named = {
        "onnx": ("onnx/model.onnx", "onnx/export.json"),
        "onnx-int8": ("onnx/model_quantized.onnx", "onnx/export.json"),
        "bf16": ("model.bf16.safetensors",),
        "fp16": ("model.fp16.safetensors",),
    }
    facts = {"safetensors": format_facts(1.0)}
    for place, (name, files) in enumerate(named.items()):
        for file in files:
            target = folder / name / file
            target.parent.mkdir(parents=True, exist_ok=True)
            # What is searched for paths of safetensors is a header, after its length.
            head = (2).to_bytes(8, "little") + b"{}" if file.endswith(".safetensors") else b""
            target.write_bytes(head + f"{name} {file}".encode())
        facts[name] = format_facts(0.5 + 0.1 * place, files)
    wishes = replace(delivery.plan.export, formats=tuple(facts), max_metric_loss=0.01)
    return replace(
        delivery,
        plan=replace(delivery.plan, export=wishes),
        formats=facts,
        converted=folder,
    )


def format_facts(ratio: float, files: tuple[str, ...] = (), refused: str = "") -> FormatFacts:
    """Return the facts of a format that takes ``ratio`` of the time of safetensors."""
    return FormatFacts(
        files=files,
        bytes=int(90_000_000 * ratio),
        refused=refused,
        rows=500,
        max_difference=0.02 * (1 - ratio),
        mean_difference=0.002 * (1 - ratio),
        changed=0.004 * (ratio < 1),
        metric=0.94 - 0.001 * (ratio < 1),
        loss=0.001 * (ratio < 1),
        speed={"cpu": Speed(6.1 * ratio, 11.5 * ratio, 160 / ratio, ratio, 1 / ratio)},
    )
