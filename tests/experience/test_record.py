"""Records: what is in them, what never is, and when two are of one study."""

from __future__ import annotations

from dataclasses import replace

import pytest

from automl import documents
from automl.experience.record import Record, content_of, record_of, shape_of
from automl.plan import Profile
from automl.search.study import Evaluation, StudyTrial
from tests.experience import samples


def test_a_record_round_trips():
    made = samples.record()
    data = documents.to_json(made)
    assert documents.from_json(Record, data) == made


def test_a_record_holds_no_names_of_classes_columns_recipes_or_folders():
    candidate = samples.candidate("acme-secret", reference="./models/acme-secret")
    plan = samples.plan(candidate, name="acme-fraud")
    data = replace(
        plan.data,
        labels=("guilty-class", "other"),
        columns={"text": "column-of-texts", "label": "column-of-labels"},
        profile=Profile({"train": {"guilty-class": 3, "other": 5}}, {"p50": 1}, 0, 0),
    )
    made = samples.record(samples.trial(0, 0.5, "acme-secret"), of=replace(plan, data=data))
    text = documents.to_json(made).decode()
    for private in ("acme", "guilty", "column-of", "models/", data.fingerprint):
        assert private not in text


def test_a_model_from_the_hub_keeps_its_name_and_a_folder_does_not():
    hub = samples.candidate("b", source="hub", reference="google/bert")
    made = samples.record(of=samples.plan(samples.candidate(), hub))
    assert [model.reference for model in made.models] == [None, "google/bert"]


def test_the_same_weights_have_one_content_whatever_the_file_is_called():
    one, other = samples.candidate("a", "w1"), samples.candidate("b", "w1")
    renamed = tuple(replace(f, path=f"x-{f.path}") for f in other.files)
    assert content_of(one) == content_of(replace(other, files=renamed))
    assert content_of(one) != content_of(samples.candidate("a", "w2"))


def test_a_study_trial_leaves_its_curve_its_settings_and_its_cost():
    configuration = samples.trial(0, 0.5).configuration
    trial = StudyTrial(
        4, configuration, "pruned", (Evaluation(1, 100, 0.3), Evaluation(2, 200, 0.4)), 12.5
    )
    made = record_of(
        samples.plan(), [trial], 60.0, "a machine", {"torch": "2"}, time=5.0, memory={4: 99}
    )
    (tried,) = made.trials
    assert tried.curve == ((100, 0.3), (200, 0.4))
    assert (tried.state, tried.seconds, tried.memory_bytes) == ("pruned", 12.5, 99)
    assert tried.hyperparameters == samples.SETTINGS
    assert made.models[tried.model].priors == {"learning_rate": 1e-4}


def test_an_evaluation_that_is_no_number_is_left_out_of_the_curve():
    made = samples.record(samples.trial(0, float("nan")), samples.trial(1, 0.5))
    assert [len(trial.curve) for trial in made.trials] == [0, 2]
    documents.to_json(made)


def test_trials_of_a_candidate_that_has_left_the_plan_are_left_out():
    made = samples.record(samples.trial(0, 0.5), samples.trial(1, 0.6, "gone"))
    assert [trial.number for trial in made.trials] == [0]


def test_a_continued_study_stays_the_same_study_with_another_id():
    plan = samples.plan()
    longer = replace(plan, budget=replace(plan.budget, trials=50))
    first, second = samples.record(of=plan), samples.record(of=longer, time=2e9)
    assert first.study == second.study
    assert first.id != second.id


@pytest.mark.parametrize("run", ["one", "other"])
def test_runs_of_one_recipe_are_told_apart(run: str):
    assert samples.record().study != samples.record(run=run).study
    assert samples.record(run=run).study == samples.record(run=run, time=2e9).study


def test_the_same_study_at_the_same_time_has_the_same_id():
    assert samples.record().id == samples.record().id


def test_evenness_is_one_for_equal_classes_and_falls_with_imbalance():
    plan = samples.plan()
    counts = {"train": {"a": 900, "b": 100}}
    skewed = replace(
        plan, data=replace(plan.data, profile=replace(plan.data.profile, class_counts=counts))
    )
    assert shape_of(plan).evenness == pytest.approx(1.0)
    assert shape_of(skewed).evenness == pytest.approx(0.469, abs=1e-3)
    assert shape_of(skewed).largest_share == 0.9


def test_a_record_names_its_best_trial_by_its_direction():
    best = samples.record().best()
    assert best is not None
    assert best.number == 1
    least = replace(samples.record(), direction="minimize").best()
    assert least is not None
    assert least.number == 2


def test_data_without_classes_is_even():
    plan = samples.plan()
    bare = replace(
        plan, data=replace(plan.data, labels=(), profile=Profile({"train": {}}, {}, 0, 0))
    )
    assert shape_of(bare).evenness == 1.0
    assert shape_of(bare).classes == 0
