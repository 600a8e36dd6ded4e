"""Specs in Trainer's words, and the traps on the way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from automl.rundir import TrialDir
from automl.worker import settings


@pytest.fixture
def arguments(bench, tmp_path):
    def make(**changes):
        spec = replace(
            bench.spec, hyperparameters={**bench.spec.hyperparameters, **changes}, processes=1
        )
        return settings.training_arguments(TrialDir(tmp_path), spec, settings.pace(spec, 43))

    return make


def test_nan_is_not_averaged_away(arguments):
    assert arguments().logging_nan_inf_filter is False


def test_trainer_does_nothing_of_its_own_accord(arguments):
    found = arguments()
    assert {found.save_strategy, found.eval_strategy, found.logging_strategy} == {"no"}
    assert found.report_to == []


def test_a_warm_up_of_one_step_is_one_step_and_not_all_of_them(arguments):
    found = arguments(warmup_ratio=0.05)
    assert found.warmup_steps == 1
    assert found.get_warmup_steps(18) == 1


def test_a_learning_rate_is_a_number_even_if_it_was_written_as_a_string(arguments):
    assert arguments(learning_rate="1e-3").learning_rate == 1e-3


@pytest.mark.parametrize("wrong", [{"schedule": "steep"}, {"method": "magic"}])
def test_what_is_not_known_is_refused(arguments, wrong):
    with pytest.raises(ValueError, match=r"steep|magic"):
        arguments(**wrong)


def test_adamw_is_fused(arguments):
    assert arguments().optim == "adamw_torch_fused"


@pytest.mark.parametrize(
    ("task", "devices", "threads", "loaders"),
    [
        ("text-classification", ("GPU-1",), 8, 0),
        ("image-classification", (), 8, 0),
        ("image-classification", ("GPU-1",), 1, 0),
        ("image-classification", ("GPU-1",), 5, 4),
        ("audio-classification", ("GPU-1",), 64, settings.MOST_LOADERS),
    ],
)
def test_processes_that_prepare_rows_are_spare_threads_of_a_gpu(
    bench, task, devices, threads, loaders
):
    spec = replace(bench.spec, task=task, devices=devices, threads=threads, processes=2)
    assert settings.loaders(spec) == loaders
