"""Sounds: every file becomes one channel at one rate, and what is damaged is refused by rule."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.errors import DataError
from automl.tasks import _sounds

NOISE = (np.random.default_rng(0).standard_normal((16000, 2)) * 0.1).astype(np.float32)


def tone(hertz=440.0, rate=16000, seconds=0.5, loudness=0.5):
    return np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate) * loudness


def written(samples, rate=16000, kind="WAV", subtype=None):
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=kind, subtype=subtype)
    return stream.getvalue()


def cut(kind, share, subtype=None):
    content = written(NOISE, kind=kind, subtype=subtype)
    return content[: int(len(content) * share)]


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("WAV", "PCM_U8"),
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("WAV", "FLOAT"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", None),
        ("AIFF", "PCM_16"),
    ],
)
def test_every_usual_format_is_heard_from_bytes_and_from_a_path(tmp_path, kind, subtype):
    content = written(tone(), kind=kind, subtype=subtype)
    path = tmp_path / "sound"
    path.write_bytes(content)
    found = _sounds.heard(content, 16000)
    assert found.dtype == np.float32
    assert found.ndim == 1
    assert np.corrcoef(found[:7000], tone()[:7000])[0, 1] > 0.99
    np.testing.assert_array_equal(_sounds.heard(str(path), 16000), found)
    look = _sounds.looked_at(str(path))
    assert (look.rate, look.channels, look.silent, look.fault) == (16000, 1, False, None)
    assert look.seconds == pytest.approx(0.5, abs=0.05)


def test_stereo_of_another_rate_becomes_one_channel_at_the_rate(tmp_path):
    left, right = tone(300, 8000), tone(500, 8000)
    path = tmp_path / "stereo.wav"
    path.write_bytes(written(np.stack([left, right], 1), 8000, subtype="PCM_24"))
    found = _sounds.heard(str(path), 16000)
    assert len(found) == 8000
    mixed = (tone(300) + tone(500)) / 2
    np.testing.assert_allclose(found[500:-500], mixed[500:-500], atol=2e-3)
    assert _sounds.looked_at(str(path)) == _sounds.Sound(0.5, 8000, 2, False)


def test_what_can_not_be_at_the_lower_rate_is_filtered_out():
    found = _sounds.heard(written(tone(7000)), 8000)
    assert np.abs(found[200:-200]).max() < 1e-3


def test_a_longer_sound_is_read_to_its_end():
    samples = np.linspace(-1, 1, 2 * _sounds.BLOCK + 5, dtype=np.float32)
    found = _sounds.heard(written(samples, subtype="FLOAT"), 16000)
    np.testing.assert_array_equal(found, samples)


@pytest.mark.parametrize(
    "samples",
    [
        np.array([0, 0.5, -1]),
        np.array([[0, 0], [0.25, 0.75], [-1, -1]], np.float32),
        np.array([0, 16384, -32768], np.int16),
        np.array([0, 1 << 30, -(1 << 31)], np.int32),
    ],
)
def test_arrays_are_scaled_and_averaged(samples):
    found = _sounds.heard(samples, 16000)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([0, 0.5, -1], np.float32))


def sizeless(size):
    """A WAV written into a pipe: its header says nothing true of its size."""
    content = bytearray(written(tone()))
    at = content.index(b"data")
    content[at + 4 : at + 8] = size
    content[4:8] = size
    return bytes(content)


def test_a_wav_that_was_streamed_is_whole():
    assert len(_sounds.heard(sizeless(b"\xff\xff\xff\xff"), 16000)) == 8000


def test_a_flac_that_was_streamed_is_whole(tmp_path):
    content = bytearray(written(tone(), kind="FLAC"))
    content[21] &= 0xF0
    content[22:26] = bytes(4)  # STREAMINFO: 36 bits of samples, none said.
    path = tmp_path / "sound.flac"
    path.write_bytes(content)
    assert len(_sounds.heard(bytes(content), 16000)) == 8000
    assert _sounds.looked_at(str(path)).seconds == 0.5


def not_finite(value):
    samples = tone().astype(np.float32)
    samples[100] = value
    return written(samples, subtype="FLOAT")


BROKEN = {
    "empty": (b"", "is empty"),
    "text": (b"this is a text, called .wav\n" * 20, "is no sound that can be read: Format not"),
    "no_samples": (written(np.zeros(0)), "holds no samples"),
    "wav": (cut("WAV", 0.5), "is cut short: .* of 64000 bytes"),
    "wav_near_its_end": (cut("WAV", 0.999), "is cut short"),
    "wav_header": (cut("WAV", 0.0003), "is"),
    "flac": (cut("FLAC", 0.5), "is cut short or damaged"),
    "flac_near_its_end": (cut("FLAC", 0.99), "is cut short"),
    "mp3": (cut("MP3", 0.5), "is cut short"),
    "ogg_header": (cut("OGG", 0.02), "is no sound that can be read"),
    "slow": (written(tone(), rate=10), "has a rate of 10 Hz; 1000 to 1,000,000 are read"),
    "nan": (not_finite(np.nan), "no numbers"),
    "infinite": (not_finite(np.inf), "no numbers"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_damaged_file_is_refused_with_its_rule(tmp_path, name):
    content, rule = BROKEN[name]
    path = tmp_path / "sound.wav"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rule) as raised:
        _sounds.heard(content, 16000)
    assert "\n" not in str(raised.value)
    assert _sounds.looked_at(str(path)) == _sounds.Sound(0, 0, 0, False, str(raised.value))


WHOLE = [written(NOISE[:3000], kind=kind) for kind in ("WAV", "FLAC", "AIFF")]


@settings(deadline=None, max_examples=60)
@given(
    content=st.sampled_from(WHOLE),
    damage=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=5),
)
def test_whatever_the_damage_a_file_is_heard_or_refused(tmp_path_factory, content, damage):
    changed = bytearray(content)
    for place, value in damage:
        changed[place] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(changed)
    fault = _sounds.looked_at(str(path)).fault
    try:
        heard = _sounds.heard(str(path), 16000)
    except DataError as error:
        refused = str(error)
    else:
        refused = None
        assert np.isfinite(heard).all()
    assert refused == fault


@pytest.mark.parametrize(
    ("samples", "rule"),
    [
        (np.zeros(0), "holds no samples"),
        (np.array([0, np.nan]), "no numbers"),
        (np.zeros((2, 2, 2)), "has 3 dimensions"),
        (np.array([1 + 1j]), "complex128"),
        (np.array([1], np.uint8), "uint8"),
    ],
)
def test_arrays_that_are_no_sound_are_refused(samples, rule):
    with pytest.raises(DataError, match=rule):
        _sounds.heard(samples, 16000)


def test_a_sound_of_which_nothing_is_left_at_the_rate_is_refused():
    with pytest.raises(DataError, match="nothing is left of it at 8000 Hz"):
        _sounds.heard(written(np.ones(1), 48000), 8000)


def test_what_is_not_there_or_no_file_is_a_fault(tmp_path):
    assert "No such file" in _sounds.looked_at(str(tmp_path / "none.wav")).fault
    assert "Is a directory" in _sounds.looked_at(str(tmp_path)).fault


def test_silence_is_what_stays_below_60_db(tmp_path):
    paths = []
    for loudness in (0, 0.0009, 0.0011, 0.5):
        paths.append(str(tmp_path / f"{loudness}.wav"))
        soundfile.write(paths[-1], tone(loudness=loudness), 16000, subtype="FLOAT")
    looks = _sounds.checked(paths, threads=2)
    assert [look.silent for look in looks] == [True, True, False, False]


@pytest.mark.parametrize(("rate", "mels"), [(16000, 40), (8000, 20), (22050, 64)])
def test_mel_bands_are_those_of_transformers(rate, mels):
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    samples = NOISE[:, 0] + tone(1000, rate, seconds=16000 / rate)
    length, hop = round(0.025 * rate), round(0.010 * rate)
    size = 2 ** int(np.ceil(np.log2(length)))
    bank = mel_filter_bank(size // 2 + 1, mels, 0.0, rate / 2, rate, mel_scale="htk")
    expected = spectrogram(
        samples,
        window_function(length, "hann", periodic=True),
        length,
        hop,
        fft_length=size,
        power=2.0,
        center=False,
        mel_filters=bank,
        log_mel=None,
    )
    found = _sounds.log_mel(samples, rate, mels)
    assert found.dtype == np.float32
    assert found.shape == expected.T.shape
    np.testing.assert_allclose(np.exp(found), expected.T, rtol=1e-3, atol=1e-6)


def test_a_short_sound_has_one_frame_and_silence_is_finite():
    found = _sounds.log_mel(np.zeros(10), 16000)
    assert found.shape == (1, 40)
    np.testing.assert_allclose(found, np.log(1e-10), rtol=1e-5)
