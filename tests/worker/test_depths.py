"""Learning rates by depth: which parameters belong to which layer, family by family."""

from __future__ import annotations

import pytest

from automl.tasks._layers import READING
from automl.tasks._pooling import _FAMILIES, added_layers
from automl.tasks.text_classification import TASK
from automl.worker.depths import factors
from tests.tasks.test_layers import LABELS, TINY_BERT, families, save


def build(family, folder, **chosen):
    return TASK.build(save(family, folder / "model"), LABELS, chosen, False)


@pytest.mark.parametrize("family", families(READING))
def test_every_layer_learns_more_slowly_than_the_one_above(family, tmp_path):
    model = build(family, tmp_path)
    found = factors(model, 0.5)
    assert set(found) == {name for name, _ in model.named_parameters()}
    assert sorted(set(found.values())) == [0.0625, 0.125, 0.25, 0.5, 1.0]
    words = model.get_input_embeddings().weight
    by_name = dict(model.named_parameters())
    assert [found[name] for name, each in by_name.items() if each is words] == [0.0625]
    for depth, share in enumerate((0.125, 0.25, 0.5)):
        inside = {found[name] for name in found if f".{depth}." in name}
        assert inside == {share}


@pytest.mark.parametrize("family", families(_FAMILIES))
def test_a_layer_that_only_pools_learns_as_the_head_does(family, tmp_path):
    model = build(family, tmp_path, pooling="mean")
    found = factors(model, 0.5, added_layers(model.config.to_dict(), "mean"))
    layers = _FAMILIES[family].layers
    assert {found[name] for name in found if name.startswith(f"{layers}.3.")} == {1.0}
    assert {found[name] for name in found if name.startswith(f"{layers}.2.")} == {0.5}
    assert min(found.values()) == 0.0625
    assert found[f"{_FAMILIES[family].head}.weight"] == 1.0


def test_pooler_and_classifier_are_the_head():
    found = factors(TASK.build(str(TINY_BERT), LABELS, {}, False), 0.5)
    head = [name for name, factor in found.items() if factor == 1.0]
    assert head == [
        "bert.pooler.dense.weight",
        "bert.pooler.dense.bias",
        "classifier.weight",
        "classifier.bias",
    ]


def test_layers_that_cannot_be_found_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="layers of AlbertForSequenceClassification can't be told"):
        factors(build("albert", tmp_path), 0.5)
