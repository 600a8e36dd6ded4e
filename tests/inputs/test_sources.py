"""Where packed data comes from, and what the packed recipe calls it."""

from __future__ import annotations

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from automl import tasks
from automl.data.load import load_data
from automl.inputs.sources import Sources, gathered
from automl.recipe.load import load
from tests.run.conftest import write_data

HEAD = "recipe: 1\nname: t\ntask: text-classification\nmodels: [{path: x}]\ndata: "


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def packed(project: Path, data: str) -> Sources:
    (project / "recipe.yaml").write_text(HEAD + data)
    loaded, task = load(project / "recipe.yaml"), tasks.get("text-classification")
    return gathered(loaded, task, load_data(loaded, task).plan, project / "fetched")


def test_files_keep_their_place_beside_the_recipe(project: Path) -> None:
    write_data(project / "rows.csv")
    (project.parent / "shared" / "a").mkdir(parents=True)
    write_data(project.parent / "shared" / "a" / "test.csv")
    found = packed(project, "{train: ./rows.csv, test: ../shared/*/test.csv}")
    assert found.references == {"train": "rows.csv", "test": "../shared/*/test.csv"}
    assert found.here == {project / "rows.csv", project.parent / "shared" / "a" / "test.csv"}


def test_a_path_of_this_machine_alone_is_written_as_one_from_the_recipe(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.parent / "big").mkdir()
    write_data(project.parent / "big" / "rows.csv")
    monkeypatch.setenv("ROWS", str(project.parent / "big"))
    found = packed(project, "{train: '${env:ROWS}/rows.csv'}")
    assert found.references == {"train": "../big/rows.csv"}


def test_of_a_folder_only_the_files_of_the_split_come_along(project: Path) -> None:
    (project / "data").mkdir()
    for name in ("train", "test"):
        write_data(project / "data" / f"{name}.csv")
    (project / "data" / "notes.txt.bak").write_text("x")
    found = packed(project, "{train: data, test: data}")
    assert found.references == {"train": "data", "test": "data"}
    assert {path.name for path in found.here} == {"train.csv", "test.csv"}


def test_what_lies_behind_a_url_is_fetched(project: Path) -> None:
    write_data(project / "far.csv")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(project))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/far.csv"
        found = packed(project, f"{{train: ['{url}', far.csv]}}")
        server.shutdown()
    assert found.references == {"train": ["fetched/0/far.csv", "far.csv"]}
    copy = project / "fetched" / "0" / "far.csv"
    assert copy.read_bytes() == (project / "far.csv").read_bytes()


def test_a_hub_data_set_is_named_by_its_commit(hub, project: Path) -> None:
    write_data(project / "rows.csv")
    sha = hub.add_dataset("acme/rows", {"train.csv": (project / "rows.csv").read_bytes()})
    found = packed(project, "{train: acme/rows@main}")
    assert found.references == {"train": f"acme/rows@{sha}"}
    assert found.datasets == {("acme/rows", sha)}
