"""What every exporter promises, over the registry: a new one is tested on arrival."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from automl import exporters
from automl.exporters import Delivery
from automl.exporters._paths import leaks, machine_paths
from tests.deliveries import make_delivery, with_formats


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@dataclass(frozen=True)
class Written:
    """What an exporter made of a folder that the exporters before it had filled."""

    delivery: Delivery
    folder: Path
    before: dict[str, bytes]
    after: dict[str, bytes]


def run(name: str, delivery: Delivery, folder: Path) -> Written:
    folder.mkdir(parents=True)
    every = [exporters.get(one) for one in exporters.names()]
    for earlier in every:
        if earlier.order < exporters.get(name).order and earlier.name != "plots":
            earlier.export(delivery, folder)
    before = contents(folder)
    exporters.get(name).export(delivery, folder)
    return Written(delivery, folder, before, contents(folder))


@pytest.fixture(params=exporters.names(), scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def written(name: str, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Written:
    delivery = with_formats(make_delivery(model), tmp_path_factory.mktemp("formats"))
    return run(name, delivery, tmp_path_factory.mktemp(name) / "bundle")


def test_goes_by_the_name_of_its_module(name):
    assert exporters.get(name).name == name


def test_adds_files_and_leaves_those_of_others_alone(written):
    assert set(written.after) > set(written.before)
    assert {path: written.after[path] for path in written.before} == written.before


def test_writes_the_same_bytes_again_elsewhere(name, written, tmp_path):
    again = run(name, written.delivery, tmp_path / "elsewhere" / "bundle")
    assert again.after == written.after


def test_names_no_path_of_this_machine(written):
    assert leaks(written.folder, machine_paths(written.delivery, written.folder)) == []


def test_writes_files_that_everybody_may_read(written):
    files = (path for path in written.folder.rglob("*") if path.is_file())
    assert {path.stat().st_mode & 0o777 for path in files} == {0o644}
