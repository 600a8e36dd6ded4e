"""A Ray cluster of several nodes on this machine, for the tests that want one."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from automl import executors
from automl.executors import Slot
from automl.executors._cluster import library
from automl.plan import DevicePlan
from tests.conftest import ROOT

MEMORY = 80_000_000
"""Bytes of each node's object store, through which nothing goes."""
SETTINGS = {
    "worker_niceness": 0,  # as the other tests, whose processes would leave it no time
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 500,
    "health_check_failure_threshold": 3,
}


@contextmanager
def cluster(nodes: int = 2, cpus: int = 1) -> Iterator[Any]:
    """A cluster of ``nodes`` with ``cpus`` each; the first is its head."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'automl[ray]'")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
    )
    ray = library()
    from ray.cluster_utils import Cluster

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": cpus,
                "object_store_memory": MEMORY,
                "include_dashboard": False,
                "_system_config": SETTINGS,
            },
        )
        try:
            for _ in range(nodes - 1):
                add_node(made, cpus)
            yield made
        finally:
            ray.shutdown()
            made.shutdown()


def add_node(made: Any, cpus: int = 1) -> None:
    """Add a node to the cluster and wait until it is known there."""
    made.add_node(num_cpus=cpus, object_store_memory=MEMORY)


def wishes(address: str, per_trial: int = 1) -> DevicePlan:
    """What a recipe may ask of the cluster at that address."""
    return DevicePlan("ray", per_trial, 1, None, "auto", address)


def connect(made: Any, folder: Path, per_trial: int = 1) -> tuple[Slot, ...]:
    """Connect this process to the cluster, and no longer to another, and return the slots."""
    library().shutdown()
    return executors.get("ray").slots(wishes(made.address, per_trial), folder, ())
