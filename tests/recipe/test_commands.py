"""``automl explain``, ``automl fmt`` and ``automl schema`` as they are typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from automl.cli import app
from automl.errors import RecipeError
from tests.recipe.conftest import Write
from tests.recipe.test_load import HEAVY, TYPICAL

UNORDERED = "task: t   # the task\nname: x\n"
ORDERED = "name: x\ntask: t   # the task\n"


def automl(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app(), [str(argument) for argument in arguments])


def test_fmt_rewrites_the_file_and_says_so_on_stderr(write: Write):
    path = write(UNORDERED)
    result = automl("fmt", path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"{path}: formatted\n"
    assert path.read_text() == ORDERED


def test_fmt_leaves_a_formatted_file_untouched(write: Write):
    path = write(ORDERED)
    before = path.stat().st_mtime_ns
    assert automl("fmt", path).output == ""
    assert path.stat().st_mtime_ns == before


def test_fmt_check_exits_1_and_writes_nothing(write: Write):
    path = write(UNORDERED)
    result = automl("fmt", "--check", path, write(ORDERED, "ordered.yaml"))
    assert (result.exit_code, result.stderr) == (1, f"{path}: would change\n")
    assert path.read_text() == UNORDERED


def test_fmt_check_of_formatted_files_exits_0(write: Write):
    assert automl("fmt", "--check", write(ORDERED)).exit_code == 0


def test_fmt_stdout_prints_and_writes_nothing(write: Write):
    path = write(UNORDERED)
    assert automl("fmt", "--stdout", path).stdout == ORDERED
    assert path.read_text() == UNORDERED


def test_fmt_check_and_stdout_exclude_each_other(write: Write):
    assert automl("fmt", "--stdout", "--check", write(ORDERED)).exit_code == 2


def test_fmt_formats_the_good_files_and_refuses_the_broken_ones(write: Write, tmp_path: Path):
    good, broken = write(UNORDERED, "good.yaml"), write("a: [1\n", "broken.yaml")
    result = automl("fmt", broken, tmp_path / "absent.yaml", good)
    assert isinstance(result.exception, RecipeError)
    assert len(result.exception.problems) == 2
    assert good.read_text() == ORDERED
    assert broken.read_text() == "a: [1\n"


def test_fmt_keeps_permissions_and_links(write: Write, tmp_path: Path):
    path = write(UNORDERED)
    path.chmod(0o600)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    automl("fmt", link)
    assert link.is_symlink()
    assert path.read_text() == ORDERED
    assert path.stat().st_mode & 0o777 == 0o600


def test_explain_prints_values_with_origins(write: Write):
    path = write(TYPICAL)
    lines = automl("explain", path).stdout.splitlines()
    assert any(line.split("  # ") == ["  trials: 40".ljust(len(line.split("  # ")[0])),
                                      f"{path}:19"] for line in lines)  # fmt: skip
    assert any(
        line.startswith("  strategy: auto ") and line.endswith("# default") for line in lines
    )


def test_explain_json_is_json(write: Write):
    document = json.loads(automl("explain", "--json", write(TYPICAL)).stdout)
    assert document["recipe"]["budget"]["trials"] == 40


@pytest.mark.parametrize("kind", ["recipe", "plan"])
def test_schema_prints_a_json_schema(kind: str):
    assert json.loads(automl("schema", kind).stdout)["$id"] == f"urn:automl:{kind}-v1"


def test_schema_prints_the_recipe_s_unless_told_otherwise():
    assert automl("schema").stdout == automl("schema", "recipe").stdout


@pytest.mark.parametrize("command", ["explain", "fmt", "schema"])
def test_the_command_imports_nothing_heavy(command: str, write: Write):
    arguments = [] if command == "schema" else [str(write(TYPICAL))]
    code = (
        "import sys; from automl.cli import app; app()(sys.argv[1:], standalone_mode=False); "
        f"sys.exit(str([m for m in {HEAVY} if m in sys.modules]))"
    )
    ran = [sys.executable, "-c", code, command, *arguments]
    error = subprocess.run(ran, capture_output=True, text=True, check=False).stderr
    assert error.splitlines()[-1] == "[]"
