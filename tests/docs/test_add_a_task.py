"""docs/how-to/add-a-task.md, followed to the letter in a copy of the project."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from automl import tasks
from tests.conftest import ROOT
from tests.docs.pages import blocks_of

PAGE = ROOT / "docs" / "how-to" / "add-a-task.md"
TINY = ROOT / "tests" / "fixtures" / "tiny-bert"
ROWS = 60
TASK_FILE = "automl/tasks/yes_no_question.py"


def run(command: str, cwd: Path, project: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the page by this interpreter, with the copy as what is imported."""
    program, *arguments = shlex.split(command)
    return subprocess.run(
        [sys.executable, "-m", program, *arguments],
        cwd=cwd,
        env={
            **os.environ,
            "PYTHONPATH": str(project),
            "XDG_CACHE_HOME": str(project / "cache"),
            "AUTOML_EXPERIENCE": str(project / "experience"),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the page's files in it, and what its recipe names beside them."""
    folder = tmp_path_factory.mktemp("project")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("automl", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for block in blocks_of(PAGE):
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
    shutil.copytree(TINY, folder / "tiny")
    with (folder / "questions.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("question", "passage", "label"))
        for row in range(ROWS):
            seen = ("rain", "sun")[row % 2]
            answer = "yes" if seen == "rain" else "no"
            writer.writerow((f"is it wet on day {row}", f"we had {seen} in town {row % 7}", answer))
    return folder


@pytest.fixture(scope="module")
def commands() -> list[str]:
    return [command for block in blocks_of(PAGE) for command in block.commands]


def test_the_page_adds_one_file_to_the_tasks_and_one_that_is_not_there_yet():
    files = [block.file for block in blocks_of(PAGE) if block.file and "/" in block.file]
    assert files == [TASK_FILE]
    assert "yes-no-question" not in tasks.names()


def test_the_file_passes_lint_and_format():
    (text,) = (block.text for block in blocks_of(PAGE) if block.file == TASK_FILE)
    for check in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "--stdin-filename", str(ROOT / TASK_FILE), "-"],
            input=text,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_new_task_passes_the_conformance_suite(project, commands):
    (suite,) = (command for command in commands if command.startswith("pytest"))
    done = run(f"{suite} -p no:cacheprovider", project, project)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout
    assert "skipped" not in done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_its_recipe_runs_to_a_bundle_that_predicts(project, commands):
    first, second = (command for command in commands if command.startswith("automl"))
    ran = run(first, project, project)
    assert ran.returncode == 0, ran.stderr
    predicted = run(second, project, project)
    assert predicted.returncode == 0, predicted.stderr
    answers = [json.loads(line) for line in predicted.stdout.splitlines()]
    assert len(answers) == ROWS
    assert {answer["predicted_label"] for answer in answers} <= {"yes", "no"}
