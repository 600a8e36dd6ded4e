"""``automl pause``: which trials can be put aside, and what is remembered of it."""

from __future__ import annotations

import pytest

from automl.cli import pause, trials
from automl.errors import InputError
from automl.search.history import read


def test_a_trial_that_has_ended_or_never_was_cannot_be_put_aside(rundir):
    ended = next(t.number for t in read(rundir.study).trials if t.state == "complete")
    with pytest.raises(InputError, match="has ended"):
        pause.command(ended, rundir.root)
    with pytest.raises(InputError, match="there is no trial 99; known are 0 to"):
        pause.command(99, rundir.root)
    assert not rundir.held()


def test_what_is_put_aside_stays_so_until_it_is_released(capsys, rundir):
    (running,) = (t.number for t in read(rundir.study).trials if t.state == "running")
    for _ in range(2):
        pause.command(running, rundir.root)
    assert rundir.held() == {running}
    capsys.readouterr()
    trials.command(rundir.root, "number")
    (row,) = (line for line in capsys.readouterr().out.splitlines() if "put aside" in line)
    assert row.split()[0] == str(running)
    pause.command(running, rundir.root, release=True)
    assert rundir.held() == frozenset()
    assert "goes on when its turn comes" in capsys.readouterr().out
