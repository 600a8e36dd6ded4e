"""Augmentation: shapes stay, draws are by seed, epoch and row, and labels move along."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from automl.tasks import _augmenting, _sound_augmenting
from automl.tasks._augmenting import Augmenting, augmented, generator

FULL = Augmenting(True, 0.3, 0.4, "randaugment", 9, 2, 0.5)
FRAMED = Augmenting(flip=True, crop=0.2)
RAMP = np.stack([*np.meshgrid(np.arange(48), np.arange(32)), np.full((32, 48), 7)], -1)
RAMP = RAMP.astype(np.uint8)
"""An image whose red is its column and green its row."""


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


ASKED = st.builds(
    Augmenting,
    flip=st.booleans(),
    crop=st.floats(0.01, 1),
    colour=st.floats(0, 1),
    policy=st.sampled_from(["none", "randaugment"]),
    magnitude=st.integers(0, 10),
    operations=st.integers(0, 3),
    erase=st.floats(0, 1),
)
SIDE = st.integers(1, 40)


@settings(deadline=None, max_examples=60)
@given(asked=ASKED, height=SIDE, width=SIDE, row=st.integers(0, 2**40))
def test_an_image_keeps_its_shape_and_follows_from_its_row(asked, height, width, row):
    pixels = noise(height, width)
    before = pixels.copy()
    found = augmented(pixels, asked, generator(3, 1, row))
    assert found.shape == pixels.shape
    assert found.dtype == np.uint8
    assert found.flags.writeable
    assert not np.shares_memory(found, pixels)
    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(found, augmented(pixels, asked, generator(3, 1, row)))


def test_seed_epoch_and_row_each_change_what_is_drawn():
    draws = [generator(*key).random() for key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]]
    assert len(set(draws)) == 4


def test_the_defaults_change_nothing():
    pixels = noise(9, 8)
    np.testing.assert_array_equal(augmented(pixels, Augmenting(), generator(0, 0, 0)), pixels)


def test_half_of_the_images_are_mirrored():
    flipped = 0
    for row in range(400):
        found = augmented(RAMP, Augmenting(flip=True), generator(0, 0, row))
        if (found != RAMP).any():
            np.testing.assert_array_equal(found, RAMP[:, ::-1])
            flipped += 1
    assert 160 < flipped < 240


@pytest.mark.parametrize("least", [0.1, 0.5, 0.9])
def test_crops_keep_their_share_and_aspect(least):
    shares, aspects = [], []
    for row in range(300):
        left, top, right, bottom = _augmenting._frame(
            300, 200, Augmenting(crop=least), generator(0, 0, row)
        ).box
        wide, high = (right - left) / 200, (bottom - top) / 300
        shares.append(wide * high)
        aspects.append(wide / high)
    assert least - 0.01 < min(shares) < least + 0.1
    assert 0.9 < max(shares) <= 1
    assert 0.74 < min(aspects) < 0.99
    assert 1.01 < max(aspects) < 1.35


def test_colours_change_within_their_strength():
    grey = np.full((4, 4, 3), 100, np.uint8)
    means = [
        augmented(grey, Augmenting(colour=0.3), generator(0, 0, row)).mean() for row in range(200)
    ]
    assert 69 <= min(means) < 80
    assert 120 < max(means) <= 131


def test_erasing_covers_a_part_as_often_as_was_said():
    black = np.zeros((40, 40, 3), np.uint8)
    shares = [
        (augmented(black, Augmenting(erase=0.25), generator(0, 0, row)) > 0).any(-1).mean()
        for row in range(400)
    ]
    erased = [share for share in shares if share]
    assert 70 < len(erased) < 130
    assert 0.01 < min(erased) < max(erased) < 0.35


def test_the_policy_has_fourteen_operations_that_differ():
    smooth = np.add.outer(np.arange(32) * 3, np.arange(32) * 2)[..., None] + [20, 40, 60]
    image = Image.fromarray(smooth.astype(np.uint8) + noise(32, 32) // 16)
    seen = {op(image, 0.9, generator(0, 0, 0)).tobytes() for op in _augmenting.OPERATIONS}
    assert len(seen) == len(_augmenting.OPERATIONS) == 14
    assert image.tobytes() in seen


def test_operations_of_no_strength_leave_the_image_alone():
    image = Image.fromarray(RAMP)
    changed = [
        place
        for place, op in enumerate(_augmenting.OPERATIONS)
        if op(image, 0.0, generator(0, 0, 0)).tobytes() != image.tobytes()
    ]
    assert changed == [1, 2]  # Contrast and histogram know no strength.


def test_a_stronger_policy_changes_images_more():
    pixels = np.tile(RAMP, (2, 1, 1))

    def change(magnitude):
        asked = Augmenting(policy="randaugment", magnitude=magnitude)
        found = [augmented(pixels, asked, generator(0, 0, row)) for row in range(100)]
        return np.mean([np.abs(each.astype(int) - pixels).mean() for each in found])

    assert change(1) < change(5) < change(10)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"crop": 0}, "crop is 0, which is not from 0.01 to 1"),
        ({"colour": -1}, "colour is -1"),
        ({"magnitude": 11}, "magnitude is 11, which is not from 0 to 10"),
        ({"operations": -1}, "operations is -1"),
        ({"erase": 2}, "erase is 2"),
        ({"policy": "auto"}, "policy is 'auto', which is not none or randaugment"),
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(FULL, **wrong)


BOX = st.tuples(*[st.floats(0, 1)] * 4).map(
    lambda box: [min(box[:2]) * 48, min(box[2:]) * 32, max(box[:2]) * 48, max(box[2:]) * 32]
)


@settings(deadline=None, max_examples=80)
@given(boxes=st.lists(BOX, max_size=6), row=st.integers(0, 10**6), crop=st.floats(0.05, 1))
def test_boxes_stay_inside_and_keep_their_number(boxes, row, crop):
    given_ = np.array(boxes, np.float32).reshape(-1, 4)
    asked = Augmenting(flip=True, crop=crop)
    pixels, found, kept = _augmenting.moved_boxes(RAMP, given_, asked, generator(0, 0, row))
    assert pixels.shape == RAMP.shape
    assert found.shape == (len(kept), 4)
    assert found.dtype == np.float32
    assert list(kept) == sorted(set(kept))
    assert (found >= 0).all()
    assert (found <= [48, 32, 48, 32]).all()
    assert (found[:, 2:] >= found[:, :2]).all()


@pytest.mark.parametrize("row", range(20))
def test_a_box_goes_on_holding_what_it_held(row):
    pixels = np.zeros((60, 90, 3), np.uint8)
    pixels[20:32, 30:54] = 255
    box = np.array([[30.0, 20, 54, 32]])
    moved, found, kept = _augmenting.moved_boxes(pixels, box, FRAMED, generator(0, 0, row))
    rows, columns = np.nonzero(moved[..., 0] > 127)
    if len(kept):
        edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(found[0], edges, atol=1.5)
        np.testing.assert_array_equal(
            moved, augmented(pixels, FRAMED, generator(0, 0, row)), "the same draws as augmented"
        )
    else:
        left, top, right, bottom = _augmenting._frame(60, 90, FRAMED, generator(0, 0, row)).box
        wide = max(0, min(right, 54) - max(left, 30))
        high = max(0, min(bottom, 32) - max(top, 20))
        assert wide * high < 0.3 * 24 * 12


def test_some_boxes_are_dropped_and_some_are_kept():
    box = np.array([[0.0, 0, 20, 20]])
    counts = [
        len(_augmenting.moved_boxes(RAMP, box, FRAMED, generator(0, 0, row))[2])
        for row in range(60)
    ]
    assert 5 < sum(counts) < 55


@pytest.mark.parametrize("kind", [np.uint8, np.int64])
@pytest.mark.parametrize("row", range(10))
def test_a_mask_moves_with_its_image(kind, row):
    mask = np.zeros((60, 90), kind)
    mask[20:40, 30:60] = 1
    mask[:, 70:] = 255
    pixels = np.repeat(mask[..., None], 3, -1).astype(np.uint8)
    moved, found = _augmenting.moved_mask(pixels, mask, FRAMED, generator(0, 0, row))
    assert found.shape == mask.shape
    assert found.dtype == kind
    assert set(np.unique(found)) <= {0, 1, 255}
    assert ((moved[..., 0] > 127) == (found == 255)).mean() > 0.98
    np.testing.assert_array_equal(moved, augmented(pixels, FRAMED, generator(0, 0, row)))


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"of shape \(3, 3\), the image of \(32, 48\)"):
        _augmenting.moved_mask(RAMP, np.zeros((3, 3), np.uint8), FRAMED, generator(0, 0, 0))


def batch(rows=6):
    torch.manual_seed(0)
    return torch.rand(rows, 3, 16, 20), torch.eye(rows)


def test_mixup_blends_images_as_it_blends_targets():
    pixels, targets = batch()
    found, shares = _augmenting.mixed(pixels, targets, "mixup", 0.4, generator(0, 0, 0))
    torch.testing.assert_close(found, torch.einsum("ij,jchw->ichw", shares, pixels))
    torch.testing.assert_close(shares.sum(1), torch.ones(6))
    assert (shares > 0).sum() > 6


def test_cutmix_takes_as_many_pixels_as_targets_say():
    for seed in range(20):
        pixels, targets = batch()
        kept = pixels.clone()
        found, shares = _augmenting.mixed(pixels, targets, "cutmix", 1.0, generator(seed, 0, 0))
        torch.testing.assert_close(pixels, kept)
        torch.testing.assert_close(shares.sum(1), torch.ones(6))
        for row in range(6):
            same = (found[row] == pixels[row]).all(0).float().mean()
            assert same == pytest.approx(float(shares[row, row]), abs=1e-5)


def test_mixing_draws_the_same_again_and_refuses_other_kinds():
    pixels, targets = batch()
    for kind in ("mixup", "cutmix"):
        first = _augmenting.mixed(pixels, targets, kind, 0.5, generator(0, 2, 5))
        again = _augmenting.mixed(pixels, targets, kind, 0.5, generator(0, 2, 5))
        torch.testing.assert_close(first, again, rtol=0, atol=0)
    with pytest.raises(ValueError, match="'mixin', which is not mixup or cutmix"):
        _augmenting.mixed(pixels, targets, "mixin", 0.5, generator(0, 0, 0))


LOUD = _sound_augmenting.Augmenting(gain=6, noise=(5, 20), shift=0.2)
TONE = np.sin(np.arange(8000) / 7).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(
    length=st.integers(1, 500),
    row=st.integers(0, 10**6),
    gain=st.floats(0, 20),
    shift=st.floats(0, 0.99),
)
def test_a_sound_keeps_its_length_and_follows_from_its_row(length, row, gain, shift):
    asked = _sound_augmenting.Augmenting(gain, (0, 30), shift)
    samples = TONE[:length].copy()
    found = _sound_augmenting.augmented(samples, asked, generator(0, 0, row))
    assert found.shape == samples.shape
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(samples, TONE[:length])
    again = _sound_augmenting.augmented(samples, asked, generator(0, 0, row))
    np.testing.assert_array_equal(found, again)


def loudness(samples):
    return 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)))


def test_gain_stays_within_its_decibels():
    asked = _sound_augmenting.Augmenting(gain=6)
    gains = [
        loudness(_sound_augmenting.augmented(TONE, asked, generator(0, 0, row))) - loudness(TONE)
        for row in range(100)
    ]
    assert -6.01 < min(gains) < -4
    assert 4 < max(gains) < 6.01


def test_noise_is_as_far_below_the_sound_as_was_said():
    asked = _sound_augmenting.Augmenting(noise=(10, 20))
    above = [
        loudness(TONE)
        - loudness(_sound_augmenting.augmented(TONE, asked, generator(0, 0, row)) - TONE)
        for row in range(50)
    ]
    assert 9.5 < min(above) < 12
    assert 18 < max(above) < 20.5


def test_silence_gets_no_noise():
    silence = np.zeros(100, np.float32)
    found = _sound_augmenting.augmented(silence, LOUD, generator(0, 0, 0))
    np.testing.assert_array_equal(found, silence)


def test_a_shift_brings_zeros_in_from_either_side():
    asked = _sound_augmenting.Augmenting(shift=0.25)
    samples = np.arange(1, 101, dtype=np.float32)
    moves = set()
    for row in range(200):
        found = _sound_augmenting.augmented(samples, asked, generator(0, 0, row))
        kept = found[found > 0]
        np.testing.assert_array_equal(np.diff(kept), 1)
        moves.add(int(np.argmax(found > 0)) - int(kept[0]) + 1)
        assert len(kept) == 100 - abs(int(np.argmax(found > 0)) - int(kept[0]) + 1)
    assert (min(moves), max(moves)) == (-25, 25)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"gain": -1}, "gain is -1"),
        ({"noise": (5, 1)}, "the first is above the second"),
        ({"shift": 1}, "shift is 1"),
    ],
)
def test_settings_of_sounds_that_mean_nothing_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(LOUD, **wrong)


def test_masks_cover_whole_frames_and_bands_within_their_shares():
    features = np.random.default_rng(0).normal(size=(100, 40)).astype(np.float32)
    frames, bands = [], []
    for row in range(100):
        found = _sound_augmenting.spec_masks(features, generator(0, 0, row))
        masked = found == features.mean()
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found[~masked], features[~masked])
        frames.append(masked.all(1).sum())
        bands.append(masked.all(0).sum())
        rebuilt = masked.all(1)[:, None] | masked.all(0)[None, :]
        np.testing.assert_array_equal(masked, rebuilt)
    assert 10 < max(frames) <= 20
    assert 12 < max(bands) <= 24
    assert min(frames) < 5


def test_masks_follow_from_the_row_and_leave_the_input_alone():
    features = np.arange(20.0).reshape(5, 4)
    before = features.copy()
    asked = {"time_share": 0.5, "mel_share": 0.5}
    first = _sound_augmenting.spec_masks(features, generator(0, 1, 2), **asked)
    again = _sound_augmenting.spec_masks(features, generator(0, 1, 2), **asked)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(features, before)
    none = _sound_augmenting.spec_masks(features, generator(0, 0, 0), time_masks=0, mel_masks=0)
    np.testing.assert_array_equal(none, features)


def test_a_crop_that_keeps_all_but_a_rounding_keeps_all():
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    for row in range(20):
        found = augmented(pixels, Augmenting(crop=0.9999999999999999), generator(0, 0, row))
        assert (found == pixels).all()
