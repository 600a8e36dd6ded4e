"""Images: every kind of file becomes upright RGB, and what is damaged is refused with its rule."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from automl.errors import DataError
from automl.tasks import _images

RED, WHITE = (255, 0, 0), (255, 255, 255)
NOISE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def saved(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def halves(mode="RGB", size=(8, 4)):
    """An image whose left half is red, the rest white."""
    image = Image.new("RGB", size, WHITE)
    image.paste(RED, (0, 0, size[0] // 2, size[1]))
    return image.convert(mode)


def pixels(source):
    image = _images.opened(source)
    assert image.mode == "RGB"
    return np.asarray(image)


def near(found, colour):
    return np.abs(found.astype(int) - colour).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "PPM", "JPEG", "WEBP"])
def test_every_usual_format_is_read_from_bytes_and_from_a_path(tmp_path, kind):
    content = saved(Image.new("RGB", (8, 4), RED), kind)
    (tmp_path / "file").write_bytes(content)
    assert near(pixels(content), RED)
    np.testing.assert_array_equal(pixels(str(tmp_path / "file")), pixels(content))


@pytest.mark.parametrize("mode", ["1", "L", "P", "HSV", "YCbCr", "CMYK"])
def test_an_open_image_of_any_mode_is_taken_and_left_as_it_is(mode):
    image = Image.new("RGB", (4, 4), WHITE).convert(mode)
    assert near(pixels(image), WHITE)
    assert image.mode == mode
    image.load()


def test_a_cmyk_jpeg_keeps_its_colours():
    assert near(pixels(saved(halves("CMYK"), "JPEG", quality=95))[:, :2], RED)


def test_a_jpeg_of_adobes_ycck_keeps_its_colours():
    # Two codes differ from plain CMYK: Adobe's marker says that the first three are YCbCr.
    ink = np.asarray(Image.new("RGB", (8, 8), RED).convert("CMYK"))
    ycc = np.asarray(Image.fromarray(ink[..., :3]).convert("YCbCr"))
    stored = np.concatenate([255 - ycc, ink[..., 3:]], axis=-1)
    content = saved(Image.frombytes("CMYK", (8, 8), stored.tobytes()), "JPEG", quality=100)
    marker = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
    assert marker + b"\x00" in content
    assert near(pixels(content.replace(marker + b"\x00", marker + b"\x02")), RED)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_stands_upright_by_its_orientation(tmp_path, kind, orientation):
    shown = np.full((32, 48, 3), 255, np.uint8)
    shown[:16, :24] = RED
    shown[16:, :24] = (0, 0, 255)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    image = Image.fromarray(shown)
    if orientation in undo:
        image = image.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[_images.ORIENTATION] = orientation
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}
    path = tmp_path / "file"
    path.write_bytes(saved(image, kind, exif=exif, **options.get(kind, {})))
    assert near(pixels(str(path)), shown.astype(int))
    look = _images.looked_at(str(path))
    assert (look.width, look.height, look.fault) == (48, 32, None)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_turns_nothing():
    content = saved(halves(), "JPEG", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff\x00\x01")
    assert pixels(content).shape == (4, 8, 3)
    content = saved(halves(), "JPEG", exif=b"Exif\x00\x00nonsense")
    assert pixels(content).shape == (4, 8, 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_transparent_lies_on_white(mode):
    image = Image.new(mode, (4, 4), (0,) * len(mode))
    assert near(pixels(image), WHITE)
    if mode != "PA":
        assert near(pixels(saved(image, "PNG")), WHITE)


def test_half_transparent_red_is_pink():
    assert near(pixels(saved(Image.new("RGBA", (4, 4), (255, 0, 0, 128)), "PNG")), (255, 127, 127))


def test_premultiplied_alpha_lies_on_white():
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    assert near(pixels(image.convert("RGBa")), (255, 127, 127))
    assert near(pixels(Image.new("LA", (4, 4), (0, 128)).convert("La")), (127, 127, 127))


def test_a_palettes_transparent_colour_lies_on_white():
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putpixel((0, 0), 0)
    found = pixels(saved(image, "PNG", transparency=0))
    assert tuple(found[0, 0]) == WHITE
    assert tuple(found[1, 1]) == RED


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, WHITE)]
    for kind in ("GIF", "PNG", "WEBP"):
        content = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
        with Image.open(io.BytesIO(content)) as image:
            assert image.n_frames == 2
        assert near(pixels(content), RED)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_keep_black_grey_and_white(kind):
    values = np.array([[0, 257 * 100, 65535]], np.uint16)
    assert pixels(saved(Image.fromarray(values), kind))[0, :, 0].tolist() == [0, 100, 255]


def test_sixteen_bits_of_the_other_byte_order_are_the_same():
    values = np.array([[0, 257 * 100, 65535]], ">u2")
    image = Image.frombytes("I;16B", (3, 1), values.tobytes())
    assert pixels(image)[0, :, 0].tolist() == [0, 100, 255]


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        (np.array([[0, 257 * 100, 65535]], np.int32), [0, 100, 255]),
        (np.array([[-100_000, 0, 100_000]], np.int32), [0, 128, 255]),
        (np.array([[0, 0.2, 1]], np.float32), [0, 51, 255]),
        (np.array([[0, 51, 200]], np.float32), [0, 51, 200]),
        (np.array([[-2, 0, 2]], np.float32), [0, 128, 255]),
        (np.array([[-7, -7, -7]], np.float32), [0, 0, 0]),
    ],
)
def test_integers_and_floats_are_scaled_to_eight_bits(values, seen):
    assert pixels(saved(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == seen


def test_a_colour_space_of_perception_is_converted():
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(halves(), *profiles, outputMode="LAB")
    assert np.abs(pixels(image)[:, :2].astype(int) - RED).max() < 12


def cut(kind, share, **options):
    content = saved(Image.fromarray(NOISE), kind, **options)
    return content[: int(len(content) * share)]


def bomb(width, height):
    def chunk(name, data):
        sum_ = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", sum_)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data)


def flipped():
    content = bytearray(saved(Image.fromarray(NOISE), "PNG"))
    content[len(content) // 2] ^= 0xFF
    return bytes(content)


BROKEN = {
    "empty": (b"", "is empty"),
    "text": (b"this is a text, called .jpg\n" * 20, "no known format"),
    "jpeg": (cut("JPEG", 0.5), "is cut short"),
    "jpeg_near_its_end": (cut("JPEG", 0.98), "is cut short"),
    "progressive_jpeg": (cut("JPEG", 0.5, progressive=True), "is cut short"),
    "jpeg_header": (cut("JPEG", 0.03), "is"),
    "png": (cut("PNG", 0.5), "is cut short"),
    "bmp": (cut("BMP", 0.9), "is cut short"),
    "gif": (cut("GIF", 0.5), "is cut short"),
    "tiff": (cut("TIFF", 0.9), "is cut short"),
    "webp": (cut("WEBP", 0.9), "is no image that can be read"),
    "flipped": (flipped(), "is no image that can be read: broken data stream"),
    "not_finite": (
        saved(Image.fromarray(np.array([[0, np.nan]], np.float32)), "TIFF"),
        "no numbers",
    ),
    "large": (bomb(10_000, 10_000), "has 10000 x 10000 pixels, more than the limit of 89,478,485"),
    "huge": (bomb(60_000, 60_000), "has more pixels than the limit of 89,478,485"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", BROKEN)
def test_a_damaged_file_is_refused_with_its_rule(tmp_path, name):
    content, rule = BROKEN[name]
    path = tmp_path / "file.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rule) as raised:
        _images.opened(content)
    assert "\n" not in str(raised.value)
    fault = _images.looked_at(str(path)).fault
    assert fault == str(raised.value)


WHOLE = [
    saved(Image.fromarray(NOISE[:12, :16]), kind)
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")
]


@pytest.mark.filterwarnings("ignore")
@settings(deadline=None, max_examples=100)
@given(
    content=st.sampled_from(WHOLE),
    damage=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), min_size=1, max_size=5),
)
def test_whatever_the_damage_a_file_is_read_or_refused(tmp_path_factory, content, damage):
    changed = bytearray(content)
    for place, value in damage:
        changed[place % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(changed)
    look = _images.looked_at(str(path))
    try:
        image = _images.opened(bytes(changed))
    except DataError as error:
        refused = str(error)
    else:
        refused = None
        assert (image.mode, image.size) == ("RGB", (look.width, look.height))
    assert refused == look.fault


def test_what_is_not_there_or_no_file_is_a_fault(tmp_path):
    assert "No such file" in _images.looked_at(str(tmp_path / "none.png")).fault
    assert "Is a directory" in _images.looked_at(str(tmp_path)).fault


def test_files_are_looked_at_in_threads_in_their_order(tmp_path):
    paths = []
    for number in range(12):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.new("L", (number + 1, 2)).save(paths[-1])
    (tmp_path / "5.png").write_bytes(b"broken")
    looks = _images.checked(paths, _images.looked_at, threads=3)
    assert [look.width for look in looks] == [1, 2, 3, 4, 5, 0, *range(7, 13)]
    assert [bool(look.fault) for look in looks].count(True) == 1
    assert looks[0].mode == "L"


@pytest.mark.parametrize("how", _images.HOWS)
def test_resizing_stretches_the_whole_image(how):
    found = _images.resized(halves(), 10, 20, how)
    assert (found.shape, found.dtype) == ((10, 20, 3), np.uint8)
    assert near(found[:, 0], RED)
    assert near(found[:, -1], WHITE)


def test_ways_to_resize_have_the_numbers_of_pillow():
    for number, how in enumerate(_images.HOWS):
        assert Image.Resampling[how.upper()] == number


def test_an_unknown_way_to_resize_is_refused():
    with pytest.raises(ValueError, match="'cubic', which is not one of nearest"):
        _images.resized(halves(), 2, 2, "cubic")


@pytest.mark.parametrize("size", [(90, 30), (30, 90), (30, 30), (1, 501), (7, 5)])
def test_cropping_keeps_proportions_and_the_middle(size):
    width, height = size
    image = Image.new("RGB", size, WHITE)
    shorter = min(size)
    left, top = (width - shorter) // 2, (height - shorter) // 2
    image.paste(RED, (left, top, left + shorter, top + shorter))
    found = _images.fitted(image, 15, 15, crop=True, how="nearest")
    assert found.shape == (15, 15, 3)
    assert (found[1:-1, 1:-1] == RED).all()
    squashed = _images.fitted(image, 15, 15, crop=False)
    np.testing.assert_array_equal(squashed, _images.resized(image, 15, 15, "bilinear"))


def test_cropping_to_a_wide_shape_cuts_above_and_below():
    image = Image.fromarray(np.repeat(np.arange(40, dtype=np.uint8)[:, None], 40, 1)).convert("RGB")
    found = _images.fitted(image, 10, 20, crop=True)
    assert found.shape == (10, 20, 3)
    assert found[0, 0, 0] in (10, 11)
    assert found[-1, 0, 0] in (28, 29)
