"""Sounds come from folders, tables and archives, whatever their rate and channels; bad ones are
named with file and row."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automl import tasks
from automl.data.load import LoadedData, load_data
from automl.errors import DataError
from automl.tasks import _hearing
from tests.data.samples import recipe_in
from tests.tasks.tiny_hearing import PITCHES, encoded, tone, wav

CLASSIFY, TRANSCRIBE = "audio-classification", "automatic-speech-recognition"
LABELS = ("alpha", "beta", "gamma")
ROWS = 24


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def content(row: int) -> bytes:
    return wav(row, PITCHES[row % 3], 0.1)


def load(folder: Path, task: str = CLASSIFY, **data: Any) -> LoadedData:
    shares = {"train": "sounds", "validation": 0.2, "test": 0.2}
    return load_data(recipe_in(folder, **{**shares, **data}), tasks.get(task))


def audiofolder(folder: Path, texts: list[str] | None = None) -> Path:
    """Write sounds and a metadata.csv that names them; return the folder."""
    root = folder / "sounds"
    root.mkdir()
    said = texts or [LABELS[row % 3] for row in range(ROWS)]
    for row in range(len(said)):
        (root / f"{row}.wav").write_bytes(content(row))
    lines = (f"{row}.wav,{text}\n" for row, text in enumerate(said))
    name = "label" if texts is None else "transcription"
    (root / "metadata.csv").write_text(f"file_name,{name}\n" + "".join(lines))
    return root


def heard(loaded: LoadedData) -> list[np.ndarray]:
    """Return the train rows' samples, as models hear them."""
    return [_hearing.heard(path, 16_000) for path in loaded.tables["train"]["audio"].to_pylist()]


def csv(folder: Path) -> str:
    audiofolder(folder)
    (folder / "rows.csv").write_text(
        "path,label\n" + "".join(f"sounds/{r}.wav,{LABELS[r % 3]}\n" for r in range(ROWS))
    )
    return "rows.csv"


def jsonl(folder: Path) -> str:
    audiofolder(folder)
    rows = ({"audio": f"sounds/{r}.wav", "label": LABELS[r % 3]} for r in range(ROWS))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "rows.jsonl"


def parquet(folder: Path) -> str:
    held = [{"bytes": content(row), "path": f"{row}.wav"} for row in range(ROWS)]
    labels = [LABELS[row % 3] for row in range(ROWS)]
    pq.write_table(pa.table({"audio": held, "label": labels}), folder / "rows.parquet")
    return "rows.parquet"


def archive(folder: Path) -> str:
    with zipfile.ZipFile(folder / "sounds.zip", "w") as stream:
        for row in range(ROWS):
            stream.writestr(f"{LABELS[row % 3]}/{row}.wav", content(row))
    return "sounds.zip"


def metadata(folder: Path) -> str:
    audiofolder(folder)
    return "sounds"


@pytest.mark.parametrize("write", [csv, jsonl, parquet, archive, metadata])
def test_every_form_of_a_source_gives_the_same_rows(write, tmp_path):
    loaded = load(tmp_path, train=write(tmp_path))
    assert loaded.plan.labels == LABELS
    assert sum(loaded.plan.rows.values()) == ROWS
    sounds = heard(loaded)
    for sound, label in zip(sounds, loaded.tables["train"]["label"].to_pylist(), strict=True):
        assert len(sound) == 1600
        strongest = np.fft.rfftfreq(1600, 1 / 16_000)[np.abs(np.fft.rfft(sound)).argmax()]
        assert abs(strongest - PITCHES[LABELS.index(label)]) < 20


def test_other_rates_and_channels_come_to_one_of_each(tmp_path):
    root = audiofolder(tmp_path)
    low, high = tone(0, PITCHES[0], 0.1, 8000), tone(3, PITCHES[0], 0.1, 44_100)
    (root / "0.wav").write_bytes(encoded(low, 8000))
    (root / "3.wav").write_bytes(encoded(np.stack([high, high], axis=1), 44_100, "FLAC"))
    assert {len(sound) for sound in heard(load(tmp_path))} == {1600}


def test_a_cut_file_and_silence_are_named(tmp_path):
    root = audiofolder(tmp_path)
    (root / "3.wav").write_bytes(content(3)[:-500])
    (root / "5.wav").write_bytes(encoded(np.zeros(1600, dtype=np.int16)))
    with pytest.raises(DataError, match=r"metadata\.csv:5.*3\.wav is cut short"):
        load(tmp_path, bad_files=0.0)
    loaded = load(tmp_path, bad_files=0.1)
    assert sum(loaded.plan.rows.values()) == ROWS - 1
    assert any("1 silent file: 5.wav" in note for note in loaded.plan.warnings)


def test_transcriptions_without_words_or_with_too_many_are_named(tmp_path):
    texts = [f"digit {row}" for row in range(ROWS)]
    texts[4], texts[7] = "...", "far too much is said here"
    audiofolder(tmp_path, texts)
    with pytest.raises(DataError) as caught:
        load(tmp_path, TRANSCRIBE)
    said = str(caught.value)
    assert "metadata.csv:6" in said
    assert "'...', which has no words" in said
    assert "metadata.csv:9" in said
    assert "7.wav lasts 0.10 s, and its text has 25 letters: more than one in 20 ms" in said


def test_roles_of_speech_are_found_by_their_usual_names(tmp_path):
    audiofolder(tmp_path, ["yes"] * ROWS)
    loaded = load(tmp_path, TRANSCRIBE)
    assert loaded.plan.columns == {"audio": "file_name", "text": "transcription"}


def test_bytes_are_kept_as_files_that_can_be_heard(tmp_path):
    loaded = load(tmp_path, train=parquet(tmp_path))
    path = Path(loaded.tables["train"]["audio"][0].as_py())
    assert path.suffix == ".wav"
    assert io.BytesIO(path.read_bytes()).read(4) == b"RIFF"
