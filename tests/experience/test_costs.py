"""Cost predictions: from the same machine and models alike, or none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from automl.experience.costs import predicted_seconds_per_sample
from automl.experience.record import Record
from automl.plan import Lengths, Parameter
from tests.experience import samples

DEVICES = samples.plan().devices
KEPT = Parameter("keep_layers", "choice", 6, choices=(3, 6))


def record(*seconds: float, **changes: object) -> Record:
    """Trials of 300 samples that took so many seconds."""
    return samples.record(
        *(samples.trial(n, 0.5, seconds=s, **changes) for n, s in enumerate(seconds))
    )


def predicted(*records: Record, hardware: str = samples.HARDWARE, **changes: object) -> object:
    return predicted_seconds_per_sample(samples.candidate(**changes), DEVICES, hardware, records)


def test_the_same_weights_on_the_same_machine_cost_what_they_cost():
    assert predicted(record(30, 60, 300)) == pytest.approx(0.2)


def test_another_machine_predicts_nothing():
    assert predicted(record(30), hardware="another") is None


def test_trials_that_shared_the_machine_otherwise_predict_nothing():
    shared = replace(DEVICES, trials_per_device=2)
    assert (
        predicted_seconds_per_sample(samples.candidate(), shared, samples.HARDWARE, [record(30.0)])
        is None
    )


def test_a_relative_of_nearly_the_same_size_predicts_and_others_do_not():
    assert predicted(record(30), content="w2", parameters=1200) == pytest.approx(0.1)
    assert predicted(record(30), content="w2", parameters=1300) is None
    assert predicted(record(30), content="w2", family="modernbert") is None


def test_the_same_weights_outvote_relatives():
    relative = samples.plan(samples.candidate(content="w2"))
    others = samples.record(*(samples.trial(n, 0.5, seconds=900) for n in range(5)), of=relative)
    assert predicted(others, record(30)) == pytest.approx(0.1)


def test_longer_texts_cost_more_in_proportion_and_much_longer_ones_are_unknown():
    assert predicted(record(30), lengths=Lengths(30, 60, 90, 0.0)) == pytest.approx(0.15)
    assert predicted(record(30), lengths=Lengths(40, 60, 90, 0.0)) is None
    assert predicted(record(30), lengths=None) is None


def test_what_was_trained_in_another_way_predicts_nothing():
    space = (*samples.candidate().space, KEPT)
    assert predicted(record(30, keep_layers=3), space=space) is None
    assert predicted(record(30, keep_layers=6), space=space) == pytest.approx(0.1)
    assert predicted(record(30), space=space) == pytest.approx(0.1)


def test_trials_that_were_never_evaluated_predict_nothing():
    assert predicted(samples.record(samples.trial(0, None, state="failed"))) is None
