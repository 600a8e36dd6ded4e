"""Checks as they are answered, and as CI reads the answers."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from automl.errors import InputError
from automl.exporters import CheckResult
from automl.finish import checking, junit
from automl.jobs import (
    ExamineResult,
    Interval,
    ScoreResult,
    SliceScore,
    SplitScore,
    Steadiness,
    Versus,
)

TEST = SplitScore(
    rows=100,
    metrics={"accuracy": 0.9},
    intervals={},
    per_class={"refund": {"recall": 0.5}},
    confusion=(),
    slices={"lang=de": SliceScore(7, {"accuracy": 0.8}, {})},
)
SCORE = ScoreResult({"test": TEST}, "", 1.0, 1.0, costs={"disk": 5e6})


def versus(low: float, high: float) -> Versus:
    return Versus("accuracy", 0.8, 0.9, -0.1, Interval(low, high), 100)


def answers(*texts: str, **examined: object) -> list[tuple[float | None, bool, str]]:
    found = ExamineResult(**{"changes": {}, "earlier": {}, **examined})
    return [(c.actual, c.passed, c.detail) for c in checking.answered(texts, SCORE, found)]


def test_scores_answer_checks_of_rows_classes_slices_and_costs() -> None:
    assert answers("accuracy >= 0.9", "recall[refund] > 0.5", "disk <= 5MB") == [
        (0.9, True, ""),
        (0.5, False, ""),
        (5e6, True, ""),
    ]
    assert answers("accuracy[lang=de] >= 0.8") == [(0.8, True, "7 rows")]


@pytest.mark.parametrize(
    ("by", "interval", "passed"),
    [
        ("", (-0.2, 0.01), True),
        ("", (-0.2, -0.01), False),
        (" by 0.05", (-0.2, -0.01), True),
        (" by 0.05", (-0.2, -0.06), False),
    ],
)
def test_only_what_is_shown_to_be_worse_than_allowed_is_missed(
    by: str, interval: tuple[float, float], passed: bool
) -> None:
    text = f"not_worse_than v1{by}"
    ((actual, found, detail),) = answers(text, earlier={text: versus(*interval)})
    assert (actual, found) == (-0.1, passed)
    assert detail.startswith("accuracy 0.8000 against 0.9000: -0.1000, 95% -0.2000 to")


def test_answers_that_changed_are_counted_and_one_is_shown() -> None:
    example = {"text": "a", "changed": "b", "before": "x", "after": "y"}
    changes = {"case": Steadiness(10, 9, (example,)), "typos": Steadiness(0, 0)}
    assert answers("invariance[case] >= 0.9", "invariance[typos] >= 0", changes=changes) == [
        (0.9, True, "1 of 10 answers changed, e.g. 'b': y, not x"),
        (None, False, "no test row has anything to change"),
    ]


def test_a_bundle_that_is_gone_or_another_is_said_before_it_is_compared(
    plan, rundir, tmp_path: Path
) -> None:
    from dataclasses import replace

    from automl.plan import Earlier

    asked = replace(plan, earlier=(Earlier("not_worse_than v1", "old", "0" * 64),))
    checking.keep(rundir, {"not_worse_than v1": tmp_path})
    with pytest.raises(InputError, match="there is no bundle in"):
        checking.kept(asked, rundir)
    (tmp_path / "automl.json").write_text("{}")
    with pytest.raises(InputError, match="holds another bundle than when the run began"):
        checking.kept(asked, rundir)


def test_ci_reads_a_case_a_check(tmp_path: Path) -> None:
    checks = (
        CheckResult("accuracy >= 0.9", 0.95, True),
        CheckResult("recall[<refund> & co] >= 0.9", None, False, "7 rows"),
        CheckResult("not_worse_than v1", None, False, "name the bundle: --against", True),
    )
    junit.write(tmp_path / "out" / "checks.xml", "tickets", checks, 1.5)
    suite = ElementTree.parse(tmp_path / "out" / "checks.xml").getroot()[0]
    assert {k: suite.get(k) for k in ("tests", "failures", "skipped", "time")} == {
        "tests": "3",
        "failures": "1",
        "skipped": "1",
        "time": "1.500",
    }
    passed, missed, skipped = suite
    assert passed.find("failure") is None
    assert missed.get("name") == "recall[<refund> & co] >= 0.9"
    assert missed.find("failure").get("message") == "is not measured; 7 rows"
    assert skipped.find("skipped").get("message") == "name the bundle: --against"
