"""Jobs that are killed: tried once more, and then said to have failed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from automl import documents, machine, processes
from automl.errors import JobFailed
from automl.jobs import InspectResult, InspectSpec
from automl.processes import Order

SPEC = InspectSpec("text-classification", (), ("a", "b"), (), 8)
KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
ANSWERS = f"""
import pathlib
pathlib.Path("result.json").write_text({documents.to_line(InspectResult(()))!r})
"""


def scripted(monkeypatch: pytest.MonkeyPatch, *scripts: str) -> list[Order]:
    """Let the processes that are started be these scripts, one after the other."""
    left, orders = list(scripts), []

    def start(order: Order) -> subprocess.Popen[bytes]:
        orders.append(order)
        return subprocess.Popen([sys.executable, "-c", left.pop(0)], cwd=order.spec.parent)

    monkeypatch.setattr(processes, "start", start)
    return orders


def test_a_job_that_is_killed_is_tried_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    orders = scripted(monkeypatch, KILLED, ANSWERS)
    assert processes.call(SPEC, InspectResult, tmp_path, threads=1) == InspectResult(())
    assert len(orders) == 2


def test_a_job_that_is_killed_twice_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    scripted(monkeypatch, KILLED, KILLED)
    with pytest.raises(JobFailed, match="exit code -9"):
        processes.call(SPEC, InspectResult, tmp_path, threads=1)


def test_a_job_that_fails_by_itself_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    orders = scripted(monkeypatch, "raise SystemExit(3)")
    with pytest.raises(JobFailed, match="exit code 3"):
        processes.call(SPEC, InspectResult, tmp_path, threads=1)
    assert len(orders) == 1


def test_a_job_that_fails_on_a_full_disk_is_put_down_to_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    scripted(monkeypatch, "raise SystemExit(1)")
    monkeypatch.setattr(machine, "free_bytes", lambda _: 5000)
    with pytest.raises(OSError, match="No space left") as caught:
        processes.call(SPEC, InspectResult, tmp_path, threads=1)
    assert machine.no_room(caught.value)
