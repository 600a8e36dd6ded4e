"""What the machine has: CUDA's own rule of visibility, and figures that make sense."""

from __future__ import annotations

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
