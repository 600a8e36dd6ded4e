"""A small project that trains in seconds, and the command line run as a person runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from automl import processes
from tests import commands

TINY = Path(__file__).parent.parent / "fixtures" / "tiny-bert"
RECIPE = """\
recipe: 1
name: weather
task: text-classification
data: {train: weather.csv, validation: 0.2, test: 0.2}
models: [{path: tiny}]
search:
  seed: 3
  evaluations_per_epoch: 2
  strategy: none
  space: {epochs: 2, batch_size: 8, learning_rate: {low: 1e-3, high: 1e-2, log: true}}
budget: {trials: 2}
devices: {threads: 1, precision: fp32}
"""
Automl = Callable[..., subprocess.CompletedProcess[str]]


def rows(count: int) -> list[tuple[str, str]]:
    """Sentences whose class is in one word of them."""
    words = {"rain": ("rain", "storm", "wet", "cloud"), "sun": ("sun", "warm", "dry", "bright")}
    frames = ("it is {} out", "a {} day", "so {} today", "we had {} all week", "{} again {n}")
    made = []
    for n in range(count):
        label = ("rain", "sun")[n % 2]
        word = words[label][n // 2 % 4]
        made.append((frames[n % 5].format(word, n=n) + f" in town {n % 17}, hour {n}", label))
    return made


def write_data(path: Path, count: int = 120) -> None:
    path.write_text("text,label\n" + "".join(f'"{t}",{label}\n' for t, label in rows(count)))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with weather.yaml, its data and a tiny model."""
    shutil.copytree(TINY, tmp_path / "tiny")
    write_data(tmp_path / "weather.csv")
    (tmp_path / "weather.yaml").write_text(RECIPE)
    return tmp_path


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of every command: one cache for the whole session, never the user's."""
    return {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "120",
        "NO_COLOR": "1",
    }


@pytest.fixture(scope="package")
def forks() -> Iterator[None]:
    """One process, for all tests here, that has the imports done and that workers start from."""
    with processes.preloaded():
        yield


@pytest.fixture
def automl(project: Path, environment: dict[str, str], forks: None) -> Automl:
    """Call the command line in the project; ``fault`` sets AUTOML_FAULT.

    It runs in this process and its workers are forked, which spares each command ten seconds of
    imports; ``started`` is for what a process of its own is needed for.
    """

    def call(*arguments: str, fault: str = "") -> subprocess.CompletedProcess[str]:
        experience = os.environ["AUTOML_EXPERIENCE"]
        own = {**environment, "AUTOML_FAULT": fault, "AUTOML_EXPERIENCE": experience}
        return commands.automl(*arguments, cwd=project, environment=own)

    return call


@pytest.fixture
def started(project: Path, environment: dict[str, str]):
    """Start the command line without waiting for it; ended after the test whatever happens."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str, fault: str = "") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "automl", *arguments],
            cwd=project,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={
                **environment,
                "AUTOML_FAULT": fault,
                "AUTOML_EXPERIENCE": os.environ["AUTOML_EXPERIENCE"],
            },
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()
