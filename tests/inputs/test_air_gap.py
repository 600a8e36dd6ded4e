"""A study from packed inputs to its bundle, where no socket opens: not here, not in a worker."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import commands
from tests.compiler.conftest import TINY
from tests.hub_server import HubServer
from tests.run.conftest import write_data

ROOT = Path(__file__).resolve().parent.parent.parent
BLOCK = """\
import os, socket

def note(what):
    with open(os.environ["SOCKETS_LOG"], "a") as log:
        log.write(f"{os.getpid()} {what}\\n")
    raise OSError(f"no network here: {what}")

class Blocked(socket.socket):
    def connect(self, address):
        return super().connect(address) if self.family == socket.AF_UNIX else note(address)

    def connect_ex(self, address):
        return super().connect_ex(address) if self.family == socket.AF_UNIX else note(address)

    def sendto(self, *parts):
        return super().sendto(*parts) if self.family == socket.AF_UNIX else note(parts[-1])

socket.socket = Blocked
socket.getaddrinfo = socket.gethostbyname = lambda *parts, **_: note(parts)
"""
RECIPE = """\
recipe: 1
name: weather
extends: hub:acme/recipes/base.yaml
data: {train: ROWS, validation: 0.2, test: 0.2}
models:
  - hub: {search: bert, max_parameters: 100K, limit: 1}
search:
  strategy: none
  repeats: 0
  space: {epochs: 1, batch_size: 8, learning_rate: 1e-3, method: full}
budget: {trials: 1}
checks: ["invariance[synonyms=WORDS] >= 0"]
devices: {threads: 1, precision: fp32}
export: {push_to_hub: acme/weather}
"""


def isolated(tmp_path: Path) -> list[str]:
    """Return the prefix of a command without network interfaces, where the system lets us."""
    probe = ["unshare", "--net", "true"]
    allowed = shutil.which("unshare") and subprocess.run(probe, capture_output=True).returncode == 0
    return ["unshare", "--net"] if allowed else []


def environment(tmp_path: Path) -> dict[str, str]:
    """A user of another machine: nothing cached, no token, no telemetry switched off by hand."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(BLOCK)
    taken = {n: v for n, v in os.environ.items() if not n.startswith(("HF_", "DO_NOT"))}
    return {
        **taken,
        "HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "elsewhere"),
        "SOCKETS_LOG": str(tmp_path / "sockets.log"),
        "PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{ROOT}",
    }


@pytest.mark.slow
def test_packed_inputs_run_to_their_bundle_without_a_socket(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {path.name: path.read_bytes() for path in TINY.iterdir()}
    hub.add_model("acme/bert-tiny", {**files, "README.md": b"---\nlicense: mit\n---\n"})
    hub.add_model("acme/recipes", {"base.yaml": b"task: text-classification\n"})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("here", "rows", "there"):
        (tmp_path / name).mkdir()
    write_data(tmp_path / "rows" / "weather.csv")
    (tmp_path / "rows" / "words.txt").write_text("rain, storm\n")
    recipe = RECIPE.replace("ROWS", str(tmp_path / "rows" / "weather.csv"))
    recipe = recipe.replace("WORDS", str(tmp_path / "rows" / "words.txt"))
    (tmp_path / "here" / "weather.yaml").write_text(recipe)
    packed = commands.automl(
        "bundle-inputs", "weather.yaml", "-o", "../there/inputs.tar", cwd=tmp_path / "here"
    )
    assert packed.returncode == 0, packed.stderr
    assert "left out  export.push_to_hub" in packed.stdout
    hub.stop()

    env = environment(tmp_path)
    done = subprocess.run(
        [*isolated(tmp_path), sys.executable, "-m", "automl", "run", "inputs.tar", "--locked"],
        cwd=tmp_path / "there",
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "there" / "runs" / "weather" / "bundle" / "automl.json").is_file()
    assert str(tmp_path) not in (tmp_path / "there" / "runs" / "weather" / "plan.json").read_text()
    assert not (tmp_path / "sockets.log").exists(), (tmp_path / "sockets.log").read_text()

    # What looks for sockets does find them.
    code = "import socket; socket.create_connection(('127.0.0.1', 9))"
    subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=False)
    assert (tmp_path / "sockets.log").exists()
