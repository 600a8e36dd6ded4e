"""Run folders to make reports of: studies in every state, their events and logs, no models."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from automl import documents, events, plan
from automl.events import RunEnded, RunStarted, TrialEnded, TrialStarted
from automl.exporters import CheckResult
from automl.exporters._energy import Energy
from automl.finish import Finish
from automl.jobs import RESULT, ImportanceResult, ScoreResult, Share
from automl.plan import Goal, Plan, SearchPlan
from automl.rundir import RunDir
from automl.search.choice import choose
from automl.search.importance import question
from automl.search.journal import Journal
from automl.search.trial import Evaluation, StudyTrial
from tests.deliveries import COSTS, candidate, make_plan, split_score

HOSTILE = "<script>alert(1)</script>"
LABELS = ("billing", HOSTILE, "a & b", "refund")
EVERY, HORIZON, RUNGS = 400, 4000, (800, 2400)
BEGAN = 1_795_000_000.0
LOG = "\n".join(
    (
        "Traceback (most recent call last):",
        '  File "/home/ada/.venv/lib/python3.11/site-packages/transformers/trainer.py", line 12',
        f"ValueError: \x1b[31m{HOSTILE}\x1b[0m & more in /home/ada/secret/project/data.csv",
    )
)


def study_plan(*, also: bool = False, candidates: int = 2, trials: int = 24) -> Plan:
    """Return a plan over hostile labels, of one objective or of two."""
    named = ("minilm", "tiny", "encoder <b>", *(f"candidate-{n}" for n in range(9)))[:candidates]
    made = make_plan(LABELS, [candidate(name) for name in named], 500)
    goal = Goal("macro_f1", "maximize")
    if also:
        goal = Goal("macro_f1", "maximize", ("latency_ms <= 12",), {"latency_ms": "minimize"})
    return replace(
        made,
        name="support & tickets",
        goal=goal,
        search=SearchPlan(7, "tpe", "promotion", EVERY, RUNGS, repeats=2),
        budget=plan.BudgetPlan(trials, 1800.0, None),
    )


def trials(made: Plan, count: int, *, failures: bool = True, seed: int = 3) -> list[StudyTrial]:
    """Return trials that were compared at rungs: complete, pruned, waiting and failed ones."""
    random = Random(seed)
    tried = []
    for number in range(count):
        rate = 10 ** random.uniform(-4.6, -3.1)
        epochs, batch = random.choice((1, 2, 3, 4)), random.choice((16, 32))
        top = 0.93 - 0.11 * abs(math.log10(rate / 2.4e-4)) ** 1.5 - 0.01 * (4 - epochs)
        upto = HORIZON if number % 4 in (0, 1) else RUNGS[0] if number % 4 == 2 else RUNGS[1]
        values = [
            Evaluation(n, EVERY * n, top * (1 - 0.6 * math.exp(-EVERY * n / 900))
                       + random.uniform(-0.008, 0.008), {}, 3.0 * n)
            for n in range(1, upto // EVERY + 1)
        ]  # fmt: skip
        name = made.candidates[number % len(made.candidates)].id
        costs = COSTS["minilm" if number % 2 == 0 else "tiny"]
        latency = costs["latency_ms"] * (0.6 + epochs / 3)
        one = StudyTrial(
            number,
            plan.Configuration(
                name,
                {"learning_rate": rate, "epochs": epochs, "batch_size": batch, "method": "full"},
            ),
            "complete" if upto == HORIZON else "pruned",
            tuple(values),
            seconds=values[-1].seconds,
            attempts=1,
            passed=max((r for r in RUNGS if r < upto), default=0),
            costs={**costs, "latency_ms": latency, "parameters": costs["parameters"] + epochs},
        )
        if failures and number % 9 == 5:
            one = replace(
                one, state="failed", evaluations=(), failure="crash", costs={}, seconds=2.0,
                message=f"ValueError: {HOSTILE} in /home/ada/secret/project/data.csv",
            )  # fmt: skip
        elif upto == RUNGS[1] and number == count - 1:
            one = replace(one, state="running", paused=True)
        tried.append(one)
    return tried


def make_run(
    folder: Path,
    *,
    count: int = 24,
    also: bool = False,
    candidates: int = 2,
    failures: bool = True,
    finished: bool = True,
    **changes: Any,
) -> RunDir:
    """Write a run folder with a study of ``count`` trials, and what it ended with."""
    rundir = RunDir.at(folder)
    rundir.root.mkdir(parents=True)
    made = replace(study_plan(also=also, candidates=candidates, trials=count), **changes)
    documents.write(rundir.plan, made)
    rundir.recipe.write_text("recipe: 1\ndata: {train: /home/ada/secret/project/data.csv}\n")
    tried = trials(made, count, failures=failures)
    _journal(rundir, made, tried)
    for event in run_events(tried):
        events.append(rundir.events, event)
    state: Any = "finished" if finished else "interrupted"
    events.append(rundir.events, RunEnded(state, None, None, None, BEGAN + 99_000))
    for one in tried:
        if one.state == "failed":
            rundir.trial(one.number).root.mkdir(parents=True)
            rundir.trial(one.number).log.write_text(LOG)
    floor = ScoreResult(
        {split: split_score(LABELS, 0.8, 500, 9) for split in ("validation", "test")},
        "TF-IDF and logistic regression",
        0.4,
        5000.0,
    )
    documents.write(rundir.finish / "floor.json", floor)
    _importance(rundir, made, tried)
    if finished:
        best = choose(tried, made.goal)
        assert best is not None
        documents.write(rundir.finish / "finish.json", _finish(best, floor))
    return rundir


def _journal(rundir: RunDir, made: Plan, tried: Sequence[StudyTrial]) -> None:
    journal = Journal(rundir.study, made.name, made.goal.direction)
    for one in tried:
        journal.add(one, None)
        before = replace(one, evaluations=())
        for evaluation in one.evaluations:
            journal.report(one.number, evaluation, before)
            before = replace(before, evaluations=(*before.evaluations, evaluation))
        for key in ("seconds", "attempts", "failure", "message", "passed", "costs", "paused"):
            value = getattr(one, key)
            journal.set(one.number, key, dict(value) if key == "costs" else value)
        if one.state != "running":
            journal.tell(one.number, one.state, one.value(made.goal.direction))
    journal.spend(612.0)
    journal.set_attribute("ended", f"all {len(tried)} trials have been made")


def _finish(best: StudyTrial, floor: ScoreResult) -> Finish:
    splits = {s: split_score(LABELS, 0.95, 500, 1) for s in ("validation", "test")}
    return Finish(
        best.number,
        len(best.evaluations),
        ScoreResult(splits, "the winner", 2.5, 400.0, costs=best.costs),
        floor,
        (
            CheckResult("accuracy >= 0.85", 0.874, True),
            CheckResult(f"recall[{HOSTILE}] >= 1", 0.9, False),
        ),
        "0" * 64,
        energy=Energy("CPU core", 1204.0, 12.0, "assumed", 473.0, "the world's mean"),
    )


def _importance(rundir: RunDir, made: Plan, tried: Sequence[StudyTrial]) -> None:
    """Answer the importance job, as a worker would."""
    spec = question(tried, made)
    if spec is None:
        return
    shares = {name: Share(0.7 / (at + 1), 0.5 / (at + 1), 0.8 / (at + 1))
              for at, name in enumerate(spec.columns)}  # fmt: skip
    job = rundir.job("importance")
    documents.write(job / "spec.json", spec)
    documents.write(job / RESULT, ImportanceResult(shares, len(spec.rows), 0.61))


def run_events(tried: Sequence[StudyTrial]) -> Iterator[events.RunEvent]:
    """Yield what a run of these trials on two slots said; it was stopped once, half way."""
    free = [BEGAN, BEGAN]
    yield RunStarted("support & tickets", 0, 24, 1800.0, 2, None, BEGAN, "macro_f1")
    told: list[tuple[float, events.RunEvent]] = []
    for one in tried:
        slot = free.index(min(free))
        if one.number == len(tried) // 2 and len(tried) > 4:
            end = max(free)
            told.append((end, RunEnded("interrupted", None, None, None, end)))
            told.append((end + 9000, RunStarted("s", one.number, 24, 1800.0, 2, None, end + 9000)))
            free = [end + 9001, end + 9001]
            slot = 0
        start, end = free[slot], free[slot] + one.seconds + 2
        free[slot] = end + 0.3
        c = one.configuration
        told.append(
            (start, TrialStarted(one.number, c.candidate, c.hyperparameters, 1, "cpu", start))
        )
        state = "paused" if one.state == "running" else one.state
        told.append((end, TrialEnded(one.number, state, one.value("maximize"), one.message, end)))
    for _, event in sorted(told, key=lambda entry: entry[0]):
        yield event
