"""A process of several that stops: the others notice, end within the timeout, and say why."""

from __future__ import annotations

import time

import pytest

from automl.events import Failed, Started
from tests.worker import together

SECONDS = 3.0


@pytest.mark.slow
@pytest.mark.parametrize("sharded", [False, True])
def test_a_rank_that_stops_ends_the_others_within_the_timeout_as_a_hang(bench, fault, sharded):
    trial = bench.trial(processes=2, sharded=sharded, collective_seconds=SECONDS)
    fault("hang@step=4,rank=1")
    with together.ended(together.start(trial)) as started:
        while not bench.events(trial, Started):
            time.sleep(0.02)
        began = time.monotonic()
        while started[0].poll() is None:
            time.sleep(0.02)
        assert time.monotonic() - began < 4 * SECONDS
        assert started[0].poll() == 1
        assert started[1].poll() is None
    failed = bench.events(trial, Failed)[-1]
    assert failed.kind == "hang", trial.log.read_text()
