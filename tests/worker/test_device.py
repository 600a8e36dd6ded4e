"""A process's part of a GPU, with a stand-in for CUDA's allocator."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from automl.worker import device

CUDA = torch.device("cuda", 0)


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The fractions that were asked for, on a GPU of 60 GB."""
    asked: list[float] = []
    gpu = SimpleNamespace(total_memory=60_000_000_000)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: gpu)
    monkeypatch.setattr(
        torch.cuda, "set_per_process_memory_fraction", lambda share, _: asked.append(share)
    )
    return asked


def test_a_shared_gpu_is_filled_to_the_processs_part_less_what_cuda_takes(allowed):
    device.hold_to(0.25, CUDA)
    assert allowed == [pytest.approx(0.24)]


def test_a_gpu_of_ones_own_and_a_cpu_are_not_limited(allowed):
    device.hold_to(1.0, CUDA)
    device.hold_to(0.25, torch.device("cpu"))
    assert allowed == []
