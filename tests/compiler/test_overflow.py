"""What did not fit holds for what needs as much or more, and for nothing that needs less."""

from __future__ import annotations

from dataclasses import replace

import pytest

from automl import documents
from automl.compiler.overflow import Overflow, Variant, variant
from automl.compiler.timing import Setting
from automl.jobs import BatchCost
from automl.plan import Configuration, Parameter
from tests import factories

FULL = Variant(device_bytes=10, precision="fp32")
SETTING = Setting(1, "fp32", (BatchCost(8, 0.1, 100, 5), BatchCost(16, 0.2, 200, 5)))


@pytest.mark.parametrize(
    "lighter",
    [
        {"method": "lora"},
        {"method": "probe"},
        {"layers": 0.5},
        {"frozen": True},
        {"device_bytes": 20},
        {"precision": "bf16"},
        {"method": "something else"},
    ],
)
def test_a_variant_that_may_need_less_is_not_limited(lighter):
    other = replace(FULL, **lighter)
    learnt = SETTING.overflowing(16, FULL)
    assert learnt.of(FULL).micro_batch(16) == 8
    assert learnt.of(other).micro_batch(16) is None


@pytest.mark.parametrize(
    "heavier", [{"method": "full"}, {"layers": 1.0}, {"frozen": False}, {"device_bytes": 5}]
)
def test_a_variant_that_needs_more_is_limited_too(heavier):
    light = Variant("lora", 0.5, True, 10, "fp32")
    assert SETTING.overflowing(16, light).of(replace(light, **heavier)).micro_batch(16) == 8


def test_one_row_that_was_too_many_rules_out_what_needs_as_much():
    learnt = SETTING.overflowing(4, FULL).overflowing(1, FULL)
    assert learnt.overflows == (Overflow(1, FULL),)
    assert not learnt.can_hold(FULL)
    assert learnt.can_hold(replace(FULL, method="lora"))
    assert learnt.can_hold(replace(FULL, device_bytes=11))


def test_fewer_layers_take_more_rows_than_were_measured_to_fit():
    full = replace(SETTING, batches=(*SETTING.batches, BatchCost(32, None, 400, 0)))
    assert full.of(FULL).micro_batch(32) == 16
    assert full.of(replace(FULL, layers=0.5)).micro_batch(32) is None
    assert full.of(replace(FULL, layers=0.75)).micro_batch(32) == 16


def test_the_variant_is_read_off_the_configuration():
    layers = Parameter("keep_layers", "choice", 6, choices=(6, 4, 3))
    candidate = factories.candidate(space=(*factories.candidate().space, layers))
    values = {"method": "lora", "keep_layers": 3, "freeze_embeddings": True}
    assert variant(candidate, Configuration("small", values), 7, "bf16") == Variant(
        "lora", 0.5, True, 7, "bf16"
    )
    assert variant(candidate, Configuration("small", {}), 0, "fp32") == Variant(precision="fp32")


def test_what_was_learnt_is_kept_and_settings_of_before_still_load():
    learnt = SETTING.overflowing(4, FULL)
    assert documents.from_json(Setting, documents.to_json(learnt)) == learnt
    before = documents.to_line(SETTING).replace(', "overflows": []', "")
    assert "overflows" not in before
    assert documents.from_json(Setting, before) == SETTING
