from __future__ import annotations

from dataclasses import replace

import pytest

from automl import catalog, tasks
from automl.catalog import folder
from automl.compiler.heads import families, objection
from tests.compiler.conftest import TINY

TASK = tasks.get("text-classification")
MODEL = folder.describe(
    TINY, source="folder", reference="tiny", revision=None, trust_remote_code=False
)


def with_config(**changes: object) -> catalog.FoundModel:
    return replace(MODEL, config={**MODEL.config, **changes})


def test_families_are_read_from_transformers_without_importing_it() -> None:
    found = families("MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES")
    assert {"bert", "modernbert", "deberta-v2", "llama"} <= found
    assert "vit" not in found


def test_a_mapping_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError):
        families("MODEL_FOR_MIND_READING_MAPPING_NAMES")


def test_a_family_with_the_head_and_a_tokenizer_meets_no_objection() -> None:
    assert objection(MODEL, TASK) is None


def test_a_family_without_the_head_is_refused() -> None:
    reason = objection(with_config(model_type="mobilenet_v1"), TASK)
    assert reason == (
        "transformers has no AutoModelForSequenceClassification for its model_type "
        "'mobilenet_v1', so it cannot do text-classification"
    )


def test_trusted_code_may_bring_the_head() -> None:
    mapped = {"AutoModelForSequenceClassification": "modeling.Mine"}
    model = with_config(model_type="mine", auto_map=mapped)
    assert objection(replace(model, trust_remote_code=True), TASK) is None
    assert objection(model, TASK) is not None


def test_a_model_without_tokenizer_files_is_refused() -> None:
    sizes = {name: size for name, size in MODEL.sizes.items() if name != "tokenizer.json"}
    assert "no tokenizer files" in (objection(replace(MODEL, sizes=sizes), TASK) or "")
    assert objection(replace(MODEL, sizes={**sizes, "spiece.model": 1}), TASK) is None


def test_an_encoder_is_refused_for_going_on_with_texts() -> None:
    task = tasks.get("text-generation")
    reason = objection(with_config(model_type="bert"), task)
    assert reason is not None
    assert "a bert reads a text from both sides" in reason
    for config in ({"is_decoder": True}, {"model_type": "llama"}, {"model_type": "gpt2"}):
        assert objection(with_config(**config), task) is None
