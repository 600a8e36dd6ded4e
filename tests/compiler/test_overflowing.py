"""Which candidates are refused for the number format that the recipe asks for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from automl.catalog import folder
from automl.compiler.candidates import Terms, candidate
from automl.jobs import Inspection
from automl.plan import Refusal
from tests.compiler.conftest import TINY


@pytest.mark.parametrize(("family", "refused"), [("t5", True), ("mt5", True), ("bert", False)])
def test_a_family_that_overflows_in_fp16_is_refused_there(
    tmp_path: Path, family: str, refused: bool
) -> None:
    root = Path(shutil.copytree(TINY, tmp_path / family))
    config = json.loads((root / "config.json").read_text()) | {"model_type": family}
    (root / "config.json").write_text(json.dumps(config))
    found = folder.describe(
        root, source="folder", reference=family, revision=None, trust_remote_code=False
    )
    said = Inspection(family, None, 33_000, 32, notes=("targets cut at 8 tokens",))
    for precision in ("fp16", "bf16"):
        terms = Terms((), 100, {}, 8_000_000_000, frozenset(), precision)
        answer = candidate(family, folder.fetch(found), said, terms)
        if refused and precision == "fp16":
            assert isinstance(answer, Refusal)
            assert answer.reason == f"a {family} overflows in fp16: write precision: bf16"
        else:
            assert not isinstance(answer, Refusal)
            assert answer.notes == said.notes
