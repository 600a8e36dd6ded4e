"""What a large study costs: ask and tell after thousands of trials, a plan of 1,000 candidates.

    python benchmarks/scale.py [--trials 100 1000 5000] [--candidates 1000]

Ask and tell: wall milliseconds of a whole study, its journal included, on the space of a BERT-like
candidate under promotion with TPE: a configuration asked for and its attempt recorded; one
evaluation reported at a rung and judged there; its end told. Nine in ten of the trials before it
ended at the first rung.

Candidates: seconds for what compiling does of its own with them (space, portfolio, limits, the plan
as JSON, and reading it back) and for opening a study on that plan and asking it once. The catalog
and the models are left out: made-up inspections stand for files that would be read and models that
would be loaded.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import optuna

from automl import documents
from automl.catalog import ResolvedModel
from automl.compiler.candidates import Terms, candidate
from automl.compiler.rungs import rungs
from automl.jobs import Inspection
from automl.plan import (
    BudgetPlan,
    Candidate,
    DataPlan,
    DevicePlan,
    ExportPlan,
    Goal,
    Plan,
    Profile,
    SearchPlan,
    SplitRule,
)
from automl.search.rungs import Outlook
from automl.search.study import Evaluation, Study

ROWS, PER_EPOCH, MEASURED = 9000, 3, 20


def made_candidate(number: int) -> Candidate:
    """A candidate made by the compiler from a made-up model."""
    model = ResolvedModel(
        source="hub",
        reference=f"acme/encoder-{number}",
        revision=f"{number:040x}",
        path=Path("."),
        files=(),
        config={
            "model_type": "bert",
            "hidden_size": 384,
            "num_hidden_layers": 6,
            "num_attention_heads": 12,
            "intermediate_size": 1536,
            "vocab_size": 30522,
        },
        weights=(),
        license="apache-2.0",
        language=("en",),
        weights_bytes=90_000_000,
        download_bytes=90_000_000,
        trust_remote_code=False,
    )
    inspection = Inspection(f"encoder-{number}", None, 20_000_000 + number, 128)
    found = candidate(inspection.id, model, inspection, Terms((), ROWS, {}, 10**12))
    assert isinstance(found, Candidate)
    return found


def made_plan(candidates: tuple[Candidate, ...], sampler: str) -> Plan:
    """A plan over candidates, its rungs set as the compiler sets them."""
    per_evaluation = ROWS // PER_EPOCH
    return Plan(
        name="scale",
        task="text-classification",
        recipe_sha256="0" * 64,
        data=DataPlan(
            sources=(),
            columns={"text": "text", "label": "label"},
            labels=("a", "b"),
            rows={"train": ROWS, "validation": 1000, "test": 1000},
            fingerprint="0" * 64,
            split=SplitRule(0, 0.1, 0.1, "label", None, "0" * 64),
            profile=Profile({}, {"p50": 10, "p95": 20, "max": 30}, 0, 0),
        ),
        candidates=candidates,
        refused=(),
        screening=(),
        search=SearchPlan(
            7,
            sampler,
            "promotion",
            per_evaluation,
            rungs(candidates, ROWS, per_evaluation),
            stop="never",
        ),
        goal=Goal("macro_f1", "maximize"),
        budget=BudgetPlan(None, None, None),
        devices=DevicePlan("local", 1, 1, None, "auto"),
        checks=(),
        export=ExportPlan(("safetensors",), None, True),
    )


def one_trial(study: Study, dice: random.Random) -> tuple[float, float, float]:
    """Ask, report and judge at a rung, tell; return the milliseconds of each."""
    rung = study.plan.search.rungs[0]
    evaluation = Evaluation(2, rung, dice.random())
    marks = [time.perf_counter()]
    trial = study.ask()
    assert trial is not None
    study.attempt(trial.number)
    marks.append(time.perf_counter())
    study.report(trial.number, evaluation, 10.0, {}, Outlook())
    marks.append(time.perf_counter())
    study.tell(trial.number, "complete" if dice.random() < 0.1 else "pruned")
    marks.append(time.perf_counter())
    asked, reported, told = (1e3 * (b - a) for a, b in itertools.pairwise(marks))
    return asked, reported, told


def ask_and_tell(folder: Path, trials: int) -> None:
    """Fill a study at random, open it anew with TPE, and print what a trial then costs."""
    plan = made_plan((made_candidate(0),), "random")
    dice, study = random.Random(1), Study(folder / "study.journal", plan)
    for _ in range(trials):
        one_trial(study, dice)
    plan = replace(plan, search=replace(plan.search, sampler="tpe"))
    began = time.perf_counter()
    study = Study(folder / "study.journal", plan)
    opening = time.perf_counter() - began
    one_trial(study, dice)
    costs = [one_trial(study, dice) for _ in range(MEASURED)]
    asked, reported, told = (statistics.median(column) for column in zip(*costs, strict=True))
    print(
        f"{trials:5} trials: ask {asked:.1f} ms, report at a rung {reported:.1f} ms, "
        f"tell {told:.1f} ms; ask + tell {asked + told:.1f} ms; opening {opening:.2f} s",
        flush=True,
    )


def many_candidates(folder: Path, count: int) -> None:
    """Print the seconds of compiling and of opening a study with ``count`` candidates."""
    began = time.perf_counter()
    plan = made_plan(tuple(made_candidate(number) for number in range(count)), "tpe")
    documents.write(folder / "plan.json", plan)
    documents.read(Plan, folder / "plan.json")
    compiled = time.perf_counter()
    study = Study(folder / "study.journal", plan)
    study.ask()
    opened = time.perf_counter()
    size = (folder / "plan.json").stat().st_size / 1e6
    print(
        f"{count} candidates: compiled in {compiled - began:.2f} s (plan {size:.1f} MB), "
        f"study opened and asked once in {opened - compiled:.2f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--candidates", type=int, default=1000)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for trials in options.trials:
        with tempfile.TemporaryDirectory() as name:
            ask_and_tell(Path(name), trials)
    with tempfile.TemporaryDirectory() as name:
        many_candidates(Path(name), options.candidates)


if __name__ == "__main__":
    main()
