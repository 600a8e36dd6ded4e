"""Fixtures of the serving tests: a small real bundle, and a run folder around one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from automl.exporters._assemble import write_bundle
from automl.serving.predict import Predictor
from tests.deliveries import make_delivery, tiny_classifier


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a run folder, without pictures: those take the longest to make."""
    run = tmp_path_factory.mktemp("runs") / "support-tickets"
    delivery = make_delivery(tiny_classifier(run / "trials" / "0010" / "best"))
    bare = {
        split: replace(score, confusion=(), per_class={})
        for split, score in delivery.score.splits.items()
    }
    score = replace(delivery.score, splits=bare)
    made = write_bundle(replace(delivery, trials=(), score=score), run / "bundle")
    (run / "plan.json").write_bytes((made / "plan.json").read_bytes())
    return made


@pytest.fixture(scope="session")
def predictor(bundle: Path) -> Predictor:
    return Predictor(bundle, "cpu")
