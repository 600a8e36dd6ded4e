from __future__ import annotations

import json
from pathlib import Path

import pytest

from automl import catalog
from automl.catalog.objections import damage


def change_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def objection(recipe, text: str = "{path: tiny}") -> str | None:
    return catalog.objection(catalog.find(recipe(text), 0))


def test_a_whole_model_meets_no_objection(recipe, tiny: Path) -> None:
    assert objection(recipe) is None


def test_pickled_weights_are_refused_with_the_way_to_convert_them(recipe, tiny: Path) -> None:
    (tiny / "model.safetensors").rename(tiny / "pytorch_model.bin")
    reason = objection(recipe)
    assert reason is not None
    assert "only pickled weights (pytorch_model.bin)" in reason
    assert "save_pretrained" in reason


def test_weights_under_another_name_are_named(recipe, tiny: Path) -> None:
    (tiny / "model.safetensors").rename(tiny / "diffusion.safetensors")
    assert objection(recipe) == "it has diffusion.safetensors but no model.safetensors"


def test_a_missing_shard_is_refused(recipe, tiny: Path) -> None:
    (tiny / "model.safetensors").unlink()
    index = '{"weight_map": {"a": "model-00001-of-00002.safetensors"}}'
    (tiny / "model.safetensors.index.json").write_text(index)
    assert "names shards that are not there" in (objection(recipe) or "")


def test_an_index_cannot_point_outside_its_folder(recipe, tiny: Path, tmp_path: Path) -> None:
    (tiny / "model.safetensors").rename(tmp_path / "outside.safetensors")
    index = '{"weight_map": {"a": "../outside.safetensors"}}'
    (tiny / "model.safetensors.index.json").write_text(index)
    assert objection(recipe) is not None


def test_remote_code_is_refused_unless_trusted_by_name(recipe, tiny: Path) -> None:
    change_config(tiny, auto_map={"AutoModel": "modeling.Tiny"})
    reason = objection(recipe)
    assert reason is not None
    assert "{path: tiny, trust_remote_code: true}" in reason
    assert objection(recipe, "{path: tiny, trust_remote_code: true}") is None


def test_a_tokenizer_with_remote_code_is_refused_too(recipe, tiny: Path) -> None:
    text = json.loads((tiny / "tokenizer_config.json").read_text())
    text["auto_map"] = {"AutoTokenizer": ["tokenizer.Tiny", None]}
    (tiny / "tokenizer_config.json").write_text(json.dumps(text))
    assert "auto_map" in (objection(recipe) or "")


def test_trusted_code_is_part_of_what_is_pinned(recipe, tiny: Path) -> None:
    change_config(tiny, auto_map={"AutoModel": "modeling.Tiny"})
    (tiny / "modeling.py").write_text("class Tiny: ...\n")
    loaded = recipe("{path: tiny, trust_remote_code: true}")
    model = catalog.fetch(loaded, 0, catalog.find(loaded, 0))
    assert "modeling.py" in {each.path for each in model.files}


def test_an_adapter_is_not_a_model(recipe, tiny: Path) -> None:
    (tiny / "config.json").rename(tiny / "adapter_config.json")
    assert "PEFT adapter" in (objection(recipe) or "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [("[]", "not a JSON object"), ("{", "not a JSON object"), ('{"a": 1}', "no model_type")],
)
def test_a_damaged_config_is_refused(recipe, tiny: Path, content: str, reason: str) -> None:
    (tiny / "config.json").write_text(content)
    assert reason in (objection(recipe) or "")


def damage_of(recipe) -> str | None:
    loaded = recipe("{path: tiny}")
    return damage(catalog.fetch(loaded, 0, catalog.find(loaded, 0)))


def test_whole_weights_show_no_damage(recipe, tiny: Path) -> None:
    assert damage_of(recipe) is None


def test_weights_cut_short_are_noticed(recipe, tiny: Path) -> None:
    weights = tiny / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    found = damage_of(recipe)
    assert found == "model.safetensors has 134,423 bytes where its header says 134,424"


def test_a_corrupt_header_is_noticed(recipe, tiny: Path) -> None:
    weights = tiny / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[8:20] = b"\0" * 12
    weights.write_bytes(data)
    assert damage_of(recipe) == "model.safetensors has a damaged safetensors header"


@pytest.mark.parametrize("data", [b"", b"abc", b"version https://git-lfs.github.com/spec/v1\n"])
def test_what_is_no_safetensors_file_is_noticed(recipe, tiny: Path, data: bytes) -> None:
    (tiny / "model.safetensors").write_bytes(data)
    assert "no safetensors file or is cut short" in (damage_of(recipe) or "")
