"""Hub data sets: pinned to a commit, files chosen by the card or by name, reasons in errors."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automl.data.sources import read
from automl.errors import DataError
from automl.tasks.image_classification import TASK
from tests.hub_server import HubServer
from tests.tasks.tiny_vision import COLOURS, png

ROWS = b"text,label\nhi,a\n"


def _text(reference: str, folder: Path, split: str = "train") -> list[str]:
    return [t for p in read(reference, folder, split).parts for t in p.table["text"].to_pylist()]


def test_files_named_by_split_are_taken_from_the_pinned_commit(
    hub: HubServer, tmp_path: Path
) -> None:
    old = hub.add_dataset("acme/rows", {"train.csv": ROWS, "test.csv": b"text,label\nold,b\n"})
    new = hub.add_dataset("acme/rows", {"train.csv": ROWS, "test.csv": b"text,label\nnew,b\n"})
    reading = read("acme/rows", tmp_path, "test")
    assert reading.revision == new
    assert reading.parts[0].name == "acme/rows/test.csv"
    assert [file.path for file in reading.files] == ["test.csv"]
    assert _text("acme/rows", tmp_path, "test") == ["new"]
    assert _text(f"acme/rows@{old}", tmp_path, "test") == ["old"]


def test_only_the_wanted_files_are_downloaded(hub: HubServer, tmp_path: Path) -> None:
    hub.add_dataset("acme/rows", {"README.md": b"", "train.csv": ROWS, "test.csv": ROWS})
    read("acme/rows", tmp_path, "train")
    fetched = {path.rsplit("/", 1)[1] for method, path in hub.requests if "/resolve/" in path}
    assert fetched == {"README.md", "train.csv"}


def test_cards_configurations_choose_the_files(hub: HubServer, tmp_path: Path) -> None:
    card = """---
configs:
- config_name: small
  data_files:
  - split: train
    path: s/one.csv
- config_name: large
  default: true
  data_files:
  - split: train
    path: ["l/**/*.csv"]
  - split: dev
    path: held/*.csv
---
"""
    files = {
        "README.md": card.encode(),
        "s/one.csv": b"text,label\nsmall,a\n",
        "l/x/1.csv": b"text,label\nlarge,a\n",
        "held/1.csv": b"text,label\nheld,a\n",
    }
    hub.add_dataset("acme/rows", files)
    assert _text("acme/rows", tmp_path) == ["large"]
    assert _text("acme/rows", tmp_path, "validation") == ["held"]
    assert _text("acme/rows:small", tmp_path) == ["small"]
    with pytest.raises(DataError, match="no split for test; it has train, dev"):
        read("acme/rows", tmp_path, "test")
    with pytest.raises(DataError, match="no configuration 'tiny': small, large"):
        read("acme/rows:tiny", tmp_path, "train")


def test_cards_file_for_a_split_counts_whatever_its_name(hub: HubServer, tmp_path: Path) -> None:
    card = b"---\nconfigs:\n- data_files: {train: dev_like.csv, test: [train_like.csv]}\n---\n"
    files = {"README.md": card, "dev_like.csv": ROWS, "train_like.csv": b"text,label\nho,b\n"}
    hub.add_dataset("acme/odd", files)
    assert _text("acme/odd", tmp_path) == ["hi"]
    assert _text("acme/odd", tmp_path, "test") == ["ho"]


def test_folder_of_a_configuration_bounds_its_files(hub: HubServer, tmp_path: Path) -> None:
    card = b"---\nconfigs:\n- {config_name: en, data_dir: english}\n---\n"
    other = b"text,label\nho,b\n"
    files = {"README.md": card, "english/train.csv": ROWS, "french/train.csv": other}
    hub.add_dataset("acme/langs", files)
    assert _text("acme/langs", tmp_path) == ["hi"]


@pytest.mark.parametrize("metadata", ["configs: [a", "configs: {a: b}", "dataset_info: 3"])
def test_card_that_makes_no_sense_is_an_error(
    hub: HubServer, tmp_path: Path, metadata: str
) -> None:
    card = f"---\n{metadata}\n---\n".encode()
    hub.add_dataset("acme/rows", {"README.md": card, "train.csv": ROWS})
    with pytest.raises(DataError, match="the data set's card cannot be understood"):
        read("acme/rows", tmp_path, "train")


def test_several_configurations_without_a_default_must_be_chosen(
    hub: HubServer, tmp_path: Path
) -> None:
    card = b"---\nconfigs:\n- config_name: en\n- config_name: fr\n---\n"
    hub.add_dataset("acme/rows", {"README.md": card, "train.csv": ROWS})
    with pytest.raises(DataError, match="several configurations: en, fr") as caught:
        read("acme/rows", tmp_path, "train")
    assert caught.value.problems[0].hint == "write acme/rows:en"


def test_class_names_declared_in_the_card_replace_indices(hub: HubServer, tmp_path: Path) -> None:
    card = b"""---
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': neg
          '1': pos
---
"""
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["x", "y"], "label": [1, 0]}), sink)
    files = {"README.md": card, "data/train-00000-of-00001.parquet": sink.getvalue()}
    hub.add_dataset("acme/moods", files)
    part = read("acme/moods", tmp_path, "train").parts[0]
    assert part.table["label"].to_pylist() == ["pos", "neg"]
    assert part.classes == {"label": ("neg", "pos")}


@pytest.mark.parametrize("kind", ["sequence", "list"])
def test_class_names_declared_of_lists_replace_their_indices(
    hub: HubServer, tmp_path: Path, kind: str
) -> None:
    card = f"""---
dataset_info:
  features:
  - name: ner_tags
    {kind}:
      class_label:
        names:
          '0': O
          '1': B-PER
---
"""
    sink = io.BytesIO()
    pq.write_table(pa.table({"ner_tags": [[0, 1], [1]]}), sink)
    files = {"README.md": card.encode(), "data/train-00000-of-00001.parquet": sink.getvalue()}
    hub.add_dataset("acme/names", files)
    part = read("acme/names", tmp_path, "train").parts[0]
    assert part.table["ner_tags"].to_pylist() == [["O", "B-PER"], ["B-PER"]]


def test_existing_path_wins_over_a_hub_id(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "acme" / "rows").mkdir(parents=True)
    (tmp_path / "acme" / "rows" / "a.csv").write_bytes(ROWS)
    assert read("acme/rows", tmp_path, "train").revision is None
    assert hub.requests == []


def test_reasons_are_told_apart(hub: HubServer, tmp_path: Path) -> None:
    hub.add_dataset("acme/rows", {"train.csv": ROWS})
    hub.add_dataset("acme/script", {"script.py": b"pass"})
    with pytest.raises(DataError, match="acme/none is neither a path here nor a data set"):
        read("acme/none", tmp_path, "train")
    with pytest.raises(DataError, match="acme/rows has no revision 'v9'"):
        read("acme/rows@v9", tmp_path, "train")
    with pytest.raises(DataError, match="holds no file that can be read") as caught:
        read("acme/script", tmp_path, "train")
    assert "acme/script@refs/convert/parquet" in str(caught.value.problems[0].hint)


def test_gated_data_set_says_how_to_get_in(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    hub.add_dataset("acme/shut", {"train.csv": ROWS})
    hub.gated.add("acme/shut")
    with pytest.raises(DataError, match="acme/shut is gated") as caught:
        read("acme/shut", tmp_path, "train")
    assert "hf auth login" in str(caught.value.problems[0].hint)


def test_cached_data_set_is_read_without_a_hub(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = hub.add_dataset("acme/rows", {"README.md": b"", "train.csv": ROWS, "test.csv": ROWS})
    read("acme/rows", tmp_path, "train")
    hub.stop()
    assert read("acme/rows", tmp_path, "train").revision == sha
    assert read(f"acme/rows@{sha}", tmp_path, "train").revision == sha
    # The client tries for half a minute to reach a hub unless told that there is none.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for absent, split in (("acme/other", "train"), ("acme/rows", "test")):
        with pytest.raises(DataError, match="not in the hub's cache, and the hub cannot be"):
            read(absent, tmp_path, split)


def test_a_repository_of_pictures_is_a_folder_of_them(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = {
        f"{split}/{name}/{number}.png": png(number, COLOURS[place], (8, 8))
        for split, first in (("train", 0), ("test", 100))
        for place, name in enumerate(("blue", "red"))
        for number in range(first, first + 3)
    }
    commit = hub.add_dataset("acme/photos", {"README.md": b"", **files})
    reading = read("acme/photos", tmp_path, "train", TASK)
    assert reading.revision == commit
    assert sorted(reading.parts[0].table["label"].to_pylist()) == ["blue"] * 3 + ["red"] * 3
    assert reading.parts[0].places[0].as_py() == "acme/photos/train/blue/0.png"


def test_a_repository_of_tables_with_pictures_in_them_downloads_the_split_alone(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    inside = [{"bytes": png(number, COLOURS[0], (8, 8)), "path": None} for number in range(3)]
    stream = io.BytesIO()
    pq.write_table(pa.table({"image": inside, "label": ["a", "b", "a"]}), stream)
    hub.add_dataset(
        "acme/photos", {"train.parquet": stream.getvalue(), "test.parquet": stream.getvalue()}
    )
    assert read("acme/photos", tmp_path, "train", TASK).parts[0].table.num_rows == 3
    fetched = {path.rsplit("/", 1)[1] for _, path in hub.requests if "/resolve/" in path}
    assert "test.parquet" not in fetched
