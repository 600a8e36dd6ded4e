"""Starts: what won elsewhere, carried into today's space."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.experience.record import Record
from automl.experience.starts import MOST, starts
from automl.plan import BudgetPlan, Configuration, Parameter
from tests.experience import samples

METHOD = Parameter("method", "choice", "full", choices=("full", "probe"))
DECAY = Parameter("layer_decay", "float", 0.9, 0.65, 1.0, when={"method": ("full",)})
FROZEN = Parameter("freeze_embeddings", "choice", False, choices=(False, True))


def space(**changes: Parameter) -> tuple[Parameter, ...]:
    usual = {p.name: p for p in samples.candidate().space}
    return tuple({**usual, **changes}.values())


def first(*records: Record, **changes: object) -> Configuration:
    return starts(samples.plan(samples.candidate(**changes)), records)[0]


def test_without_records_there_are_no_starts():
    assert starts(samples.plan(), ()) == ()


def test_the_best_trial_of_a_similar_study_comes_first():
    assert first(samples.record()) == Configuration(
        "small", {**samples.SETTINGS, "learning_rate": pytest.approx(3e-4)}
    )


def test_a_candidate_of_another_name_with_the_same_weights_takes_it_over():
    assert first(samples.record(), name="mine").candidate == "mine"


def test_a_study_of_strangers_starts_nothing():
    assert starts(samples.plan(), [samples.record(of=samples.plan(rows=100_000))]) == ()


def test_a_model_of_another_family_or_another_size_starts_nothing():
    for changes in ({"family": "modernbert"}, {"parameters": 2500}):
        candidate = samples.candidate(content="w2", **changes)
        assert starts(samples.plan(candidate), [samples.record()]) == ()


def test_a_relative_takes_the_learning_rate_as_a_factor_of_its_prior():
    rate = Parameter("learning_rate", "float", 2e-5, 2e-6, 2e-4, log=True, prior=2e-5)
    found = first(samples.record(), content="w2", parameters=1900, space=space(learning_rate=rate))
    assert found.hyperparameters["learning_rate"] == pytest.approx(6e-5)


def test_the_same_weights_come_before_a_relative():
    relative, same = samples.candidate("relative", "w2"), samples.candidate("same", "w1")
    found = starts(samples.plan(relative, same), [samples.record()])
    assert [c.candidate for c in found] == ["same", "relative"]


def test_the_more_similar_study_comes_first():
    near = samples.record(samples.trial(0, 0.9, epochs=5), samples.trial(1, 0.1))
    far = samples.record(
        samples.trial(0, 0.9, epochs=1), samples.trial(1, 0.1), of=samples.plan(rows=4000)
    )
    found = starts(samples.plan(), [far, near])
    assert [c.hyperparameters["epochs"] for c in found] == [5, 1]


def test_starts_differ_from_each_other():
    trials = [samples.trial(n, 0.9 - n / 100, learning_rate=1e-4 * 1.05**n) for n in range(9)]
    assert len(starts(samples.plan(), [samples.record(*trials)])) == 1


def test_starts_are_few_and_at_most_half_of_the_trials():
    trials = [samples.trial(n, 0.9, learning_rate=1e-5 * 4**n) for n in range(4)]
    records = [samples.record(t, samples.trial(9, 0.1), run=str(t.number)) for t in trials] + [
        samples.record(samples.trial(0, 0.9, epochs=n), samples.trial(9, 0.1), run=f"e{n}")
        for n in (1, 5)
    ]
    plan = samples.plan()
    assert len(starts(plan, records)) == MOST
    assert len(starts(replace(plan, budget=BudgetPlan(5, None, None)), records)) == 2
    assert len(starts(replace(plan, budget=BudgetPlan(None, 60, None)), records)) == MOST


def test_one_trial_alone_is_no_evidence():
    assert starts(samples.plan(), [samples.record(samples.trial(0, 0.9))]) == ()


def test_only_the_best_third_is_strong():
    trials = [samples.trial(n, n / 10, learning_rate=1e-5 * 1.8**n) for n in range(6)]
    found = starts(samples.plan(), [samples.record(*trials)])
    assert [c.hyperparameters["learning_rate"] for c in found] == pytest.approx([1e-5 * 1.8**5])


def test_failed_trials_and_probes_start_nothing():
    records = [
        samples.record(
            samples.trial(0, 0.9, state="failed", epochs=1),
            samples.trial(1, 0.8, method="probe", epochs=2),
            samples.trial(2, 0.5, epochs=4),
            samples.trial(3, 0.4, epochs=5),
            samples.trial(4, None, state="failed"),
        )
    ]
    found = starts(samples.plan(samples.candidate(space=space(method=METHOD))), records)
    assert [c.hyperparameters["epochs"] for c in found] == [4]


def test_a_lucky_trial_is_judged_with_its_repeats():
    trials = (
        samples.trial(0, 0.95, epochs=1),
        samples.trial(1, 0.90, epochs=5),
        samples.trial(2, 0.50, epochs=1, repeat_of=0),
        samples.trial(3, 0.89, epochs=5, repeat_of=1),
    )
    assert first(samples.record(*trials)).hyperparameters["epochs"] == 5


def test_lower_is_better_where_the_goal_says_so():
    def turned(direction: str) -> object:
        plan = samples.plan()
        plan = replace(plan, goal=replace(plan.goal, direction=direction))
        trials = (samples.trial(0, 0.9, epochs=1), samples.trial(1, 0.1, epochs=5))
        return starts(plan, [samples.record(*trials, of=plan)])[0].hyperparameters["epochs"]

    assert (turned("maximize"), turned("minimize")) == (1, 5)


def test_numbers_outside_today_s_range_move_to_its_end():
    rate = Parameter("learning_rate", "float", 1e-4, 5e-5, 2e-4, log=True, prior=1e-4)
    assert first(samples.record(), space=space(learning_rate=rate)).hyperparameters[
        "learning_rate"
    ] == pytest.approx(2e-4)


def test_a_number_becomes_the_nearest_choice_or_drops_the_start():
    near = Parameter("batch_size", "choice", 24, choices=(8, 24))
    far = Parameter("batch_size", "choice", 64, choices=(64, 128))
    assert first(samples.record(), space=space(batch_size=near)).hyperparameters["batch_size"] == 24
    plan = samples.plan(samples.candidate(space=space(batch_size=far)))
    assert starts(plan, [samples.record()]) == ()


def test_a_word_that_is_no_longer_a_choice_drops_the_start():
    plan = samples.plan(samples.candidate(space=space(method=METHOD)))
    trials = (samples.trial(0, 0.9, method="lora"), samples.trial(1, 0.1))
    assert starts(plan, [samples.record(*trials)]) == ()


def test_a_yes_is_no_one():
    trials = (samples.trial(0, 0.9, freeze_embeddings=1), samples.trial(1, 0.1))
    plan = samples.plan(samples.candidate(space=space(freeze_embeddings=FROZEN)))
    assert starts(plan, [samples.record(*trials)]) == ()


def test_what_the_record_does_not_know_takes_its_default():
    found = first(samples.record(), space=space(freeze_embeddings=FROZEN))
    assert found.hyperparameters["freeze_embeddings"] is False


@pytest.mark.parametrize(("method", "kept"), [("full", True), ("lora", False)])
def test_a_conditional_setting_is_there_only_where_it_applies(method: str, kept: bool):
    choices = replace(METHOD, choices=("full", "lora"))
    trials = (samples.trial(0, 0.9, method=method, layer_decay=0.7), samples.trial(1, 0.1))
    found = first(samples.record(*trials), space=(DECAY, *space(method=choices)))
    assert ("layer_decay" in found.hyperparameters) == kept


RATES = st.floats(1e-7, 1.0)


@settings(max_examples=200, deadline=None)
@given(
    rates=st.lists(RATES, min_size=2, max_size=6),
    epochs=st.integers(1, 40),
    batch=st.sampled_from([4, 8, 16, 32, 64]),
    low=st.floats(1e-6, 1e-4),
    span=st.floats(1.0, 1e3),
)
def test_every_start_lies_in_the_space(
    rates: list[float], epochs: int, batch: int, low: float, span: float
):
    trials = [
        samples.trial(n, 1 / (n + 1), learning_rate=rate, epochs=epochs, batch_size=batch)
        for n, rate in enumerate(rates)
    ]
    rate = Parameter("learning_rate", "float", low, low, low * span, log=True, prior=low)
    candidate = samples.candidate(space=space(learning_rate=rate))
    for start in starts(samples.plan(candidate), [samples.record(*trials)]):
        values = start.hyperparameters
        assert low <= values["learning_rate"] <= low * span
        assert values["epochs"] in range(1, 6)
        assert type(values["epochs"]) is int
        assert values["batch_size"] in (16, 32)
        assert list(values) == [p.name for p in candidate.space]


@pytest.mark.parametrize(("method", "found"), [("full", 6e-5), ("lora", 6e-4)])
def test_a_learning_rate_is_carried_over_as_a_factor_of_its_own_methods_prior(method, found):
    def rates(prior: float) -> tuple[Parameter, ...]:
        full = Parameter("learning_rate", "float", prior, prior / 10, prior * 10, log=True,
                         prior=prior, when={"method": ("full",)})  # fmt: skip
        beside = replace(full, default=10 * prior, low=prior, high=100 * prior, prior=10 * prior,
                         when={"method": ("lora",)})  # fmt: skip
        choices = replace(METHOD, choices=("full", "lora"))
        others = [each for each in samples.candidate().space if each.name != "learning_rate"]
        return (choices, full, beside, *others)

    then = samples.plan(samples.candidate(space=rates(1e-4)))
    rate = 3e-4 if method == "full" else 3e-3
    trials = (
        samples.trial(0, 0.9, method=method, learning_rate=rate),
        samples.trial(1, 0.1, method=method),
    )
    best = first(samples.record(*trials, of=then), content="w2", parameters=1900, space=rates(2e-5))
    assert best.hyperparameters["method"] == method
    assert best.hyperparameters["learning_rate"] == pytest.approx(found)
