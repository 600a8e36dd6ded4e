"""A task that writes, from recipe to predictions, as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.run.conftest import Automl
from tests.tasks.tiny_seq2seq import tiny_t5

pytestmark = pytest.mark.slow
RECIPE = """\
recipe: 1
name: houses
task: translation
data: {train: houses.jsonl, validation: 0.2, test: 0.2}
models: [{path: t5}]
search:
  strategy: none
  space: {epochs: 2, batch_size: 16, learning_rate: 1e-2}
budget: {trials: 1}
experience: false
devices: {threads: 1, precision: fp32}
"""


def test_from_two_languages_to_a_bundle_that_translates(automl: Automl, project: Path) -> None:
    rows = [{"translation": {"en": f"the house {n}", "de": f"das Haus {n}"}} for n in range(100)]
    (project / "houses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (project / "houses.yaml").write_text(RECIPE)
    tiny_t5(project / "t5")
    done = automl("run", "houses.yaml")
    assert done.returncode == 0, done.stderr
    assert "chrf" in done.stdout
    card = (project / "runs" / "houses" / "bundle" / "README.md").read_text()
    assert "Each text follows the prompt 'translate English to German: '." in card
    assert "tok:13a" in card
    assert "classes" not in card.split("## How to use it")[0]
    (project / "asked.csv").write_text("id,text\n7,the house 7\n8,the house 8\n9,\n")
    answered = automl("predict", "runs/houses/bundle", "asked.csv")
    assert answered.returncode == 0, answered.stderr
    found = [json.loads(line) for line in answered.stdout.splitlines()]
    assert [row["id"] for row in found] == ["7", "8", "9"]
    assert found[0]["translation_text"]
    assert found[2]["translation_text"] is None
