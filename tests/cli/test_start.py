"""The command line answers at once: what it imports is held here, how fast by a benchmark."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = ("torch", "transformers", "datasets", "optuna", "pyarrow", "sklearn", "huggingface_hub")
CODE = """
import json, sys
from automl.cli import main
sys.argv = ["automl", *{arguments}]
try:
    main()
except SystemExit as left:
    code = left.code
print(json.dumps([code, sorted(m for m in {heavy} if m in sys.modules)]), file=sys.stderr)
"""
QUICKSTART = str(ROOT / "recipes" / "quickstart" / "recipe.yaml")


def run(*arguments: str) -> tuple[int, list[str], str]:
    code = CODE.format(arguments=list(arguments), heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    status, heavy = json.loads(done.stderr.splitlines()[-1])
    return status or 0, heavy, done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("run", "--help"),
        ("check", QUICKSTART),
        ("explain", QUICKSTART),
        ("schema",),
    ],
    ids=" ".join,
)
def test_light_command_imports_nothing_heavy(arguments: tuple[str, ...]):
    code, heavy, text = run(*arguments)
    assert code == 0, text
    assert heavy == []


def test_refused_recipe_is_exit_code_two_without_a_traceback(tmp_path: Path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("recipe: 1\nname: x\ntusk: text-classification\nbudget: {trails: 3}\n")
    code, heavy, text = run("run", str(recipe))
    assert code == 2
    assert heavy == []
    assert "Traceback" not in text
    assert "r.yaml:3:1" in text
    assert "did you mean 'task'" in text
    assert "did you mean 'trials'" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("status", "nowhere"), "there is no run in"),
        (("trials", "nowhere"), "there is no run in"),
        (("export", "nowhere"), "there is no run in"),
        (("run", "nowhere.yaml"), "nowhere.yaml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_not_there_is_said_with_exit_code_two(arguments: tuple[str, ...], said: str):
    code, _, text = run(*arguments)
    assert code == 2
    assert said in text
    assert "Traceback" not in text


@pytest.mark.slow
def test_doctor_finds_this_machine_ready():
    done = subprocess.run(
        [sys.executable, "-m", "automl", "doctor", "--offline", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    facts = json.loads(done.stdout)
    assert facts["packages"]["torch"]
    assert facts["torch"]["threads"] >= 1
    assert (done.returncode == 0) == (facts["problems"] == [])
