"""What all tests share: where the outside data lies, and quiet, small processes."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
EXPERIENCE = tempfile.mkdtemp(prefix="automl-experience-")
os.environ["AUTOML_EXPERIENCE"] = EXPERIENCE
atexit.register(shutil.rmtree, EXPERIENCE, ignore_errors=True)

ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """No test learns from the user's experience, or from another test's; nor do its processes."""
    os.environ["AUTOML_EXPERIENCE"] = f"{EXPERIENCE}/{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with outside data and models; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("AUTOML_SHARED", ROOT.parent / "shared")).resolve()
    if not (folder / "data").is_dir():
        pytest.skip("AUTOML_SHARED (default ../shared) is not there")
    return folder
