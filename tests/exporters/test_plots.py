"""Every plot is a picture of what there is, and what there is not is left out."""

from __future__ import annotations

import io
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from automl.exporters import _front_plot, _score_plots, _search_plots
from automl.exporters._style import DOTS_PER_INCH, WIDTH, names, styled
from automl.exporters.plots import EXPORTER
from tests.deliveries import make_delivery, many_labels, with_two_objectives


def size(png: bytes) -> tuple[int, int]:
    from PIL import Image

    return Image.open(io.BytesIO(png)).size


@pytest.mark.parametrize("classes", [2, 13, 77])
def test_score_plots_are_drawn_for_any_number_of_classes(classes):
    delivery = make_delivery(Path("best"), labels=many_labels(classes), rows=20 * classes)
    for draw in (_score_plots.confusion, _score_plots.per_class):
        with styled():
            png = draw(delivery)
        assert png is not None
        width, height = size(png)
        assert width == WIDTH * DOTS_PER_INCH
        assert height <= width


def test_the_same_data_gives_the_same_bytes():
    delivery = make_delivery(Path("best"))
    with styled():
        assert _search_plots.history(delivery) == _search_plots.history(delivery)


def test_a_plot_without_data_is_left_out(tmp_path):
    delivery = make_delivery(Path("best"))
    bare = replace(delivery.score.splits["test"], confusion=(), per_class={})
    nothing = replace(
        delivery, trials=(), score=replace(delivery.score, splits={"test": bare})
    )  # fmt: skip
    EXPORTER.export(nothing, tmp_path)
    assert not (tmp_path / "plots").exists()


def test_one_candidate_is_not_compared_with_itself():
    delivery = make_delivery(Path("best"))
    alone = replace(delivery.plan, candidates=delivery.plan.candidates[:1])
    with styled():
        assert _search_plots.candidates(replace(delivery, plan=alone)) is None


def test_no_mistakes_at_all_still_make_a_picture():
    labels = many_labels(40)
    delivery = make_delivery(Path("best"), labels=labels, rows=80)
    perfect = tuple(
        tuple(2 if row == column else 0 for column in range(40)) for row in range(40)
    )  # fmt: skip
    test = replace(delivery.score.splits["test"], confusion=perfect)
    with styled():
        drawn = _score_plots.confusion(
            replace(delivery, score=replace(delivery.score, splits={"test": test}))
        )
    assert drawn is not None


def test_names_the_font_cannot_show_and_mathematics_do_no_harm():
    labels = ("退款", "price $5 and $6", "two\nlines", "x" * 60, "x" * 60 + "y", "")
    delivery = make_delivery(Path("best"), labels=labels, rows=120)
    with styled(), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _score_plots.confusion(delivery) is not None


def test_names_on_plots_are_short_and_all_different():
    shown = names(["退款", "two\nlines", "x" * 60, "x" * 59 + "z", "x" * 60], longest=20)
    assert shown[:2] == ["#0", "two lines"]
    assert all(len(name) <= 24 for name in shown)
    assert len(set(shown)) == len(shown)


def test_drawing_leaves_the_settings_of_others_alone():
    import matplotlib

    before = matplotlib.rcParams["font.size"]
    with styled():
        assert matplotlib.rcParams["text.parse_math"] is False
    assert matplotlib.rcParams["font.size"] == before
    assert matplotlib.rcParams["text.parse_math"] is True


def test_the_front_is_drawn_with_several_objectives_only():
    delivery = make_delivery(Path("best"))
    with styled():
        assert _front_plot.pareto(delivery) is None
        png = _front_plot.pareto(with_two_objectives(delivery))
    assert png is not None
    assert size(png)[0] == WIDTH * DOTS_PER_INCH


def test_a_front_of_one_point_and_costs_far_apart_are_drawn():
    both = with_two_objectives(make_delivery(Path("best")))
    (first, *_) = both.choice.points
    far = replace(first, values={**first.values, "latency_ms": 4000.0}, front=False, chosen=False)
    for points in ((first,), (first, far)):
        with styled(), warnings.catch_warnings():
            warnings.simplefilter("error")
            choice = replace(both.choice, points=points)
            assert _front_plot.pareto(replace(both, choice=choice)) is not None


@pytest.mark.parametrize(
    ("unit", "number", "said"),
    [
        ("rows", 1, "row"),
        ("rows", 2, "rows"),
        ("entities", 1, "entity"),
        ("entities", 0, "entities"),
    ],
)
def test_a_unit_stands_after_its_number(unit, number, said):
    assert _score_plots._counted(unit, number) == said


def test_a_table_of_types_that_are_no_labels_is_drawn():
    delivery = make_delivery(Path("best"))
    row = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 3.0}
    test = replace(delivery.score.splits["test"], per_class={"PER": row}, unit="entities")
    told = replace(delivery, score=replace(delivery.score, splits={"test": test}))
    with styled():
        assert _score_plots.per_class(told) is not None
