"""What becomes of candidates that take the worker down, and of answers that were remembered."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from automl import cache, catalog, documents
from automl.catalog import folder
from automl.compiler import inspection
from automl.compiler.inspection import Question, inspect
from automl.errors import JobFailed
from automl.jobs import Inspection, InspectResult
from tests.compiler.conftest import TINY

SAMPLE = ({"text": "the order is late", "label": "a"}, {"text": "thank you", "label": "b"})
QUESTION = Question("text-classification", ("a", "b"), SAMPLE, None, {"torch": "1"})
DEADLY = "import os\n\nos._exit(9)\n"


def model(root: Path, trust: bool = False) -> catalog.ResolvedModel:
    return folder.fetch(
        folder.describe(
            root, source="folder", reference=root.name, revision=None, trust_remote_code=trust
        )
    )


def deadly(tmp_path: Path) -> catalog.ResolvedModel:
    """A model whose own code ends the process that loads it."""
    root = Path(shutil.copytree(TINY, tmp_path / "deadly"))
    config = json.loads((root / "config.json").read_text())
    config |= {"model_type": "deadly", "auto_map": {"AutoConfig": "code.Config"}}
    (root / "config.json").write_text(json.dumps(config))
    (root / "code.py").write_text(DEADLY)
    return model(root, trust=True)


@pytest.fixture(autouse=True)
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


def remember(question: Question, resolved: catalog.ResolvedModel, answer: bytes) -> None:
    cache.remember(inspection.KIND, inspection.key(question, resolved), answer)


def test_a_remembered_answer_is_given_under_todays_id(tmp_path: Path) -> None:
    resolved = model(TINY)
    answer = Inspection("old-name", None, parameters=5, max_length=8)
    remember(QUESTION, resolved, documents.to_json(InspectResult((answer,))))
    found = inspect(QUESTION, {"new-name": resolved}, tmp_path / "inspect")
    assert found == {"new-name": replace(answer, id="new-name")}
    assert not (tmp_path / "inspect").exists()


@pytest.mark.slow
def test_another_question_or_a_damaged_memory_is_asked_anew(tmp_path: Path) -> None:
    resolved = model(TINY)
    remember(replace(QUESTION, max_length=9), resolved, b"of another question")
    remember(QUESTION, resolved, b"{damaged")
    found = inspect(QUESTION, {"tiny": resolved}, tmp_path / "inspect")
    assert found["tiny"].refused is None
    assert (tmp_path / "inspect" / "log.txt").exists()
    shutil.rmtree(tmp_path / "inspect")
    assert inspect(QUESTION, {"tiny": resolved}, tmp_path / "inspect") == found


@pytest.mark.slow
def test_a_candidate_that_ends_the_worker_is_refused_alone_and_not_for_ever(tmp_path: Path) -> None:
    models = {"tiny": model(TINY), "deadly": deadly(tmp_path)}
    found = inspect(QUESTION, models, tmp_path / "inspect")
    assert found["tiny"].refused is None
    assert "loading it ended the process" in (found["deadly"].refused or "")
    assert len(list((tmp_path / "cache" / "automl" / "inspections").iterdir())) == 1


@pytest.mark.slow
def test_an_only_candidate_that_ends_the_worker_fails_the_job(tmp_path: Path) -> None:
    with pytest.raises(JobFailed):
        inspect(QUESTION, {"deadly": deadly(tmp_path)}, tmp_path / "inspect")
