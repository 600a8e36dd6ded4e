"""What the machine has: CUDA's own rule of visibility, and figures that make sense."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from automl import machine
from automl.machine import Gpu, Use, _visible

FOUND = [
    Gpu("0", "A", 1, "GPU-aaaa-1"),
    Gpu("1", "B", 2, "GPU-aabb-2"),
    Gpu("2", "C", 3, "GPU-cccc-3"),
    Gpu("MIG-dddd-4", "D", 4, "MIG-dddd-4"),
]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (None, ["0", "1", "2", "MIG-dddd-4"]),
        ("GPU-cccc-3,0", ["2", "0"]),
        ("GPU-aab", ["1"]),
        ("GPU-aa,0", []),
        ("2,GPU-nowhere,0", ["2"]),
        ("MIG-dddd-4", ["MIG-dddd-4"]),
        ("MIG-d", ["MIG-dddd-4"]),
        ("", []),
        ("2,0", ["2", "0"]),
        ("1, 2", ["1", "2"]),
        ("1,7,2", ["1"]),
        ("-1", []),
    ],
)
def test_visible_devices_are_cudas(wanted: str | None, ids: list[str]):
    assert [gpu.id for gpu in _visible(FOUND, wanted)] == ids


class Driver(ModuleType):
    """Stands for NVML: card 0 is whole, card 1 divided in two of seven possible instances."""

    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.open = 0

    def nvmlInit(self) -> None:
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        return f"card {index}"

    def nvmlDeviceGetMigMode(self, handle: str) -> list[int]:
        if handle == "card 0":
            raise self.NVMLError("not supported")
        return [1, 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: str) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: str, number: int) -> str:
        if number not in (0, 3):
            raise self.NVMLError("not found")
        return f"part {number}"

    def nvmlDeviceGetUUID(self, handle: str) -> str | bytes:
        kind, number = handle.split()
        return f"MIG-{number}" if kind == "part" else b"GPU-0"

    def nvmlDeviceGetName(self, handle: str) -> bytes:
        return handle.encode()

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> SimpleNamespace:
        return SimpleNamespace(total=80 if handle.startswith("card") else 10, used=4)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: str) -> int:
        if handle != "card 0":
            raise self.NVMLError("not supported")
        return 300_000

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> SimpleNamespace:
        if handle.startswith("part"):
            raise self.NVMLError("not supported")
        return SimpleNamespace(gpu=87)

    def nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> int:
        return 61


def test_instances_stand_for_a_divided_gpu(monkeypatch: pytest.MonkeyPatch):
    driver = Driver()
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = machine.gpus()
    assert [gpu.id for gpu in found] == ["0", "MIG-0", "MIG-3"]
    assert [gpu.memory_bytes for gpu in found] == [80, 10, 10]
    assert [gpu.uuid for gpu in found] == ["GPU-0", "MIG-0", "MIG-3"]
    assert driver.open == 0


def test_use_is_that_of_visible_gpus_as_far_as_they_say(monkeypatch: pytest.MonkeyPatch):
    driver = Driver()
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-0,MIG-3")
    assert machine.gpu_watts() == 300.0  # what an instance draws is not known
    whole, part = machine.gpu_use()
    assert whole == Use("0", 0.87, 4, 80, 61)
    assert part == Use("MIG-3", None, 4, 10, 61)
    assert driver.open == 0


def test_without_a_driver_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch):
    driver = Driver()

    def nothing() -> None:
        raise driver.NVMLError("library not found")

    monkeypatch.setattr(driver, "nvmlInit", nothing)
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    assert machine.gpus() == machine.gpu_use() == ()
    assert machine.gpu_watts() is None


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
