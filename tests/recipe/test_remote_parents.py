"""``extends`` from the hub and from git: pinned, cached, and never trusted."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from automl.compiler.drift import lock_drift
from automl.compiler.lock import lock_path, make_lock, write_lock
from automl.compiler.verify import load_verified
from automl.errors import RecipeError
from automl.plan import Parent
from automl.recipe.addresses import Unreadable, parse
from automl.recipe.load import load
from automl.recipe.loaded import LoadedRecipe
from tests import commands
from tests.deliveries import make_plan
from tests.hub_server import HubServer, hub
from tests.recipe.conftest import Write

__all__ = ["hub"]
BASE = b"""\
recipe: 1
task: text-classification
data: {train: rows.csv}
models: [acme/encoder]
budget: {trials: 10}
"""
CHILD = "name: child\nextends: {}\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
        monkeypatch.setenv(name, "t")
    for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "t@example.org")


class Repository:
    """A git repository in a folder, and what it is called in a recipe."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self._git("init", "-q", "-b", "main")

    def commit(self, files: dict[str, bytes]) -> str:
        for name, data in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_bytes(data)
        self._git("add", "-A")
        self._git("commit", "-q", "-m", "x")
        return self._git("rev-parse", "HEAD")

    def url(self, path: str, revision: str = "") -> str:
        return f"git+file://{self.root}{f'@{revision}' if revision else ''}#{path}"

    def tag(self, name: str) -> None:
        self._git("tag", "-a", name, "-m", name)

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, check=True, capture_output=True)
        return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "team")


def refusal(path: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        load(path)
    for problem in caught.value.problems:
        assert problem.place is not None
        assert problem.hint
    return str(caught.value)


def trials(loaded: LoadedRecipe) -> int | None:
    return loaded.recipe.budget.trials


def test_a_parent_on_the_hub_is_merged_and_pinned(hub: HubServer, write: Write) -> None:
    sha = hub.add_model("acme/recipes", {"text/base.yaml": BASE})
    loaded = load(write(CHILD.format("hub:acme/recipes/text/base.yaml")))
    assert trials(loaded) == 10
    assert loaded.parents == (Parent("hub:acme/recipes/text/base.yaml", sha),)
    place = loaded.place(("budget", "trials"))
    assert place is not None
    assert (place.file, place.line) == (f"hub:acme/recipes/text/base.yaml@{sha[:7]}", 5)


def test_data_set_repositories_hold_recipes_too(hub: HubServer, write: Write) -> None:
    sha = hub.add_dataset("acme/recipes", {"base.yaml": BASE}, branch="v1")
    reference = "hub:datasets/acme/recipes/base.yaml@v1"
    assert load(write(CHILD.format(reference))).parents == (Parent(reference, sha),)


def test_the_lock_wins_over_a_branch_that_moved(hub: HubServer, write: Write) -> None:
    reference = "hub:acme/recipes/base.yaml@main"
    old = hub.add_model("acme/recipes", {"base.yaml": BASE})
    path = write(CHILD.format(reference))
    hub.add_model("acme/recipes", {"base.yaml": BASE.replace(b"10", b"99")})
    assert trials(load(path)) == 99
    pinned = load(path, pins=lambda: {reference: old})
    assert (trials(pinned), pinned.parents[0].revision) == (10, old)


def test_commands_follow_the_lock_beside_the_recipe(hub: HubServer, write: Write) -> None:
    reference = "hub:acme/recipes/base.yaml"
    old = hub.add_model("acme/recipes", {"base.yaml": BASE})
    hub.add_model("acme/recipes", {"base.yaml": BASE.replace(b"10", b"99")})
    path = write(CHILD.format(reference))
    plan = replace(make_plan(("a", "b"), [], 10), parents=(Parent(reference, old),))
    assert load_verified_without_data(path) == 99
    write_lock(lock_path(path), make_lock(plan))
    assert load_verified_without_data(path) == 10
    told = commands.automl("explain", path.name, cwd=path.parent)
    line = next(line for line in told.stdout.splitlines() if "trials:" in line)
    assert line.split() == ["trials:", "10", "#", f"{reference}@{old[:7]}:5"]
    moved = replace(plan, parents=(Parent(reference, "1" * 40),))
    assert any("the parent" in text for text in lock_drift(make_lock(plan), moved))


def load_verified_without_data(path: Path) -> int | None:
    (path.parent / "rows.csv").touch()
    return trials(load_verified(path))


def test_a_hub_parent_works_offline_once_it_was_read(
    hub: HubServer, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    hub.add_model("acme/recipes", {"base.yaml": BASE})
    path = write(CHILD.format("hub:acme/recipes/base.yaml"))
    online = load(path)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    asked = len(hub.requests)
    assert load(path) == online
    assert len(hub.requests) == asked
    write(CHILD.format("hub:acme/recipes/other.yaml"), "other.yaml")
    assert "cannot be reached" in refusal(path.with_name("other.yaml"))


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("hub:acme/none/base.yaml", "acme/none is not on the hub, or is private"),
        ("hub:acme/recipes/none.yaml", "acme/recipes has no file none.yaml"),
        ("hub:acme/recipes/base.yaml@v9", "acme/recipes has no revision 'v9'"),
        ("hub:acme/recipes", "names no recipe on the hub"),
        ("hub:acme/recipes/../x.yaml", "is no file of the repository"),
        ("hub:acme/recipes/large.yaml", "a recipe may have 1,000,000"),
    ],
)
def test_what_the_hub_does_not_have_is_named_at_its_place(
    hub: HubServer, write: Write, reference: str, said: str
) -> None:
    hub.add_model("acme/recipes", {"base.yaml": BASE, "large.yaml": b"#" * 1_000_001})
    text = refusal(write(CHILD.format(reference)))
    assert said in text
    assert "recipe.yaml:2:10" in text
    assert not any(path.endswith("large.yaml") for verb, path in hub.requests if verb == "GET")


def test_a_gated_parent_says_how_to_get_in(
    hub: HubServer, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_model("acme/recipes", {"base.yaml": BASE})
    hub.gated.add("acme/recipes")
    monkeypatch.delenv("HF_TOKEN")
    assert "hf auth login" in refusal(write(CHILD.format("hub:acme/recipes/base.yaml")))


def test_relative_parents_stay_in_the_repository_and_its_commit(
    hub: HubServer, write: Write
) -> None:
    files = {"base.yaml": BASE, "text/own.yaml": b"extends: ../base.yaml\nsearch: {seed: 4}\n"}
    hub.add_model("acme/recipes", files)
    path = write(CHILD.format("hub:acme/recipes/text/own.yaml"))
    loaded = load(path)
    assert (loaded.recipe.search.seed, trials(loaded)) == (4, 10)
    assert len(loaded.parents) == 1
    hub.add_model("acme/recipes", {"text/own.yaml": b"extends: ../../secret.yaml\n"})
    assert "is no file of the repository" in refusal(path)


def test_a_loop_across_repositories_is_shown(
    hub: HubServer, repository: Repository, write: Write
) -> None:
    hub.add_model("acme/recipes", {"a.yaml": b"extends: b.yaml\n", "b.yaml": b"extends: a.yaml\n"})
    text = refusal(write(CHILD.format("hub:acme/recipes/a.yaml")))
    assert "a recipe extends itself: hub:acme/recipes/a.yaml@" in text


def test_a_parent_in_git_is_merged_and_pinned(repository: Repository, write: Write) -> None:
    sha = repository.commit({"text/base.yaml": BASE})
    repository.tag("v1")
    newer = repository.commit({"text/base.yaml": BASE.replace(b"10", b"99")})
    for revision, expected, count in (
        ("", newer, 99),
        ("main", newer, 99),
        ("v1", sha, 10),
        (sha, sha, 10),
    ):
        reference = repository.url("text/base.yaml", revision)
        loaded = load(write(CHILD.format(reference)))
        assert (trials(loaded), loaded.parents) == (count, (Parent(reference, expected),))
    reference = repository.url("text/base.yaml", "main")
    pinned = load(write(CHILD.format(reference)), pins=lambda: {reference: sha})
    assert trials(pinned) == 10


def test_a_commit_that_was_fetched_needs_no_repository(
    repository: Repository, write: Write
) -> None:
    sha = repository.commit({"base.yaml": BASE})
    exact, moving = repository.url("base.yaml", sha), repository.url("base.yaml", "main")
    first, second = write(CHILD.format(exact), "a.yaml"), write(CHILD.format(moving), "b.yaml")
    online = load(first), load(second)
    os.rename(repository.root, repository.root.with_name("gone"))
    assert load(first) == online[0]
    with pytest.warns(RuntimeWarning, match="the last commit seen of main counts"):
        assert load(second) == online[1]


def test_a_server_that_filters_and_a_git_that_was_killed_are_no_hindrance(
    repository: Repository, write: Write, tmp_path: Path
) -> None:
    subprocess.run(
        ["git", "config", "uploadpack.allowFilter", "true"], cwd=repository.root, check=True
    )
    repository.commit({"base.yaml": BASE, "rows.bin": b"\0" * 2_000_000})
    path = write(CHILD.format(repository.url("base.yaml")))
    load(path)
    (home,) = (tmp_path / "cache" / "automl" / "git").iterdir()
    assert sum(each.stat().st_size for each in home.rglob("*") if each.is_file()) < 200_000
    (home / "shallow.lock").touch()
    second = repository.commit({"base.yaml": BASE.replace(b"10", b"11")})
    loaded = load(path)
    assert (trials(loaded), loaded.parents[0].revision) == (11, second)


@pytest.mark.parametrize(
    ("path", "revision", "said"),
    [
        ("none.yaml", "", "has no file none.yaml at commit"),
        ("base.yaml", "v9", "has no revision 'v9'"),
        ("base.yaml", "f" * 40, "f" * 40),
        ("text", "", "is a folder, not a recipe"),
        ("../x.yaml", "", "is no file of the repository"),
        ("base.yaml", "--upload-pack=touch", "is no revision"),
        ("large.yaml", "", "a recipe may have 1,000,000"),
    ],
)
def test_what_a_git_repository_does_not_have_is_named_at_its_place(
    repository: Repository, write: Write, path: str, revision: str, said: str
) -> None:
    files = {"base.yaml": BASE, "text/x.yaml": BASE, "large.yaml": b"#" * 1_000_001}
    repository.commit(files)
    with pytest.raises(RecipeError) as caught:
        load(write(CHILD.format(f"'{repository.url(path, revision)}'")))
    assert said in str(caught.value)
    assert "recipe.yaml:2:10" in str(caught.value)


def test_a_repository_that_is_not_there_is_an_error(tmp_path: Path, write: Write) -> None:
    text = refusal(write(CHILD.format(f"git+file://{tmp_path}/none.git#a.yaml")))
    assert "cannot be fetched" in text
    assert "hint: check the address" in text


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("git+http://host/x.git#a.yaml", "is not a way to fetch a recipe"),
        ("git+ext::sh -c touch% x#a.yaml", "is not a way to fetch a recipe"),
        ("git+ssh://-oProxyCommand=x/y.git#a.yaml", "names no git repository"),
        ("git+https://user:secret@host/x.git#a.yaml", "is in the recipe, which is shared"),
        ("git+https://host/x.git", "names no file"),
        ("git+file://host/x.git#a.yaml", "names no git repository"),
        ("git+https://host/x.git@-x#a.yaml", "is no revision"),
        ("git+https://host/x.git#-x", "is no file of the repository"),
    ],
)
def test_addresses_that_could_do_more_than_fetch_are_refused(reference: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said) as caught:
        parse(reference)
    assert "secret" not in str(caught.value)


def test_no_hook_of_a_repository_or_of_the_user_runs(
    repository: Repository, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repository.commit(
        {"base.yaml": BASE, ".gitmodules": b'[submodule "x"]\n\tpath = x\n\turl = y\n'}
    )
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("reference-transaction", "post-checkout", "pre-auto-gc"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (hooks / name).chmod(0o755)
    (tmp_path / "gitconfig").write_text(f"[core]\n\thooksPath = {hooks}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    load(write(CHILD.format(repository.url("base.yaml"))))
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"checks: ['${env:HOME}']", "cannot read this machine's environment"),
        (b"data: {train: 'https://x/${env:TOKEN:-a}'}", "cannot read this machine's environment"),
        (b"models: [{id: a/b, trust_remote_code: true}]", "cannot say trust_remote_code"),
        (b"extends: git+file:///etc#x.yaml", "cannot extend one of this machine"),
    ],
)
def test_a_parent_from_elsewhere_gets_neither_secrets_nor_trust(
    hub: HubServer, write: Write, line: bytes, said: str
) -> None:
    sha = hub.add_model("acme/recipes", {"base.yaml": line + b"\n"})
    text = refusal(write(CHILD.format("hub:acme/recipes/base.yaml")))
    assert said in text
    assert f"hub:acme/recipes/base.yaml@{sha[:7]}:1:" in text


def test_paths_of_a_parent_from_elsewhere_start_from_the_recipe(
    hub: HubServer, write: Write
) -> None:
    """A local parent's paths start from its own folder; this one has none on this machine."""
    models = b"models: [{path: ./models/x}]\n"
    hub.add_model("acme/recipes", {"base.yaml": BASE.replace(b"models: [acme/encoder]\n", models)})
    write("extends: hub:acme/recipes/base.yaml\n", "team/middle.yaml")
    loaded = load(write("name: child\nextends: ../team/middle.yaml\n", "mine/recipe.yaml"))
    assert loaded.recipe.data.train == "rows.csv"
    assert loaded.recipe.models[0].path == "./models/x"  # type: ignore[union-attr]


def test_git_over_ssh_asks_nobody_and_uses_the_user_s_own_program(
    repository: Repository, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The stand-in for ssh notes its arguments and runs the last one here."""
    ssh = tmp_path / "ssh"
    ssh.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\nfor last; do :; done\nexec sh -c "$last"\n'
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    monkeypatch.setenv("GIT_SSH_VARIANT", "simple")
    sha = repository.commit({"text/base.yaml": BASE})
    reference = f"git+ssh://git@example.com{repository.root}@main#text/base.yaml"
    loaded = load(write(CHILD.format(reference)))
    assert loaded.parents == (Parent(reference, sha),)
    assert "git@example.com git-upload-pack" in (tmp_path / "asked").read_text()
