"""A bundle from the hub: whole and verified, or nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from automl.errors import InputError
from automl.serving.predict import Predictor, find_bundle
from automl.serving.pull import pull
from tests import commands, hub_server
from tests.hub_server import HubServer, hub

__all__ = ["hub"]


def contents(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def held(hub: HubServer, bundle: Path) -> str:
    """The commit at which the hub holds the bundle."""
    return hub.add_model("acme/tickets", {**contents(bundle), ".gitattributes": b"*"})


def test_what_was_pulled_is_what_was_pushed_and_predicts(hub, held, bundle, tmp_path) -> None:
    found = pull("acme/tickets", tmp_path / "here")
    assert contents(found.folder) == contents(bundle)
    assert (found.commit, found.folder) == (held, tmp_path / "here")
    assert Predictor(found.folder, "cpu").predict(["where is my parcel?"])
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_revision_is_followed_and_a_bundle_replaced(hub, held, bundle, tmp_path) -> None:
    old = {**contents(bundle), "README.md": b"older"}
    hub.add_model("acme/tickets", old, branch="v1")
    pull("acme/tickets@v1", tmp_path / "here")
    assert (tmp_path / "here" / "README.md").read_bytes() == b"older"
    pull(f"acme/tickets@{held}", tmp_path / "here")
    assert contents(tmp_path / "here") == contents(bundle)


def test_a_download_that_breaks_off_goes_on_where_it_stopped(
    hub, held, bundle, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    hub.cuts = {"model.safetensors": 5000}
    found = pull("acme/tickets", tmp_path / "here")
    assert contents(found.folder) == contents(bundle)
    ranges = [
        sent["range"]
        for (_, path), sent in zip(hub.requests, hub.headers, strict=True)
        if path.endswith("model.safetensors") and "range" in sent
    ]
    assert ranges == ["bytes=5000-"]


def test_a_hub_that_limits_requests_is_waited_for(hub, held, tmp_path, monkeypatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("automl.patience.time.sleep", waits.append)
    limit = {"RateLimit": '"api";r=0;t=55'}
    hub.answers += [("/api/models/acme", 429, {"Retry-After": "2"}), ("/tree/", 429, limit)]
    pull("acme/tickets", tmp_path / "here")
    assert {3.0, 56.0} <= set(waits)
    hub.answers += [("/api/models/acme", 429, {"Retry-After": "2"})] * 99
    with pytest.raises(InputError, match=r"too many requests \(429\)(.|\n)*hf auth login"):
        pull("acme/tickets", tmp_path / "there")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("acme/none", "acme/none is not on the hub, or is private"),
        ("acme/tickets@v9", "acme/tickets has no revision 'v9'"),
        ("tickets", "'tickets' is no hub id"),
        ("acme/plain", "acme/plain is not a bundle: it holds no automl.json"),
    ],
)
def test_what_is_no_bundle_leaves_nothing_behind(hub, held, tmp_path, reference, said) -> None:
    hub.add_model("acme/plain", {"config.json": b"{}"})
    with pytest.raises(InputError, match=said):
        pull(reference, tmp_path / "sub" / "here")
    assert not (tmp_path / "sub").exists()


def test_a_gated_bundle_says_how_to_get_in(hub, held, tmp_path, monkeypatch) -> None:
    hub.gated.add("acme/tickets")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match="hf auth login"):
        pull("acme/tickets", tmp_path / "here")


def test_other_content_is_not_overwritten(hub, held, tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not a bundle; it is not overwritten"):
        pull("acme/tickets", tmp_path)


def test_damage_on_the_way_is_noticed_and_the_old_bundle_stays(
    hub, held, bundle, tmp_path, monkeypatch
) -> None:
    """The listing has the hash of what was committed; what is sent is something else."""
    here = Path(shutil.copytree(bundle, tmp_path / "here"))
    files = hub.repositories[("models", "acme/tickets")].commits[held]
    listed, tree = files["recipe.lock"], hub_server._tree
    monkeypatch.setattr(
        hub_server, "_tree", lambda given, *rest: tree({**given, "recipe.lock": listed}, *rest)
    )
    files["recipe.lock"] = b"?" * len(listed)
    with pytest.raises(InputError, match=r"recipe.lock of acme/tickets is damaged"):
        pull("acme/tickets", here)
    assert contents(here) == contents(bundle)


def test_a_hub_id_where_a_folder_is_wanted_hints_at_pull(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="automl pull acme/tickets"):
        find_bundle(Path("acme/tickets"))


def test_the_commands_push_and_pull(hub, bundle, tmp_path) -> None:
    tried = commands.automl("push", str(bundle), "acme/new", "--dry-run", cwd=tmp_path)
    assert tried.returncode == 0, tried.stderr
    assert "repository: would be created, private" in tried.stdout
    assert "card: valid" in tried.stdout
    assert hub.repositories == {}
    pushed = commands.automl("push", str(bundle), "acme/new", "--public", cwd=tmp_path)
    assert pushed.stdout == f"uploaded: {hub.url}/acme/new\n"
    pulled = commands.automl("pull", "acme/new", cwd=tmp_path)
    assert pulled.stdout.startswith(f"{tmp_path / 'new'}: support-tickets, text-classification")
    nowhere = commands.automl("push", str(bundle), cwd=tmp_path)
    assert (nowhere.returncode, "owner/name" in nowhere.stderr) == (2, True)
