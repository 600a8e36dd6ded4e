from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.compiler.checks import Check, Earlier, Measured, parse, slices
from automl.compiler.quantities import OPERATORS


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("accuracy >= 0.9", Check("accuracy", None, ">=", 0.9)),
        ("accuracy>=.9", Check("accuracy", None, ">=", 0.9)),
        ("  log_loss < 1e-1 ", Check("log_loss", None, "<", 0.1)),
        ("macro_f1 == 1", Check("macro_f1", None, "==", 1.0)),
        ("recall[refund] >= 0.8", Check("recall", "refund", ">=", 0.8)),
        ("recall[ card lost ] > 0.8", Check("recall", "card lost", ">", 0.8)),
        ("f1[a[b]>=1] <= 0.5", Check("f1", "a[b]>=1", "<=", 0.5)),
        ("matthews_correlation > -0.2", Check("matthews_correlation", None, ">", -0.2)),
    ],
)
def test_checks_are_parsed(text: str, check: Check) -> None:
    assert parse(text) == check


@pytest.mark.parametrize(
    "text",
    ["", "accuracy", "accuracy >=", ">= 0.9", "accuracy => 0.9", "accuracy >= 90%", "a b >= 1",
     "recall[] >= 0.8", "accuracy >= nan", "accuracy >= 0.9 or so", "accuracy != 0.5"],
)  # fmt: skip
def test_what_is_no_check_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"write it as accuracy >= 0\.9"):
        parse(text)


LABELS = st.text(min_size=1).map(str.strip).filter(bool)


@given(
    st.sampled_from(["accuracy", "recall"]),
    st.none() | LABELS,
    st.sampled_from(sorted(OPERATORS)),
    st.floats(-10, 10),
)
def test_every_check_reads_as_it_was_written(
    metric: str, label: str | None, operator: str, threshold: float
) -> None:
    text = f"{metric}{f'[{label}]' if label else ''} {operator} {threshold!r}"
    assert parse(text) == Check(metric, label, operator, threshold)


METRICS = {"accuracy": 0.9, "log_loss": math.nan}
MEASURED = Measured(
    METRICS,
    {"refund": {"recall": 0.5}, "a=b": {"recall": 0.3}},
    {"lang=de": {"accuracy": 0.7}, "a=b": {"recall": 0.9}},
    {"latency_ms": 12.0, "disk": 90e6, "parameters": 22e6},
    {"typos": 0.96, "synonyms=words.txt": math.nan},
)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("accuracy >= 0.9", (0.9, True)),
        ("accuracy > 0.9", (0.9, False)),
        ("accuracy <= 0.9", (0.9, True)),
        ("accuracy < 0.9", (0.9, False)),
        ("accuracy == 0.9", (0.9, True)),
        ("recall[refund] >= 0.4", (0.5, True)),
        ("recall[refund] >= 0.6", (0.5, False)),
        ("recall[other] >= 0", (None, False)),
        ("macro_f1 >= 0", (None, False)),
        ("log_loss <= 10", (None, False)),
        ("accuracy[lang=de] >= 0.7", (0.7, True)),
        ("accuracy[lang = de] > 0.7", (0.7, False)),
        ("accuracy[lang=fr] > 0.7", (None, False)),
        ("recall[a=b] <= 0.3", (0.3, True)),
        ("latency_ms <= 20", (12.0, True)),
        ("latency_ms <= 20ms", (12.0, True)),
        ("disk <= 80MB", (90e6, False)),
        ("parameters <= 0.1B", (22e6, True)),
        ("invariance[typos] >= 0.95", (0.96, True)),
        ("invariance[case] >= 0.95", (None, False)),
        ("invariance[synonyms=words.txt] >= 0", (None, False)),
    ],
)
def test_a_check_says_what_was_measured_and_whether_it_passed(
    text: str, result: tuple[float | None, bool]
) -> None:
    check = parse(text)
    assert isinstance(check, Check)
    assert check.apply(MEASURED) == result


def test_a_check_against_a_bundle_reads_as_it_was_written() -> None:
    assert parse("not_worse_than bundles/v 1") == Earlier("bundles/v 1")
    assert parse(Earlier("a/b", 0.05).text) == Earlier("a/b", 0.05)


def test_a_unit_of_another_quantity_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="'MB' is no unit of latency_ms: ms"):
        parse("latency_ms <= 20MB")


def test_a_unit_after_what_has_none_is_refused_with_what_has_some() -> None:
    with pytest.raises(ValueError, match="'disc' has no units; latency_ms, parameters, disk have"):
        parse("disc <= 200MB")


def test_a_class_that_is_written_like_a_slice_is_none() -> None:
    texts = ["recall[a=b] > 0", "accuracy[lang=de] > 0", "f1[x] > 0", "invariance[typos] > 0"]
    assert slices(texts, ["a=b", "x"]) == (("lang", "de"),)
