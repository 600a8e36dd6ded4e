"""What checks read comes along: files of words, earlier bundles."""

from __future__ import annotations

from pathlib import Path

from automl import documents
from automl.bundle import INFO, BundleInfo
from automl.inputs import asked
from automl.recipe.load import load
from tests.tasks import bundles

RECIPE = """\
recipe: 1
name: t
task: text-classification
models: [acme/x]
data: {{train: rows.csv}}
checks:
  - accuracy >= 0.5
  - invariance[synonyms={words}] >= 0.9
  - {{not_worse_than: {bundle}, by: 0.01}}
"""


def test_files_of_words_and_earlier_bundles_come_along(tmp_path: Path) -> None:
    bundle = bundles.write("text-classification", tmp_path / "made", ("a", "b"), {"text": "text"})
    (tmp_path / "here").mkdir()
    (tmp_path / "words.txt").write_text("film, movie\n")
    (tmp_path / "v1").symlink_to(bundle)
    recipe = tmp_path / "here" / "recipe.yaml"
    recipe.write_text(RECIPE.format(words=tmp_path / "words.txt", bundle=tmp_path / "v1"))
    loaded = load(recipe)
    found = asked.files(loaded)
    assert {tmp_path / "words.txt", tmp_path / "v1" / INFO} <= found
    assert tmp_path / "v1" / "model.safetensors" in found
    assert asked.rewritten(loaded) == [
        "accuracy >= 0.5",
        "invariance[synonyms=../words.txt] >= 0.9",
        {"not_worse_than": "../v1", "by": 0.01},
    ]
    assert documents.read(BundleInfo, bundle / INFO).adapter is False
    assert list(asked.base_models(loaded)) == []
