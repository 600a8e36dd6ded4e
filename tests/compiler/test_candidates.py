"""Which methods a candidate is given, by what fits into the memory and what has room in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from automl.catalog import ResolvedModel
from automl.compiler.candidates import Terms, candidate
from automl.jobs import Inspection
from automl.plan import Candidate, Refusal
from automl.tasks import CLASSIFIER

CONFIG = {
    "model_type": "bert", "hidden_size": 768, "num_hidden_layers": 12, "intermediate_size": 3072,
    "num_attention_heads": 12, "hidden_dropout_prob": 0.1,
}  # fmt: skip
WEIGHTS = 110_000_000
GB = 10**9
ROOM = {"all-linear": 12 * (4 * 2 * 768 + 2 * (768 + 3072)), "attention": 12 * 4 * 2 * 768}


def found(
    memory: int, wishes: dict[str, Any] | None = None, room: dict[str, int] = ROOM
) -> Candidate | Refusal:
    model = ResolvedModel(
        "folder", "./base", None, Path("base"), (), CONFIG, (), None, (), 0, 0, False
    )
    inspection = Inspection("base", None, WEIGHTS, 32, None, room, 600_000)
    terms = Terms((), 10_000, wishes or {}, memory, CLASSIFIER)
    return candidate("base", model, inspection, terms)


def methods(made: Candidate | Refusal) -> tuple[object, ...]:
    assert isinstance(made, Candidate), made
    return next(each.choices for each in made.space if each.name == "method")


def test_a_model_that_fits_whole_is_trained_whole() -> None:
    assert methods(found(16 * GB)) == ("full", "probe")


def test_adapters_take_the_place_of_full_training_that_does_not_fit() -> None:
    made = found(2 * GB)
    assert methods(made) == ("lora", "probe")
    assert isinstance(made, Candidate)
    assert made.fit.memory_bytes <= 2 * GB
    assert made.portfolio[0]["method"] == "lora"
    assert made.portfolio[0]["learning_rate"] == 2e-4


def test_what_the_recipe_asks_for_is_not_replaced() -> None:
    refused = found(2 * GB, {"method": ["full", "lora"]})
    assert isinstance(refused, Refusal)
    assert "it does not fit" in refused.reason
    assert methods(found(2 * GB, {"method": "lora"})) == ("lora",)


def test_where_nothing_fits_the_refusal_is_that_of_full_training() -> None:
    refused = found(GB // 2)
    assert isinstance(refused, Refusal)
    assert "one text at a time is too much" in refused.reason


@pytest.mark.parametrize("wish", ["lora", ["lora", "qlora"]])
def test_a_model_without_room_for_adapters_that_are_asked_for_is_refused(wish: Any) -> None:
    refused = found(16 * GB, {"method": wish}, {})
    assert isinstance(refused, Refusal)
    assert "adapters can't be put into it" in refused.reason
    assert methods(found(16 * GB, {"method": ["full", "lora"]}, {})) == ("full",)


def test_a_model_that_can_not_leave_as_is_asked_is_refused_with_the_reason() -> None:
    model = ResolvedModel(
        "folder", "./base", None, Path("base"), (), CONFIG, (), None, (), 0, 0, False
    )
    inspection = Inspection("base", None, WEIGHTS, 32, no_graphs="the exporter fails on it: no")
    terms = Terms((), 10_000, {}, 16 * GB, CLASSIFIER)
    assert isinstance(candidate("base", model, inspection, terms), Candidate)
    asked = Terms((), 10_000, {}, 16 * GB, CLASSIFIER, graphs="onnx")
    refused = candidate("base", model, inspection, asked)
    assert refused == Refusal(
        "./base", "export.formats asks for onnx, and the exporter fails on it: no"
    )
