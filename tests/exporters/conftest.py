"""Fixtures of the exporters' tests: a trained model's folder and a delivery around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl.exporters import Delivery
from automl.exporters._assemble import write_bundle
from tests.deliveries import make_delivery, tiny_classifier
from tests.hub_server import hub

__all__ = ["hub"]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_classifier(tmp_path_factory.mktemp("run") / "trials" / "0010" / "best")


@pytest.fixture
def delivery(model: Path) -> Delivery:
    return make_delivery(model)


@pytest.fixture(scope="session")
def bundle(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that tests read and leave as it is."""
    return write_bundle(make_delivery(model), tmp_path_factory.mktemp("exported") / "bundle")
