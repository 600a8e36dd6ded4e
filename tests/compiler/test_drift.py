from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl import documents
from automl.compiler.drift import lock_drift, plan_changes
from automl.compiler.lock import lock_path, make_lock, read_lock, write_lock
from automl.errors import InputError
from automl.plan import (
    BudgetPlan,
    DevicePlan,
    ExportPlan,
    FileHash,
    Goal,
    Parameter,
    Plan,
    Prefer,
    Source,
)
from tests import factories

FILES = (FileHash("config.json", "a" * 64, 10), FileHash("model.safetensors", "b" * 64, 1000))
SOURCE = Source("train", "rows.csv", (FileHash("rows.csv", "c" * 64, 99),))
HUB = factories.candidate(
    "acme--tiny", source="hub", reference="acme/tiny", revision="1" * 40, files=FILES
)
BEFORE: Plan = factories.plan(factories.candidate("small", files=FILES), HUB)
BEFORE = replace(BEFORE, data=replace(BEFORE.data, sources=(SOURCE,)), versions={"torch": "2.13.0"})


def data(**changes: Any) -> Plan:
    return replace(BEFORE, data=replace(BEFORE.data, **changes))


def hub_candidate(**changes: Any) -> Plan:
    return replace(BEFORE, candidates=(BEFORE.candidates[0], replace(HUB, **changes)))


def other_files() -> tuple[FileHash, ...]:
    return (FILES[0], replace(FILES[1], sha256="d" * 64))


def wider() -> tuple[Parameter, ...]:
    return (replace(factories.LEARNING_RATE, high=1e-2), *HUB.space[1:])


def test_a_lock_reads_back_as_it_was_written(tmp_path: Path) -> None:
    lock = make_lock(BEFORE)
    path = lock_path(tmp_path / "recipe.yaml")
    write_lock(path, lock)
    assert path == tmp_path / "recipe.lock"
    assert read_lock(path) == lock


def test_a_lock_pins_hub_models_alone() -> None:
    assert make_lock(BEFORE).pins() == {"acme/tiny": "1" * 40}


def test_a_lock_of_a_newer_automl_is_refused(tmp_path: Path) -> None:
    documents.write(tmp_path / "a.lock", replace(make_lock(BEFORE), version=2))
    with pytest.raises(InputError, match="upgrade automl"):
        read_lock(tmp_path / "a.lock")


def test_nothing_drifts_when_nothing_changed() -> None:
    assert lock_drift(make_lock(BEFORE), BEFORE) == ()


def test_what_a_lock_does_not_hold_may_change() -> None:
    after = replace(BEFORE, budget=BudgetPlan(99, None, None), checks=("accuracy > 0",))
    assert lock_drift(make_lock(BEFORE), after) == ()


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (
            hub_candidate(revision="2" * 40),
            [f"acme--tiny: the revision changed: {'1' * 40} → {'2' * 40}"],
        ),
        (
            hub_candidate(files=other_files()),
            ["acme--tiny: the file model.safetensors has other content"],
        ),
        (hub_candidate(files=FILES[:1]), ["acme--tiny: the file model.safetensors is gone"]),
        (
            hub_candidate(space=wider()),
            [
                "acme--tiny: learning_rate changed: 1e-05 to 0.001 (log) → 1e-05 to 0.01 (log)",
            ],
        ),
        (replace(BEFORE, candidates=(HUB,)), ["the candidate small is gone"]),
        (data(fingerprint="9" * 64), [f"the data's content changed: {'f' * 12} → {'9' * 12}"]),
        (
            data(split=replace(BEFORE.data.split, hash="9" * 64, seed=3)),
            [f"the split changed: {'e' * 12} → {'9' * 12}", "seed split changed: 0 → 3"],
        ),
        (data(labels=("a", "c")), ["the classes differ: gone b; new c"]),
        (data(labels=("b", "a")), ["the classes come in another order"]),
        (
            data(sources=(replace(SOURCE, reference="new.csv"),)),
            ["the train source new.csv is new", "the train source rows.csv is gone"],
        ),
        (
            data(sources=(replace(SOURCE, revision="abc"),)),
            ["the revision of rows.csv changed: none → abc"],
        ),
        (replace(BEFORE, versions={"torch": "3"}), ["version torch changed: 2.13.0 → 3"]),
    ],
)
def test_drift_is_said_in_plain_words(after: Plan, said: list[str]) -> None:
    assert list(lock_drift(make_lock(BEFORE), after)) == said


ALLOWED = [
    (replace(BEFORE, budget=BudgetPlan(99, 60.0, None)), "budget.seconds changed: none → 60.0"),
    (
        replace(BEFORE, candidates=(*BEFORE.candidates, factories.candidate("more"))),
        "the candidate more is new",
    ),
    (replace(BEFORE, candidates=(HUB,)), "the candidate small is left out from now on"),
    (
        hub_candidate(space=wider()),
        "acme--tiny: learning_rate changed: 1e-05 to 0.001 (log) → 1e-05 to 0.01 (log)",
    ),
    (hub_candidate(space=HUB.space[1:]), "→ not searched"),
    (hub_candidate(max_length=64), "acme--tiny: max_length changed: 32 → 64"),
    (replace(BEFORE, search=replace(BEFORE.search, seed=5)), "search.seed changed: 7 → 5"),
    (
        replace(BEFORE, devices=DevicePlan("inline", 1, 1, None, "auto")),
        "devices.executor changed",
    ),
    (replace(BEFORE, checks=("accuracy > 0.5",)), "checks changed: none → accuracy > 0.5"),
    (
        replace(BEFORE, export=ExportPlan(("safetensors",), "acme/bundle", True)),
        "export.push_to_hub changed: none → acme/bundle",
    ),
    (
        replace(BEFORE, goal=replace(BEFORE.goal, subject_to=("parameters <= 1M",))),
        "objective.subject_to changed: none → parameters <= 1M",
    ),
    (
        replace(BEFORE, goal=replace(BEFORE.goal, also={"latency_ms": "minimize"})),
        "the further objectives changed: none → minimize latency_ms",
    ),
    (
        replace(BEFORE, goal=replace(BEFORE.goal, prefer=Prefer("disk", 0.5))),
        "objective.prefer changed: none → disk within 0.5",
    ),
    (
        replace(BEFORE, search=replace(BEFORE.search, rungs=(100, 300))),
        "search.rungs changed: none → 100, 300",
    ),
    (hub_candidate(portfolio=({}, {})), "acme--tiny: the portfolio changed: 0 → 2 starts"),
    (replace(BEFORE, versions={"torch": "3"}), "version torch changed: 2.13.0 → 3"),
]


@pytest.mark.parametrize(("after", "said"), ALLOWED, ids=[said for _, said in ALLOWED])
def test_a_started_study_bears_what_keeps_its_trials_comparable(after: Plan, said: str) -> None:
    changes = plan_changes(BEFORE, after)
    assert changes.refused == ()
    assert said in " ".join(changes.allowed)


REFUSED = [
    (replace(BEFORE, task="text-regression"), "the task changed: text-classification → text-"),
    (data(fingerprint="9" * 64), "the data has other content: 20 test, 100 train, 20 validation"),
    (
        data(split=replace(BEFORE.data.split, hash="9" * 64, seed=3)),
        "the rows are split another way",
    ),
    (data(labels=("a", "b", "c")), "the classes differ: new c"),
    (data(columns={"text": "body", "label": "label"}), "the column of text changed: text → body"),
    (replace(BEFORE, goal=Goal("accuracy", "maximize")), "the goal changed: maximize macro_f1 → "),
    (hub_candidate(revision="2" * 40, files=other_files()), f"the revision changed: {'1' * 40}"),
]


@pytest.mark.parametrize(("after", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_a_started_study_refuses_what_makes_trials_incomparable(after: Plan, said: str) -> None:
    changes = plan_changes(BEFORE, after)
    (refusal,) = changes.refused
    assert said in refusal
    assert refusal.endswith("give the recipe another name, or run it with another --run-dir")


def test_an_unchanged_plan_has_no_changes() -> None:
    changes = plan_changes(BEFORE, BEFORE)
    assert (changes.allowed, changes.refused) == ((), ())
