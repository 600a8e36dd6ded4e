"""Boxes drawn on pictures, and sheets of pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageColor

from automl.tasks import _drawing


def plain(colour: str, size: tuple[int, int] = (200, 150)) -> Image.Image:
    return Image.new("RGB", size, colour)


def object_(label: str, *box: float, score: float | None = None) -> dict[str, object]:
    found = {"label": label, "box": dict(zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))}
    return found if score is None else {**found, "score": score}


@pytest.mark.parametrize("background", ["black", "white", "gray", *_drawing.PALETTE[:2]])
def test_a_box_has_its_colour_on_a_rim_that_shows_on_any_background(background):
    drawn = _drawing.with_boxes(plain(background), [object_("cell", 40, 50, 140, 120, score=0.9)])
    pixels = np.asarray(drawn)
    colour = ImageColor.getrgb(_drawing.PALETTE[0])
    assert tuple(pixels[120, 90]) == colour
    assert tuple(pixels[90, 40]) == colour
    assert tuple(pixels[121, 90]) == (0, 0, 0)
    assert tuple(pixels[90, 90]) == ImageColor.getrgb(background)


def test_the_picture_given_stays_as_it_is_and_a_list_is_a_box_too():
    image = plain("white")
    one = _drawing.with_boxes(image, [object_("cell", 40, 50, 140, 120)])
    other = _drawing.with_boxes(image, [{"label": "cell", "box": [40, 50, 140, 120]}])
    assert np.asarray(image).min() == 255
    assert (np.asarray(one) == np.asarray(other)).all()
    assert np.asarray(one).min() == 0


def test_a_class_has_one_colour_in_all_pictures():
    labels = ["cell", "plate"]
    drawn = _drawing.with_boxes(plain("white"), [object_("plate", 40, 50, 140, 120)], labels)
    assert tuple(np.asarray(drawn)[120, 90]) == ImageColor.getrgb(_drawing.PALETTE[1])


@pytest.mark.parametrize("box", [(0, 0, 200, 150), (190, 0, 199, 5), (-50, -50, 500, 400)])
def test_a_tag_stays_within_the_picture(box):
    """Letters are of the one colour that neither a box nor its rim has."""
    drawn = _drawing.with_boxes(plain("white"), [object_("a cell", *box, score=0.5)], ["a cell"])
    tag = (np.asarray(drawn) == ImageColor.getrgb(_drawing.PALETTE[0])).all(axis=2)
    assert tag.sum() > 300


def test_a_sheet_has_every_picture_in_its_place_and_none_is_enlarged():
    images = [plain("red", (480, 240)), plain("blue", (100, 100)), plain("green", (240, 480))]
    sheet = _drawing.contact_sheet(images, ["one", "two", "three " * 60], 2)
    side, gap = _drawing.CELL, _drawing.GAP
    assert sheet.width == 2 * (side + gap) + gap
    pixels = np.asarray(sheet)
    count = {name: int((pixels == ImageColor.getrgb(name)).all(axis=2).sum())
             for name in ("red", "blue", "green")}  # fmt: skip
    assert count == {"red": 240 * 120, "blue": 100 * 100, "green": 120 * 240}
    assert tuple(pixels[gap + 60, gap + 120]) == (255, 0, 0)


def test_captions_are_cut_to_their_lines():
    long = _drawing.contact_sheet([plain("red")], ["word " * 200], 1)
    two = _drawing.contact_sheet([plain("red")], ["one\ntwo"], 1)
    assert long.size == two.size
    assert _drawing.contact_sheet([plain("red")], ["x" * 500], 1).height < two.height


@pytest.mark.parametrize(("captions", "columns"), [([], 1), (["a"], 0), (["a", "b"], 1)])
def test_a_sheet_that_makes_no_sense_is_refused(captions, columns):
    with pytest.raises(ValueError, match="at least one picture"):
        _drawing.contact_sheet([plain("red")], captions, columns)
