"""What was tuned on validation is told by card, config, summary and picture, and applied."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest

from automl.bundle import BundleInfo
from automl.documents import read
from automl.exporters import Delivery, _reliability_plot, _tuned_text
from automl.exporters._assemble import write_bundle
from automl.exporters._style import styled
from automl.exporters.card import EXPORTER
from automl.jobs import Bin, CalibrateResult, Calibration, Reliability, Thresholds
from automl.serving.predict import Predictor
from tests.deliveries import make_delivery, tiny_classifier

PAIR = ("billing", "refund")
BEFORE = Reliability(0.081, (Bin(4, 0.55, 0.5), Bin(40, 0.7, 0.62), Bin(456, 0.97, 0.88)))
AFTER = Reliability(0.024, (Bin(80, 0.68, 0.66), Bin(420, 0.9, 0.91)))
TEXTS = ("I was charged twice", "Where is my parcel?", "the card does not work", "refund, please")


def tuned(
    delivery: Delivery, by_class: Mapping[str, float], *, temperature: float = 1.43
) -> Delivery:
    """The delivery as if it had been calibrated, with thresholds."""
    found = CalibrateResult(
        Calibration(
            temperature,
            (0.41, 0.36),
            (0.079, 0.026),
            "" if temperature != 1 else "validation shows 2 wrong decisions, fewer than 5",
        ),
        Thresholds(by_class, 0.81, 0.86, 0.01, why_not="" if by_class else "no gain"),
        1.0,
    )
    score = replace(
        delivery.score,
        plain={"test": {"accuracy": 0.9, "macro_f1": 0.811}} if by_class else {},
        reliability={"test": AFTER},
        uncalibrated={"test": BEFORE} if temperature != 1 else {},
    )
    return replace(delivery, tuned=found, score=score)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    folder = tmp_path_factory.mktemp("run") / "trials" / "0001" / "best"
    return make_delivery(tiny_classifier(folder, PAIR), labels=PAIR)


@pytest.fixture(scope="session")
def several(pair: Delivery) -> Delivery:
    """The same model, as if it said any number of classes."""
    plan = replace(pair.plan, task="multi-label-classification")
    return replace(pair, plan=plan)


def bundle_of(delivery: Delivery, folder: Path) -> Path:
    """Its bundle without pictures, which take long."""
    bare = {
        split: replace(score, confusion=(), per_class={}, examples=())
        for split, score in delivery.score.splits.items()
    }
    score = replace(delivery.score, splits=bare, reliability={}, uncalibrated={})
    return write_bundle(replace(delivery, trials=(), score=score), folder / "bundle")


def card_of(delivery: Delivery, folder: Path) -> str:
    EXPORTER.export(delivery, folder)
    return (folder / "README.md").read_text(encoding="utf-8")


def ran(card: str, bundle: Path, text: str) -> str:
    """What the card's own code prints for a text."""
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert code is not None
    source = code[1].replace("path/to/this/folder", str(bundle)).replace("Put a text here.", text)
    with redirect_stdout(io.StringIO()) as said:
        exec(compile(source, "card", "exec"), {})
    return said.getvalue()


def test_the_card_says_temperature_errors_and_thresholds(pair, tmp_path):
    card = card_of(tuned(pair, {"refund": 0.31}), tmp_path)
    assert "divided by a temperature of 1.43" in card
    assert "on the test split: 0.081 before, 0.024 after" in card
    assert "`refund` is predicted from a probability of 0.31 on" in card
    assert "| Without thresholds |" in card
    assert "| **`macro_f1`** (the goal) | **" in card
    assert "| 0.811 |" in card
    assert "probabilities were off by 0.024 on average" in card


def test_what_was_left_alone_is_said_with_its_reason(pair, tmp_path):
    card = card_of(tuned(pair, {}, temperature=1.0), tmp_path)
    assert "left as the model says them (validation shows 2 wrong decisions" in card
    assert "No threshold but a half: no gain." in card
    assert "the score is not a calibrated probability" in card
    assert "Without thresholds" not in card


def test_each_class_with_a_threshold_of_its_own_is_listed(several):
    delivery = tuned(several, {"billing": 0.2, "refund": 0.45})
    assert "Each class is predicted from a probability of its own on" in " ".join(
        _tuned_text.sentences(delivery)
    )
    assert "| billing | 0.2 |" in _tuned_text.thresholds(delivery)
    one = tuned(several, {"billing": 0.2, "refund": 0.2})
    assert "A class is predicted from a probability of 0.20 on" in _tuned_text.sentences(one)[1]
    assert _tuned_text.thresholds(one) == ""


def test_the_picture_shows_both_and_is_left_out_without_probabilities(pair):
    with styled():
        both = _reliability_plot.reliability(tuned(pair, {}))
        alone = _reliability_plot.reliability(tuned(pair, {}, temperature=1.0))
        assert _reliability_plot.reliability(pair) is None
    assert both is not None
    assert alone is not None
    assert both != alone


@pytest.mark.slow
@pytest.mark.parametrize("least", [0.02, 0.98])
def test_config_summary_predictions_and_the_cards_code_decide_alike(pair, tmp_path, least):
    delivery = tuned(pair, {"refund": least})
    bundle = bundle_of(delivery, tmp_path)
    config = json.loads((bundle / "config.json").read_bytes())
    assert config["automl_thresholds"] == {"refund": least}
    info = read(BundleInfo, bundle / "automl.json")
    assert info.thresholds.by_class == {"refund": least}
    assert info.calibration.temperature == 1.43
    assert info.without_thresholds["macro_f1"] == 0.811
    predictor = Predictor(bundle, "cpu")
    for answer in predictor.predict(TEXTS, top=2):
        said = "refund" if answer["scores"]["refund"] >= least else "billing"
        assert answer["label"] == said
        assert answer["score"] == answer["scores"][said]
        assert next(iter(answer["scores"])) == said
    text, (answer,) = TEXTS[0], predictor.predict(TEXTS[:1])
    assert ran(card_of(delivery, tmp_path), bundle, text).startswith(f"{answer['label']} {{")


@pytest.mark.slow
def test_several_classes_are_decided_alike_by_predictions_and_the_cards_code(several, tmp_path):
    delivery = tuned(several, {"billing": 0.9, "refund": 0.02})
    bundle = bundle_of(delivery, tmp_path)
    (answer,) = Predictor(bundle, "cpu").predict(TEXTS[:1], top=2)
    expected = [
        label for label, least in delivery.thresholds.items() if answer["scores"][label] >= least
    ]
    assert sorted(answer["labels"]) == sorted(expected)
    printed = ran(card_of(delivery, tmp_path), bundle, TEXTS[0])
    assert sorted(eval(printed)) == sorted(expected)
