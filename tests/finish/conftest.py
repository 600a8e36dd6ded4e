"""A finished search without training: tiny models whose heads are better averaged than alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from automl import documents, processes
from automl.data.tables import write_table
from automl.plan import Plan, SearchPlan
from automl.rundir import RunDir
from automl.search.study import Evaluation, Study
from tests import factories
from tests.worker.conftest import LABELS, rows

SIZES = {"train": (120, 0), "validation": (120, 200), "test": (60, 400)}
BASE = Path(__file__).parent.parent / "fixtures" / "tiny-bert"


@pytest.fixture(scope="package", autouse=True)
def forks() -> Iterator[None]:
    """One process, for all tests here, that has the imports done and that workers start from."""
    with processes.preloaded():
        yield


@pytest.fixture(scope="session")
def plan() -> Plan:
    made = factories.plan(factories.candidate("small", max_length=64))
    profile = replace(made.data.profile, class_counts={})
    counts = {split: count for split, (count, _) in SIZES.items()}
    return replace(
        made,
        data=replace(made.data, labels=LABELS, rows=counts, profile=profile),
        search=SearchPlan(7, "random", "none", 100, soup=True),
        checks=("accuracy >= 0.1",),
        export=replace(made.export, calibration="never", thresholds="never"),
    )


Save = Callable[[RunDir, int, int], None]


@pytest.fixture(scope="session")
def save() -> Save:
    """Write trial N's model: a good one with ``sign`` times an error, which averaging cancels."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(3)
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {n: i for i, n in enumerate(LABELS)}}
    model = AutoModelForSequenceClassification.from_pretrained(BASE, **names)
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    seen = rows(30)
    encoded = tokenizer(seen["text"], padding=True, return_tensors="pt")
    labels = torch.tensor([LABELS.index(label) for label in seen["label"]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(25):
        model(**encoded, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    good = model.classifier.bias.detach().clone()
    error = torch.tensor([9.0, 0.0, -9.0])

    def write(rundir: RunDir, number: int, sign: int) -> None:
        with torch.no_grad():
            model.classifier.bias.copy_(good + sign * error)
        model.save_pretrained(rundir.trial(number).best)
        tokenizer.save_pretrained(rundir.trial(number).best)

    return write


@pytest.fixture
def rundir(tmp_path: Path) -> RunDir:
    import pyarrow as pa

    found = RunDir.at(tmp_path / "run")
    for split, (count, offset) in SIZES.items():
        write_table(pa.table(rows(count, offset)), found.table(split))
    return found


@pytest.fixture
def finished(rundir: RunDir, plan: Plan) -> Callable[..., Study]:
    """Play a study whose trials end with the values given; trial N's hyperparameters may vary."""

    def play(*values: float, plan: Plan = plan, repeats: tuple[int, ...] = ()) -> Study:
        documents.write(rundir.plan, plan)
        study = Study(rundir.study, plan)
        numbers = (trial.number for trial in iter(study.ask, None))
        numbers = itertools.chain(
            itertools.islice(numbers, len(values) - len(repeats)),
            (study.repeat(number).number for number in repeats),
        )
        for number, value in zip(numbers, values, strict=False):
            study.attempt(number)
            study.report(number, Evaluation(1, 100, value), 5.0, {"latency_ms": 2.0})
            study.tell(number, "complete")
        return study

    return play
