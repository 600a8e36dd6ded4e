"""The card's tables for a reviewer."""

from __future__ import annotations

from dataclasses import dataclass, field

from automl.exporters import _delivery_tables as tables
from automl.jobs import ImportanceResult, Interval, Share, SliceScore


def test_slices_are_listed_the_worst_first_with_their_distance():
    found = tables.slices(
        {
            "lang=en": SliceScore(400, {"macro_f1": 0.91}, {"macro_f1": Interval(0.88, 0.94)}),
            "lang=d|e": SliceScore(90, {"macro_f1": 0.78}, {}),
            "lang=xx": SliceScore(1, {}, {}),
        },
        "macro_f1",
        0.9,
    )
    lines = found.splitlines()
    assert lines[2] == r"| lang=d\|e | 90 | 0.780 |  | -0.120 |"
    assert lines[3] == "| lang=en | 400 | 0.910 | 0.880 to 0.940 | +0.010 |"
    assert lines[4].startswith("| lang=xx | 1 | none |")


def test_many_slices_are_folded_away_and_none_is_no_table():
    many = {f"n={n}": SliceScore(3, {"macro_f1": 0.5}, {}) for n in range(40)}
    assert tables.slices(many, "macro_f1", 0.5).startswith(
        "<details>\n<summary>40 slices</summary>"
    )
    assert tables.slices({}, "macro_f1", 0.5) == ""


def test_importance_that_explains_nothing_is_not_sold_as_knowledge():
    shares = {"learning_rate": Share(0.4, 0.1, 0.6)}
    assert "hardly predicts" in tables.importance(ImportanceResult(shares, 12, -0.2))
    assert "predicts 50.0%" in tables.importance(ImportanceResult(shares, 12, 0.5))
    assert tables.importance(None) == ""


def test_an_unknown_amount_of_energy_is_not_mentioned():
    assert tables.energy(None) == []


@dataclass(frozen=True)
class Speed:
    latency_ms: float
    latency_p95_ms: float
    rows_per_second: float


@dataclass(frozen=True)
class Format:
    bytes: int
    refused: str = ""
    changed: float | None = None
    loss: float | None = None
    speed: dict[str, Speed] = field(default_factory=dict)


def test_formats_are_told_with_what_they_cost_and_lose_on_each_device():
    found = tables.formats(
        {
            "safetensors": Format(91_000_000, speed={"cpu": Speed(6.13, 7.5, 210.0)}),
            "onnx": Format(
                91_500_000, "", 0.002, -0.0001,
                {"cuda": Speed(1.1, 1.2, 4100.0), "cpu": Speed(4.0, 4.4, 300.0)},
            ),
            "onnx-int8": Format(0, "loses 0.03 | more than 0.01", 0.04, 0.03),
        }
    )  # fmt: skip
    assert found.splitlines()[2:] == [
        "| `safetensors` | 91.0 MB |  |  | cpu | 6.13 ms | 7.5 ms | 210 | yes |",
        "| `onnx` | 91.5 MB | 0.2% | -0.0001 | cpu | 4 ms | 4.4 ms | 300 | yes |",
        "| `onnx` | 91.5 MB | 0.2% | -0.0001 | cuda | 1.1 ms | 1.2 ms | 4,100 | yes |",
        r"| `onnx-int8` |  | 4.0% | +0.0300 |  |  |  |  | no: loses 0.03 \| more than 0.01 |",
    ]
    assert tables.formats({}) == ""
