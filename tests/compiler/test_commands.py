"""``automl check``, ``plan`` and ``lock`` as a person runs them: arguments, output, exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from automl.compiler.lock import Lock
from automl.documents import from_json
from automl.plan import Plan
from tests import commands

HEAVY = (
    "accelerate", "datasets", "huggingface_hub", "matplotlib", "numpy", "optuna", "pyarrow",
    "sklearn", "torch", "transformers",
)  # fmt: skip
PLAIN = "data: {train: messages.csv, columns: {text: body, label: queue}}"


def automl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return commands.automl(*arguments, cwd=folder)


def test_check_says_ok_and_what_the_recipe_asks_for(recipe, folder: Path) -> None:
    recipe("budget: {trials: 5, time: 1h}")
    done = automl(folder, "check", "recipe.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("ok  messages: text-classification, 1 model, at most 5 trials or 1h\n")
    assert done.stderr == ""


def test_check_says_all_problems_on_stderr_and_exits_with_2(recipe, folder: Path) -> None:
    recipe("checks: [acuracy >= 0.5]", "models: [{path: tinny}]")
    done = automl(folder, "check", "recipe.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "hint: did you mean 'accuracy'?" in done.stderr
    assert "hint: did you mean 'tiny'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_prints_problems_as_json(recipe, folder: Path) -> None:
    recipe("checks: [acuracy >= 0.5]")
    done = automl(folder, "check", "recipe.yaml", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["ok"]) == (2, False)
    assert found["problems"][0]["line"] == 6
    assert found["problems"][0]["hint"] == "did you mean 'accuracy'?"


def test_check_prints_what_is_sound_as_json(recipe, folder: Path) -> None:
    recipe()
    found = json.loads(automl(folder, "check", "recipe.yaml", "--json").stdout)
    assert (found["ok"], found["task"], found["models"]) == (True, "text-classification", 1)


def test_check_imports_nothing_heavy(recipe, folder: Path) -> None:
    recipe("export: {push_to_hub: acme/tiny}", "models: [{path: tiny}, {package: automl}, a/b]")
    code = (
        "import sys; from pathlib import Path; from automl.cli.check import command\n"
        "command(Path('recipe.yaml'))\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_plan_of_refused_candidates_exits_with_2_and_the_reasons(recipe, folder: Path) -> None:
    recipe(PLAIN)
    (folder / "tiny" / "tokenizer.json").unlink()
    done = automl(folder, "plan", "recipe.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "tiny is refused: it has no tokenizer files" in done.stderr


def test_a_missing_lock_is_told_with_the_command_that_writes_it(recipe, folder: Path) -> None:
    recipe(PLAIN)
    done = automl(folder, "lock", "recipe.yaml", "--check")
    assert done.returncode == 2
    assert "recipe.lock does not exist" in done.stderr
    assert "hint: automl lock recipe.yaml" in done.stderr


@pytest.mark.slow
def test_plan_shows_data_candidates_space_and_budget(recipe, folder: Path) -> None:
    recipe(PLAIN, "models: [{path: tiny}, {path: broken}]")
    (folder / "broken").mkdir()
    done = automl(folder, "plan", "recipe.yaml")
    assert done.returncode == 0, done.stderr
    for said in (
        "messages: text-classification, maximize macro_f1",
        "columns: text = body, label = queue",
        "billing 16",
        "tiny",
        "32.7K",
        "searched",
        "3e-05 to 0.003, log",
        "refused broken: it has no config.json",
        "search: sampler tpe, strategy promotion with rungs at ",
        "8 starts before sampling",
        "budget: 20 trials",
    ):
        assert said in done.stdout


@pytest.mark.slow
def test_plan_prints_the_plan_as_json(recipe, folder: Path) -> None:
    recipe(PLAIN)
    done = automl(folder, "plan", "recipe.yaml", "--json")
    plan = from_json(Plan, done.stdout)
    assert [candidate.id for candidate in plan.candidates] == ["tiny"]
    assert str(folder) not in done.stdout


@pytest.mark.slow
def test_a_lock_holds_until_something_drifts(recipe, folder: Path) -> None:
    recipe(PLAIN)
    written = automl(folder, "lock", "recipe.yaml")
    assert (written.returncode, written.stdout) == (0, "recipe.lock\n")
    assert from_json(Lock, (folder / "recipe.lock").read_bytes()).name == "messages"
    assert str(folder) not in (folder / "recipe.lock").read_text()
    assert automl(folder, "lock", "recipe.yaml", "--check").returncode == 0

    rows = (folder / "messages.csv").read_text().splitlines(keepends=True)
    (folder / "messages.csv").write_text("".join(rows[:-1]))
    drifted = automl(folder, "lock", "recipe.yaml", "--check")
    assert drifted.returncode == 2
    assert "the file messages.csv has other content" in drifted.stderr
    assert "the data's content changed" in drifted.stderr
