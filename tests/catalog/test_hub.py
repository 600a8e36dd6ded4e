from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from automl import catalog
from automl.errors import CandidateError
from tests.catalog.conftest import TINY
from tests.hub_server import HubServer

FILES = {path.name: path.read_bytes() for path in TINY.iterdir()}
README = b"---\nlicense: mit\nlanguage: en\n---\n# Tiny\n"


def resolve(loaded, pins: dict[str, str] | None = None) -> catalog.ResolvedModel:
    return catalog.fetch(loaded, 0, catalog.find(loaded, 0, pins))


def refusal(loaded) -> CandidateError:
    with pytest.raises(CandidateError) as caught:
        resolve(loaded)
    (problem,) = caught.value.problems
    assert problem.place is not None
    assert problem.place.line == 6
    assert problem.hint
    return caught.value


def test_a_hub_id_is_pinned_to_its_commit(recipe, hub: HubServer) -> None:
    sha = hub.add_model("acme/tiny", {**FILES, "README.md": README})
    model = resolve(recipe("acme/tiny"))
    assert (model.source, model.reference, model.revision) == ("hub", "acme/tiny", sha)
    assert (model.license, model.language) == ("mit", ("en",))
    assert {each.path: each.sha256 for each in model.files} == {
        name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()
    }
    assert model.download_bytes == sum(map(len, FILES.values()))


def test_only_needed_files_are_downloaded(recipe, hub: HubServer) -> None:
    extra = {"pytorch_model.bin": b"pickle", "onnx/model.onnx": b"onnx", "train.csv": b"a"}
    hub.add_model("acme/tiny", {**FILES, **extra})
    resolve(recipe("acme/tiny"))
    asked = {path for _, path in hub.requests if "/resolve/" in path}
    assert not [path for path in asked if path.endswith((".bin", ".onnx", ".csv"))]


def test_weights_are_not_downloaded_to_find_a_model(recipe, hub: HubServer) -> None:
    hub.add_model("acme/tiny", FILES)
    found = catalog.find(recipe("acme/tiny"), 0)
    assert catalog.objection(found) is None
    assert not [path for _, path in hub.requests if path.endswith(".safetensors")]


def test_pickled_weights_are_refused_without_downloading_them(recipe, hub: HubServer) -> None:
    files = {name: data for name, data in FILES.items() if name != "model.safetensors"}
    hub.add_model("acme/old", {**files, "pytorch_model.bin": b"pickle"})
    found = catalog.find(recipe("acme/old"), 0)
    assert "pytorch_model.bin" in (catalog.objection(found) or "")
    assert not [path for _, path in hub.requests if path.endswith("pytorch_model.bin")]


def test_branch_and_commit_revisions_are_followed(recipe, hub: HubServer) -> None:
    old = hub.add_model("acme/tiny", FILES)
    new = hub.add_model("acme/tiny", {**FILES, "README.md": README}, branch="next")
    assert resolve(recipe("acme/tiny")).revision == old
    assert resolve(recipe("acme/tiny@next")).revision == new
    assert resolve(recipe(f"acme/tiny@{old}")).revision == old
    assert resolve(recipe(f"acme/tiny@{new[:7]}")).revision == new
    assert resolve(recipe("{id: acme/tiny, revision: next}")).revision == new


def test_a_lock_pins_what_the_recipe_leaves_open(recipe, hub: HubServer) -> None:
    old = hub.add_model("acme/tiny", FILES)
    new = hub.add_model("acme/tiny", {**FILES, "README.md": README})
    assert resolve(recipe("acme/tiny"), {"acme/tiny": old}).revision == old
    assert resolve(recipe(f"acme/tiny@{new}"), {"acme/tiny": old}).revision == new


def test_what_was_downloaded_works_offline(
    recipe, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    hub.add_model("acme/tiny", {**FILES, "README.md": README})
    online = resolve(recipe("acme/tiny"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    asked = len(hub.requests)
    assert resolve(recipe("acme/tiny")) == online
    assert len(hub.requests) == asked


def test_what_was_never_downloaded_is_an_error_offline(
    recipe, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    hub.add_model("acme/tiny", FILES)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "cannot be reached" in str(refusal(recipe("acme/tiny")))


def test_a_hub_that_does_not_answer_is_an_error(
    recipe, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "cannot be reached" in str(refusal(recipe("acme/tiny")))


def test_a_model_withdrawn_before_its_weights_came_is_an_error(recipe, hub: HubServer) -> None:
    hub.add_model("acme/tiny", FILES)
    loaded = recipe("acme/tiny")
    found = catalog.find(loaded, 0)
    hub.repositories.clear()
    with pytest.raises(CandidateError, match="acme/tiny is not on the hub"):
        catalog.fetch(loaded, 0, found)


def test_a_repository_that_is_not_there_is_named(recipe, hub: HubServer) -> None:
    assert "acme/none is not on the hub, or is private" in str(refusal(recipe("acme/none")))


@pytest.mark.parametrize("revision", ["nope", "f" * 40])
def test_a_revision_that_is_not_there_is_named(recipe, hub: HubServer, revision: str) -> None:
    hub.add_model("acme/tiny", FILES)
    error = refusal(recipe(f"acme/tiny@{revision}"))
    assert f"acme/tiny has no revision '{revision}'" in str(error)


def test_a_gated_repository_says_how_to_get_in(
    recipe, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_model("acme/tiny", FILES)
    hub.gated.add("acme/tiny")
    monkeypatch.delenv("HF_TOKEN")
    assert "hf auth login" in str(refusal(recipe("acme/tiny")))


def test_damaged_weights_in_the_cache_are_noticed(recipe, hub: HubServer) -> None:
    """The hub's client keeps a large file under its SHA-256, whatever its bytes are."""
    hub.add_model("acme/tiny", FILES)
    weights = resolve(recipe("acme/tiny")).path / "model.safetensors"
    blob = weights.resolve().with_name(hashlib.sha256(weights.read_bytes()).hexdigest())
    blob.write_bytes(weights.read_bytes())
    weights.unlink()
    weights.symlink_to(blob)
    assert resolve(recipe("acme/tiny")).path == weights.parent
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    assert "is damaged" in str(refusal(recipe("acme/tiny")))


def test_trusted_python_comes_along(recipe, hub: HubServer) -> None:
    hub.add_model("acme/tiny", {**FILES, "modeling.py": b"x = 1\n"})
    plain = resolve(recipe("acme/tiny"))
    assert "modeling.py" not in {each.path for each in plain.files}
    trusted = resolve(recipe("{id: acme/tiny, trust_remote_code: true}"))
    assert (trusted.path / "modeling.py").read_text() == "x = 1\n"
    assert "modeling.py" in {each.path for each in trusted.files}


def test_what_is_no_hub_id_is_refused_without_asking(recipe, hub: HubServer) -> None:
    assert "is no hub id" in str(refusal(recipe("bert-base-uncased")))
    assert hub.requests == []


def test_the_folder_can_be_given_to_from_pretrained(recipe, hub: HubServer) -> None:
    hub.add_model("acme/tiny", FILES)
    path: Path = resolve(recipe("acme/tiny")).path
    assert path.is_absolute()
    assert (path / "config.json").exists()
    assert (path / "model.safetensors").exists()


def test_weights_whose_download_breaks_off_go_on_where_they_stopped(
    recipe, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    hub.add_model("acme/tiny", FILES)
    hub.cuts = {"model.safetensors": 7000}
    model = resolve(recipe("acme/tiny"))
    assert (model.path / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    ranges = [sent["range"] for sent in hub.headers if "range" in sent]
    assert ranges == ["bytes=7000-"]


def test_a_hub_that_limits_requests_is_waited_for_and_then_given_up(
    recipe, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("automl.patience.time.sleep", waits.append)
    hub.add_model("acme/tiny", FILES)
    hub.answers += [("/api/models/acme", 429, {"Retry-After": "7"})]
    assert resolve(recipe("acme/tiny")).reference == "acme/tiny"
    assert waits == [8.0]
    hub.answers += [("/api/models/acme", 429, {"Retry-After": "7"})] * 99
    text = str(refusal(recipe("acme/tiny")))
    assert "too many requests (429)" in text
    assert "hf auth login" in text
    hub.answers[:] = [("/api/models/acme", 429, {"Retry-After": "3600"})]
    waits.clear()
    refusal(recipe("acme/tiny"))
    assert waits == [], "an hour is more than is borne"
