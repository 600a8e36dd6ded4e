"""The loopback hub answers real clients as the hub does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hub_server import HubServer


def test_snapshot_download_gives_the_served_files_at_their_commit(hub: HubServer) -> None:
    from huggingface_hub import snapshot_download

    sha = hub.add_model("acme/tiny", {"config.json": b"{}", "sub/a.txt": b"a"})
    folder = Path(snapshot_download("acme/tiny"))
    assert folder.name == sha
    assert (folder / "sub" / "a.txt").read_bytes() == b"a"


def test_uploaded_folder_can_be_read_back(hub: HubServer, tmp_path: Path) -> None:
    from huggingface_hub import HfApi

    (tmp_path / "out" / "plots").mkdir(parents=True)
    (tmp_path / "out" / "README.md").write_text("---\nlicense: mit\n---\n# Card\n")
    (tmp_path / "out" / "plots" / "a.png").write_bytes(b"\x89PNG\r\n")
    api = HfApi()
    api.create_repo("acme/new", private=True, exist_ok=True)
    api.create_repo("acme/new", private=True, exist_ok=True)
    done = api.upload_folder(repo_id="acme/new", folder_path=tmp_path / "out")
    assert hub.files("acme/new")["plots/a.png"] == b"\x89PNG\r\n"
    info = api.model_info("acme/new", revision=done.oid)
    assert info.sha == done.oid
    assert info.private is True
    assert info.card_data.license == "mit"
    assert {s.rfilename for s in info.siblings} == {".gitattributes", "README.md", "plots/a.png"}


def test_unknown_repository_revision_and_file_raise_the_clients_own_errors(hub: HubServer) -> None:
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    hub.add_model("acme/tiny", {"config.json": b"{}"})
    hub.add_model("acme/shut", {"config.json": b"{}"})
    hub.gated.add("acme/shut")
    with pytest.raises(RepositoryNotFoundError):
        HfApi().model_info("acme/none")
    with pytest.raises(RevisionNotFoundError):
        HfApi().model_info("acme/tiny", revision="v9")
    with pytest.raises(EntryNotFoundError):
        hf_hub_download("acme/tiny", "none.json")
    with pytest.raises(GatedRepoError):
        HfApi(token=False).model_info("acme/shut")


def test_listing_searches_sorts_and_pages(hub: HubServer) -> None:
    from huggingface_hub import HfApi

    hub.page_size = 2
    for number in range(5):
        hub.add_model(f"acme/bert-{number}", {"config.json": b"{}"}, downloads=number)
    hub.add_model("acme/other", {"config.json": b"{}"})
    found = list(HfApi().list_models(search="bert", sort="downloads"))
    assert [entry.id for entry in found] == [f"acme/bert-{n}" for n in (4, 3, 2, 1, 0)]


def test_tree_lists_files_and_folders(hub: HubServer) -> None:
    from huggingface_hub import HfApi

    hub.add_dataset("acme/rows", {"a/b/c.csv": b"x", "top.csv": b"yy"})
    flat = [e.path for e in HfApi().list_repo_tree("acme/rows", repo_type="dataset")]
    deep = [
        e.path for e in HfApi().list_repo_tree("acme/rows", repo_type="dataset", recursive=True)
    ]
    assert flat == ["a", "top.csv"]
    assert deep == ["a", "a/b", "a/b/c.csv", "top.csv"]


@pytest.mark.slow
def test_load_dataset_in_another_process_reads_from_it(hub: HubServer) -> None:
    hub.add_dataset("acme/rows", {"train.csv": b"text,label\nhi,a\nho,b\n"})
    code = "import datasets; print(datasets.load_dataset('acme/rows', split='train')['text'][:])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ.copy(), capture_output=True, text=True
    )
    assert done.stdout.strip() == "['hi', 'ho']", done.stderr
