"""What the machine has: CUDA's own rule of visibility, and figures that make sense."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from automl import machine
from automl.machine import Gpu, _visible

FOUND = [Gpu("0", "A", 1), Gpu("1", "B", 2), Gpu("2", "C", 3)]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (None, ["0", "1", "2"]),
        ("", []),
        ("2,0", ["2", "0"]),
        ("1, 2", ["1", "2"]),
        ("1,7,2", ["1"]),
        ("-1", []),
    ],
)
def test_visible_devices_are_cudas(wanted: str | None, ids: list[str]):
    assert [gpu.id for gpu in _visible(FOUND, wanted)] == ids


def test_cores_and_memory_are_positive():
    assert 1 <= machine.physical_cores() <= machine.cores()
    assert machine.memory_bytes() > 2**27
    assert "memory" in machine.describe()


def _limited(folder: Path, megabytes: int) -> bool:
    """Make a memory cgroup of so many megabytes; return whether this user may."""
    names = ("memory.limit_in_bytes", "memory.max")
    try:
        folder.mkdir()
        limit = next((folder / name for name in names if (folder / name).exists()), None)
        if limit is None:
            return False
        limit.write_text(str(megabytes * 2**20))
    except OSError:
        return False
    return True


def test_the_kernels_kills_for_want_of_memory_are_counted():
    group = Path("/sys/fs/cgroup/memory")
    folder = (group if group.is_dir() else group.parent) / f"automl-test-{os.getpid()}"
    try:
        if not _limited(folder, 48):
            pytest.skip("limiting a process's memory needs root and cgroups")
        before = machine.oom_kills()
        greedy = (
            "import os, sys\n"
            f"open({str(folder / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\n"
            "held = [bytearray(b'x' * 2**20) for _ in range(512)]\n"
        )
        code = subprocess.run([sys.executable, "-c", greedy], check=False).returncode
        if code == 0:
            pytest.skip("the limit is not enforced here, or there is swap")
        assert code == -signal.SIGKILL
        assert machine.oom_kills() > before
    finally:
        if folder.is_dir():
            folder.rmdir()


def test_a_full_disk_is_known_by_its_error(tmp_path: Path):
    assert machine.no_room(OSError(errno.ENOSPC, "No space left on device"))
    assert machine.no_room(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert not machine.no_room(OSError(errno.EACCES, "Permission denied"))
    assert not machine.no_room(ValueError("No space left on device"))
    assert machine.free_bytes(tmp_path) > 0
