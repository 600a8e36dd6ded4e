"""What a worker is asked when settings are weighed."""

from __future__ import annotations

import math
from dataclasses import replace

from automl.plan import Parameter
from automl.search.importance import ABSENT, LEAST, question
from tests.search.trials import PLAN, trial, two_candidates

LENGTHS = (0.2, 0.4, 0.6)


def tried(count: int, **changes):
    return [
        trial(n, *LENGTHS, rate=1e-5 * (n + 1), state="complete", **changes) for n in range(count)
    ]


def test_too_few_configurations_are_not_weighed():
    assert question(tried(LEAST - 1), PLAN) is None
    assert question(tried(LEAST), PLAN) is not None


def test_rates_count_by_their_distance_from_the_prior_within_the_whole_range():
    spec = question(tried(LEAST), PLAN)
    space = {one.name: one for one in PLAN.candidates[0].space}
    prior = space["learning_rate"].prior
    assert set(spec.columns) == {"learning_rate"}  # nothing else differs
    column = spec.columns["learning_rate"]
    assert column.low == math.log10(space["learning_rate"].low / prior)
    assert column.high == math.log10(space["learning_rate"].high / prior)
    assert spec.rows[3]["learning_rate"] == math.log10(4e-5 / prior)


def test_repeats_probes_and_failures_are_no_evidence():
    more = [
        trial(10, *LENGTHS, method="probe", state="complete"),
        trial(11, *LENGTHS, repeat_of=0, state="complete"),
        trial(12, *LENGTHS, state="failed"),
    ]
    assert len(question(tried(LEAST) + more, PLAN).rows) == LEAST


def test_the_choice_of_a_candidate_is_a_setting():
    mixed = [replace(one, configuration=replace(one.configuration, candidate="large"))
             if one.number % 2 else one for one in tried(LEAST)]  # fmt: skip
    assert question(mixed, two_candidates()).columns["candidate"].choices == ("large", "small")


def test_what_a_configuration_does_not_use_is_no_effect_of_the_number():
    rank = Parameter("lora_rank", "int", 8, 4, 32, log=True, when={"method": ("lora",)})
    method = Parameter("method", "choice", "full", choices=("full", "lora"))
    plan = replace(
        PLAN,
        candidates=(replace(PLAN.candidates[0], space=(*PLAN.candidates[0].space, method, rank)),),
    )
    mixed = []
    for one in tried(LEAST):
        more = {"method": "lora", "lora_rank": 2 ** (2 + one.number % 3)} if one.number % 2 else {
            "method": "full"
        }  # fmt: skip
        values = {**one.configuration.hyperparameters, **more}
        mixed.append(replace(one, configuration=replace(one.configuration, hyperparameters=values)))
    spec = question(mixed, plan)
    assert spec.columns["method"].choices == ("full", "lora")
    known = sorted(row["lora_rank"] for row in spec.rows if row["method"] == "lora")
    assert all(row["lora_rank"] == known[2] for row in spec.rows if row["method"] == "full")
    assert (spec.columns["lora_rank"].low, spec.columns["lora_rank"].high) == (
        math.log10(4), math.log10(32),
    )  # fmt: skip


def test_a_choice_that_is_not_made_has_a_name_of_its_own():
    schedule = Parameter("schedule", "choice", "linear", choices=("linear", "cosine"))
    plan = replace(
        PLAN,
        candidates=(replace(PLAN.candidates[0], space=(*PLAN.candidates[0].space, schedule)),),
    )
    mixed = []
    for one in tried(LEAST):
        values = dict(one.configuration.hyperparameters)
        if one.number % 2:
            values["schedule"] = "cosine"
        mixed.append(replace(one, configuration=replace(one.configuration, hyperparameters=values)))
    assert question(mixed, plan).columns["schedule"].choices == ("cosine", ABSENT)
