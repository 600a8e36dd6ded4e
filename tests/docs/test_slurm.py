"""The Slurm template, run dry: scripts stand in for ``srun``, ``scontrol`` and ``automl``."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

TEMPLATE = ROOT / "docs" / "slurm" / "automl.sbatch"
SRUN = """\
#!/bin/bash
# Two nodes; a signal goes to both.
echo "$*" > srun.txt
shift
for node in 0 1; do SLURM_PROCID=$node "$@" & done
trap 'kill -TERM $(jobs -p)' TERM
code=0
for job in $(jobs -p); do
    wait "$job"; found=$?
    [ "$found" = 143 ] && { wait "$job"; found=$?; }
    [ "$found" -gt "$code" ] && code=$found
done
exit "$code"
"""
AUTOML = """\
#!/bin/bash
echo "$SLURM_PROCID $* $AUTOML_STORAGE" >> automl.txt
trap 'sleep 0.2; echo "saved $SLURM_PROCID" >> automl.txt; exit 130' TERM
for _ in $(seq {ticks}); do sleep 0.1; done
"""


def _put(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _begin(tmp_path: Path, ticks: int) -> subprocess.Popen[str]:
    _put(tmp_path / "srun", SRUN)
    _put(tmp_path / "automl", AUTOML.replace("{ticks}", str(ticks)))
    _put(tmp_path / "scontrol", '#!/bin/bash\necho "$*" > scontrol.txt\n')
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "RECIPE": "tickets.yaml",
        "STORAGE": "postgresql+psycopg://me@db/studies",
        "SLURM_JOB_ID": "17",
    }
    return subprocess.Popen(["bash", str(TEMPLATE)], cwd=tmp_path, env=environment, text=True)


def test_every_node_gets_a_worker_of_the_same_study(tmp_path: Path):
    assert _begin(tmp_path, ticks=1).wait(20) == 0
    lines = sorted((tmp_path / "automl.txt").read_text().splitlines())
    assert lines == [
        f"{node} worker tickets.yaml postgresql+psycopg://me@db/studies" for node in (0, 1)
    ]
    assert not (tmp_path / "scontrol.txt").exists()


def test_before_its_time_is_up_the_job_has_all_saved_and_lines_up_again(tmp_path: Path):
    job = _begin(tmp_path, ticks=200)
    deadline = time.monotonic() + 20
    while not (tmp_path / "automl.txt").exists() or len(_lines(tmp_path)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)
    job.send_signal(signal.SIGTERM)
    assert job.wait(30) == 130
    assert sorted(_lines(tmp_path)[2:]) == ["saved 0", "saved 1"]
    assert (tmp_path / "scontrol.txt").read_text() == "requeue 17\n"


def _lines(folder: Path) -> list[str]:
    return (folder / "automl.txt").read_text().splitlines()


@pytest.mark.parametrize("missing", ["RECIPE", "STORAGE"])
def test_what_is_missing_is_said(tmp_path: Path, missing: str):
    environment = {**os.environ, "RECIPE": "r.yaml", "STORAGE": "s"}
    del environment[missing]
    done = subprocess.run(
        ["bash", str(TEMPLATE)], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert missing in done.stderr
