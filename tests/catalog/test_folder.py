from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from automl import catalog
from automl.errors import CandidateError


def test_a_folder_becomes_a_model_with_hashed_files(recipe, tiny: Path) -> None:
    loaded = recipe("{path: tiny}")
    model = catalog.fetch(loaded, 0, catalog.find(loaded, 0))
    assert (model.source, model.reference, model.revision) == ("folder", "tiny", None)
    assert model.path == tiny
    assert [each.path for each in model.files] == [
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    for each in model.files:
        data = (tiny / each.path).read_bytes()
        assert (each.sha256, each.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert model.weights_bytes == (tiny / "model.safetensors").stat().st_size
    assert model.download_bytes == 0
    assert model.config["model_type"] == "bert"


def test_files_that_decide_nothing_are_not_hashed(recipe, tiny: Path) -> None:
    loaded = recipe("{path: tiny}")
    before = catalog.fetch(loaded, 0, catalog.find(loaded, 0)).files
    (tiny / "README.md").write_text("# Other words\n")
    (tiny / "training_args.bin").write_bytes(b"pickle")
    assert catalog.fetch(loaded, 0, catalog.find(loaded, 0)).files == before


def test_licence_and_language_come_from_the_readme(recipe, tiny: Path) -> None:
    (tiny / "README.md").write_text("---\nlicense: mit\nlanguage: [en, no]\n---\n# Tiny\n")
    found = catalog.find(recipe("{path: tiny}"), 0)
    assert (found.license, found.language) == ("mit", ("en", "no"))


def test_a_path_from_the_environment_is_kept_unfilled(
    recipe, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_MODEL", str(tiny))
    found = catalog.find(recipe("{path: '${env:TINY_MODEL}'}"), 0)
    assert (found.reference, found.root) == ("${env:TINY_MODEL}", tiny)


def test_a_missing_folder_is_an_error_at_its_place(recipe) -> None:
    with pytest.raises(CandidateError) as caught:
        catalog.find(recipe("{path: nowhere}"), 0)
    (problem,) = caught.value.problems
    assert problem.message == "the model folder nowhere does not exist"
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == (6, 12)


def test_sharded_weights_are_all_hashed(recipe, tiny: Path) -> None:
    (tiny / "model.safetensors").rename(tiny / "model-00001-of-00001.safetensors")
    index = '{"weight_map": {"a": "model-00001-of-00001.safetensors"}}'
    (tiny / "model.safetensors.index.json").write_text(index)
    loaded = recipe("{path: tiny}")
    model = catalog.fetch(loaded, 0, catalog.find(loaded, 0))
    assert model.weights == ("model-00001-of-00001.safetensors",)
    assert {"model-00001-of-00001.safetensors", "model.safetensors.index.json"} <= {
        each.path for each in model.files
    }


def test_a_config_of_a_symlinked_folder_is_read(recipe, tiny: Path, tmp_path: Path) -> None:
    os.symlink(tiny, tmp_path / "link")
    assert catalog.find(recipe("{path: link}"), 0).reference == "link"
