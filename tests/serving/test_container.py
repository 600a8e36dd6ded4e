"""``automl container``: a folder that holds all that an image is built from."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement
from ruamel.yaml import YAML

from automl import documents
from automl.bundle import INFO, BundleInfo
from automl.cli import app
from automl.errors import InputError
from automl.serving import container
from automl.serving.server.settings import Settings
from tests.conftest import ROOT


def having(bundle, folder, **changes):
    """Return a copy of the bundle whose automl.json is changed."""
    copy = shutil.copytree(bundle, folder)
    info = documents.read(BundleInfo, copy / INFO)
    documents.write(copy / INFO, replace(info, **changes))
    return copy


def installed(*names):
    return {"python": "3.11.9", **{name: version(name) for name in names}}


@pytest.fixture(scope="module")
def box(bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("boxes")
    made = having(bundle, folder / "bundle", versions=installed("torch", "transformers"))
    container.write(made, folder / "box")
    return folder / "box"


def instructions(box):
    """Return the Dockerfile's instructions, lines that go on joined."""
    text = (box / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(None, 1)) for line in lines]


def requirements(box):
    lines = (box / "requirements.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if not line.startswith(("#", "--"))]


def test_what_is_copied_into_the_image_lies_in_the_folder(box):
    copied = [what.split()[0] for name, what in instructions(box) if name == "COPY"]
    assert copied == ["requirements.txt", "source/", "bundle/"]
    assert all((box / each).exists() for each in copied)
    assert (box / "source" / "automl" / "serving" / "server" / "app.py").is_file()
    assert (box / "source" / "automl" / "serving" / "server" / "templates").is_dir()
    assert not list(box.rglob("__pycache__"))


def test_it_does_not_run_as_root_and_tells_whether_it_is_ready(box):
    told = dict(instructions(box))
    assert not told["USER"].startswith(("root", "0"))
    assert "/ready" in told["HEALTHCHECK"]
    assert told["STOPSIGNAL"] == "SIGTERM"
    assert told["FROM"] == "python:3.11-slim"


def test_its_command_is_one_that_automl_has(box):
    import typer

    command = json.loads(dict(instructions(box))["CMD"])
    assert command[:3] == ["python", "-m", "automl"]
    known = typer.main.get_command(app())
    known.commands[command[3]].make_context(command[3], command[4:])


def test_every_requirement_is_pinned_to_the_bundles_version(box):
    found = {each.name: each for each in requirements(box)}
    for each in found.values():
        assert re.fullmatch(r"==[^,*]+", str(each.specifier)), each
    assert found["transformers"].specifier.contains(version("transformers"))
    assert {"torch", "fastapi", "uvicorn", "pydantic", "numpy"} <= found.keys()
    assert not any(name.startswith(("nvidia-cu", "triton", "onnx")) for name in found)


def test_a_bundle_with_graphs_brings_what_runs_them(bundle, tmp_path):
    graphs = having(bundle, tmp_path / "bundle", versions=installed("torch"))
    (graphs / "onnx").mkdir()
    container.write(graphs, tmp_path / "box")
    assert "onnxruntime" in {each.name for each in requirements(tmp_path / "box")}


def test_torch_is_the_build_for_cpus_unless_a_gpu_is_asked_for(box, bundle, tmp_path):
    assert re.search(r"^torch==[\d.]+\+cpu$", (box / "requirements.txt").read_text(), re.M)
    container.write(bundle, tmp_path / "gpu", gpu=True)
    text = (tmp_path / "gpu" / "requirements.txt").read_text()
    assert "cpu" not in text
    compose = YAML(typ="safe").load((tmp_path / "gpu" / "compose.yaml").read_text())
    (service,) = compose["services"].values()
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_a_bundle_of_other_versions_is_pinned_to_its_own_and_the_rest_left_open(bundle, tmp_path):
    old = having(bundle, tmp_path / "bundle", versions={"python": "3.12", "transformers": "5.23.0",
                                                        "torch": "2.13.0"})  # fmt: skip
    container.write(old, tmp_path / "box")
    found = {each.name: str(each.specifier) for each in requirements(tmp_path / "box")}
    assert found["transformers"] == "==5.23.0"
    assert found["pydantic"].startswith(">=")
    assert "fastapi" in found
    assert "python:3.12-slim" in (tmp_path / "box" / "Dockerfile").read_text()


def test_the_compose_file_gives_no_more_than_is_needed(box):
    compose = YAML(typ="safe").load((box / "compose.yaml").read_text())
    ((name, service),) = compose["services"].items()
    assert re.fullmatch(r"[a-z0-9-]+", name)
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "AUTOML_TOKEN" in service["environment"]
    usual = Settings()
    assert int(service["stop_grace_period"].rstrip("s")) > usual.drain + usual.timeout


def test_no_path_of_this_machine_is_in_it(box):
    for file in box.rglob("*"):
        if file.is_file() and file.suffix in ("", ".txt", ".yaml", ".py", ".json", ".jinja"):
            text = file.read_text(encoding="utf-8")
            assert str(ROOT) not in text, file
            assert str(box.parent) not in text, file


def test_a_folder_that_holds_something_is_left_alone(bundle, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        container.write(bundle, tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["mine.txt"]


def test_code_that_is_not_trusted_is_not_served(bundle, tmp_path):
    coded = having(bundle, tmp_path / "bundle", trust_remote_code=True)
    with pytest.raises(InputError, match="running Python code"):
        container.write(coded, tmp_path / "box")
    container.write(coded, tmp_path / "box", trust_remote_code=True)
    assert "--trust-remote-code" in (tmp_path / "box" / "Dockerfile").read_text()


def test_the_command_names_what_it_wrote(bundle, tmp_path, capsys):
    app()(["container", str(bundle), "-o", str(tmp_path / "box")], standalone_mode=False)
    written = capsys.readouterr().out.split()
    assert [each.rsplit("/", 1)[1] for each in written] == [
        "Dockerfile", "compose.yaml", "requirements.txt", ".dockerignore",
    ]  # fmt: skip
