"""A trial whose model is divided over two processes (FSDP, gloo) trains as one that is copied."""

from __future__ import annotations

import subprocess

import pytest
from transformers import AutoModelForSequenceClassification

from automl import processes
from automl.events import Finished, Paused, Started
from automl.executors import _launch
from tests.worker import together

pytestmark = pytest.mark.slow


def test_a_sharded_trial_that_was_paused_ends_as_an_unbroken_one_of_copies(bench, fault):
    copied = bench.trial("copied", processes=2, micro_batch=2, number=1)
    assert together.run(copied) == [0, 0], copied.log.read_text()
    # A checkpoint after each evaluation, too.
    trial = bench.trial(processes=2, micro_batch=2, sharded=True, checkpoint_seconds=0.0)
    fault("pause@step=8,once,trial=0")
    for _ in range(2):
        trial.clear_request()
        assert together.run(trial) == [0, 0], trial.log.read_text()
    kinds = [type(event) for event in bench.events(trial, Started, Paused, Finished)]
    assert kinds == [Started, Paused, Started, Finished]
    assert [event.step for event in bench.events(trial, Started)] == [0, 8]
    for one, two in zip(bench.scores(copied), bench.scores(trial), strict=True):
        assert one[:4] == two[:4]
        assert one[4] == pytest.approx(two[4], abs=1e-5)
    whole = AutoModelForSequenceClassification.from_pretrained(copied.best)
    best, report = AutoModelForSequenceClassification.from_pretrained(
        trial.best, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert type(best) is type(whole)
    for name, value in whole.state_dict().items():
        assert best.state_dict()[name].allclose(value, atol=1e-5), name


def test_the_head_of_a_sharded_model_is_set_on_all_its_processes(tmp_path):
    said = tmp_path / "said.txt"
    command = _launch.launch_command(said, 2)
    command[command.index("automl.worker")] = "tests.worker.sharded_head"
    variables = {**processes.environment(1, ()), **_launch.launch_environment(())}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(said.read_text()) == 7 * 12
