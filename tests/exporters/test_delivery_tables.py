"""The card's tables for a reviewer."""

from __future__ import annotations

from automl.exporters import _delivery_tables as tables
from automl.jobs import FormatFacts, ImportanceResult, Interval, Share, SliceScore, Speed


def test_slices_are_listed_the_worst_first_with_their_distance():
    found = tables.slices(
        {
            "lang=en": SliceScore(400, {"macro_f1": 0.91}, {"macro_f1": Interval(0.88, 0.94)}),
            "lang=d|e": SliceScore(90, {"macro_f1": 0.78}, {}),
            "lang=xx": SliceScore(1, {}, {}),
        },
        "macro_f1",
        0.9,
        "maximize",
    )
    lines = found.splitlines()
    assert lines[2] == r"| lang=d\|e | 90 | 0.780 |  | -0.120 |"
    assert lines[3] == "| lang=en | 400 | 0.910 | 0.880 to 0.940 | +0.010 |"
    assert lines[4].startswith("| lang=xx | 1 | none |")


def test_the_worst_slice_of_an_error_is_the_one_with_most_of_it():
    some = {f"n={n}": SliceScore(3, {"wer": n / 10}, {}) for n in (1, 5)}
    assert tables.slices(some, "wer", 0.3, "minimize").splitlines()[2].startswith("| n=5 |")


def test_many_slices_are_folded_away_and_none_is_no_table():
    many = {f"n={n}": SliceScore(3, {"macro_f1": 0.5}, {}) for n in range(40)}
    assert tables.slices(many, "macro_f1", 0.5, "maximize").startswith(
        "<details>\n<summary>40 slices</summary>"
    )
    assert tables.slices({}, "macro_f1", 0.5, "maximize") == ""


def test_importance_that_explains_nothing_is_not_sold_as_knowledge():
    shares = {"learning_rate": Share(0.4, 0.1, 0.6)}
    assert "hardly predicts" in tables.importance(ImportanceResult(shares, 12, -0.2))
    assert "predicts 50.0%" in tables.importance(ImportanceResult(shares, 12, 0.5))
    assert tables.importance(None) == ""


def test_an_unknown_amount_of_energy_is_not_mentioned():
    assert tables.energy(None) == []


def test_formats_are_told_with_what_they_cost_and_lose_on_each_device():
    made = {
        "safetensors": FormatFacts(bytes=91_000_000, speed={"cpu": Speed(6.13, 7.5, 210, 1, 1)}),
        "onnx": FormatFacts(
            bytes=91_500_000,
            rows=500,
            max_difference=2e-6,
            mean_difference=3e-7,
            changed=0.002,
            loss=-0.0001,
            speed={"cuda": Speed(1.1, 1.2, 4100, 1, 1), "cpu": Speed(4, 4.4, 300, 1, 1)},
        ),
        "onnx-int8": FormatFacts(
            refused="loses 0.03 | more than 0.01", changed=0.04, loss=0.03, rows=500
        ),
    }
    apart = "2e-06 (3e-07) | 0.2% | -0.0001"
    assert tables.formats(made).splitlines()[2:] == [
        "| `safetensors` | 91.0 MB |  |  |  | cpu | 6.13 ms | 7.5 ms | 210 | yes |",
        f"| `onnx` | 91.5 MB | {apart} | cpu | 4 ms | 4.4 ms | 300 | yes |",
        f"| `onnx` | 91.5 MB | {apart} | cuda | 1.1 ms | 1.2 ms | 4,100 | yes |",
        r"| `onnx-int8` |  |  | 4.0% | +0.0300 |  |  |  |  | no: loses 0.03 \| more than 0.01 |",
    ]
    assert tables.compared(made).startswith("On 500 validation rows")
    assert tables.formats({}) == ""
