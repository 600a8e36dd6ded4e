"""What the executors' tests share: one Ray cluster, which takes longer to start than to use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.executors.cluster import add_node, cluster


@pytest.fixture(scope="package")
def made() -> Iterator[Any]:
    """Two nodes of one CPU each."""
    with cluster() as found:
        yield found


@pytest.fixture
def mortal(made: Any) -> Iterator[Any]:
    """The same cluster for a test that kills its second node; another one comes in its stead."""
    yield made
    if not made.worker_nodes:
        add_node(made)
