"""Rows that name files: folders, tables and archives of pictures, and files of no use."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automl.data import media
from automl.errors import DataError
from tests.tasks.rehearsal import load
from tests.tasks.tiny_vision import COLOURS, png

TASK = "image-classification"
NAMES = ("blue", "green", "red")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def picture(path: Path, number: int, colour: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(number, COLOURS[colour], (8, 8)))
    return path


def by_class(root: Path, rows: int = 12, first: int = 0) -> Path:
    for number in range(first, first + rows):
        picture(root / NAMES[number % 3] / f"{number}.png", number, number % 3)
    return root


def splits(root: Path) -> Path:
    by_class(root / "train", 12)
    by_class(root / "valid", 6, 100)
    by_class(root / "test", 6, 200)
    return root


def found(loaded, split="train"):
    table = loaded.tables[split]
    pairs = zip(table["image"].to_pylist(), table["label"].to_pylist(), strict=True)
    return sorted((Path(path).name, label) for path, label in pairs)


def test_a_folder_for_each_class_and_split_is_read(tmp_path):
    splits(tmp_path / "photos")
    (tmp_path / "photos" / "README.md").write_text("about")
    loaded = load(tmp_path, TASK, train="photos", validation="photos", test="photos")
    assert loaded.plan.rows == {"train": 12, "validation": 6, "test": 6}
    assert loaded.plan.labels == ("blue", "green", "red")
    assert found(loaded, "test") == sorted((f"{n}.png", NAMES[n % 3]) for n in range(200, 206))
    assert loaded.plan.sources[0].files[0].path == "."
    assert str(tmp_path) not in json.dumps([str(s) for s in loaded.plan.sources])


def test_shares_are_taken_out_of_a_folder_without_splits_and_equal_pictures_stay_together(tmp_path):
    root = by_class(tmp_path / "photos", 60)
    for number in range(20):
        shutil.copy(root / NAMES[number % 3] / f"{number}.png",
                    root / NAMES[number % 3] / f"copy-{number}.png")  # fmt: skip
    loaded = load(tmp_path, TASK, train="photos", validation=0.2, test=0.2)
    sides = {}
    for split in loaded.tables:
        for name, _ in found(loaded, split):
            sides.setdefault(name.removeprefix("copy-"), set()).add(split)
    assert all(len(each) == 1 for each in sides.values())
    assert sum(loaded.plan.rows.values()) == 80


def test_a_file_whose_name_sounds_like_a_split_does_not_make_one(tmp_path):
    root = by_class(tmp_path / "photos", 30)
    picture(root / "red" / "test_drive.png", 77, 2)
    loaded = load(tmp_path, TASK, train="photos", validation=0.2, test=0.2)
    assert sum(loaded.plan.rows.values()) == 31


def test_a_table_names_files_beside_it_and_below_the_root(tmp_path):
    root = tmp_path / "set"
    lines = ["file_name,label"]
    for number in range(30):
        place = f"images/{number}.png"
        picture(root / place, number, number % 3)
        lines.append(f"{place},{NAMES[number % 3]}")
    (root / "lists").mkdir()
    (root / "lists" / "metadata.csv").write_text("\n".join(lines))
    loaded = load(tmp_path, TASK, train="set", validation=0.2, test=0.2)
    assert loaded.plan.columns == {"image": "file_name", "label": "label"}
    assert sum(loaded.plan.rows.values()) == 30


def test_the_column_of_files_is_told_by_its_values(tmp_path):
    lines = ["what,where"]
    for number in range(30):
        picture(tmp_path / f"{number}.png", number, number % 3)
        lines.append(f"{NAMES[number % 3]},{number}.png")
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    loaded = load(
        tmp_path, TASK, train="rows.csv", validation=0.2, test=0.2, columns={"label": "what"}
    )
    assert loaded.plan.columns["image"] == "where"


@pytest.mark.parametrize("form", ["struct", "binary"])
def test_files_within_a_table_give_the_same_data_as_files_in_a_folder(tmp_path, form):
    root = by_class(tmp_path / "photos", 30)
    inside = [(root / NAMES[number % 3] / f"{number}.png").read_bytes() for number in range(30)]
    values = inside if form == "binary" else [{"bytes": each, "path": None} for each in inside]
    labels = [NAMES[number % 3] for number in range(30)]
    pq.write_table(pa.table({"image": values, "label": labels}), tmp_path / "rows.parquet")
    one = load(tmp_path, TASK, train="photos", validation=0.2, test=0.2)
    other = load(tmp_path, TASK, train="rows.parquet", validation=0.2, test=0.2)
    assert one.plan.fingerprint == other.plan.fingerprint
    assert one.plan.split.hash == other.plan.split.hash


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_an_archive_stands_for_the_folder_in_it(tmp_path, ending):
    root = splits(tmp_path / "photos")
    kind = {"zip": "zip", "gz": "gztar"}[ending.rsplit(".", 1)[-1]]
    shutil.make_archive(str(tmp_path / "all"), kind, root)
    name = f"all{ending}"
    one = load(tmp_path, TASK, train=name, validation=name, test=name)
    other = load(tmp_path, TASK, train="photos", validation="photos", test="photos")
    assert one.plan.fingerprint == other.plan.fingerprint
    assert one.plan.sources[0].files[0].path == name


def test_a_damaged_archive_is_named(tmp_path):
    (tmp_path / "all.zip").write_bytes(b"PK no")
    with pytest.raises(DataError, match=r"all\.zip cannot be unpacked"):
        load(tmp_path, TASK, train="all.zip")


def test_an_archive_writes_nothing_outside_of_its_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("../../red/evil.png", png(0, COLOURS[0], (8, 8)))
        for number in range(30):
            archive.writestr(f"{NAMES[number % 3]}/{number}.png", png(number, COLOURS[number % 3]))
    load(tmp_path, TASK, train="all.zip", validation=0.2, test=0.2)
    (written,) = tmp_path.rglob("evil.png")
    (home,) = (tmp_path / "cache" / "automl" / "archives").iterdir()
    assert home in written.parents


def test_few_bad_files_are_named_and_left_out(tmp_path):
    root = by_class(tmp_path / "photos", 60)
    broken = root / "red" / "broken.png"
    broken.write_bytes(png(1, COLOURS[0], (64, 64))[:200])
    loaded = load(tmp_path, TASK, train="photos", validation=0.2, test=0.2, bad_files=0.05)
    assert sum(loaded.plan.rows.values()) == 60
    (said,) = [each for each in loaded.plan.warnings if "left out" in each]
    assert "photos/red/broken.png: is cut short" in said


def test_many_bad_files_end_the_run_with_the_list_and_what_to_write(tmp_path):
    root = by_class(tmp_path / "photos", 30)
    for number in range(3):
        (root / "red" / f"empty-{number}.png").write_bytes(b"")
    with pytest.raises(DataError) as raised:
        load(tmp_path, TASK, train="photos", validation=0.2, test=0.2)
    (problem,) = raised.value.problems
    assert problem.message.startswith("3 of 33 train rows have files of no use, more than the 1.0%")
    assert all(f"red/empty-{number}.png: is empty" in problem.message for number in range(3))
    assert "bad_files: 0.1}" in problem.hint
    assert problem.place is not None


def test_a_missing_file_is_named_with_the_row_that_names_it(tmp_path):
    lines = ["image,label"]
    for number in range(12):
        picture(tmp_path / f"{number}.png", number, number % 3)
        lines.append(f"{number}.png,{NAMES[number % 3]}")
    (tmp_path / "rows.csv").write_text("\n".join([*lines, "gone.png,red"]))
    with pytest.raises(DataError, match=r"rows\.csv:14: gone\.png is not there"):
        load(tmp_path, TASK, train="rows.csv", validation=0.2, test=0.2)


def test_pictures_in_no_folder_have_no_class(tmp_path):
    picture(tmp_path / "photos" / "1.png", 1, 1)
    with pytest.raises(DataError, match=r"1 of 1 files lie in no folder .* e\.g\. 1\.png"):
        load(tmp_path, TASK, train="photos")


def test_a_folder_of_something_else_says_what_it_looks_for(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.doc").write_text("a")
    with pytest.raises(DataError, match="photos holds no image and no data file"):
        load(tmp_path, TASK, train="photos")


def test_a_split_that_a_folder_has_not_is_named(tmp_path):
    by_class(tmp_path / "photos" / "train", 12)
    with pytest.raises(DataError, match="no folder for test; it has some for train"):
        load(tmp_path, TASK, train="photos", validation=0.2, test="photos")


def test_a_second_look_opens_no_file(tmp_path):
    file = str(picture(tmp_path / "a.png", 1, 1))
    first = media.seen_files([file], "image")
    stamp = Path(file).stat()
    Path(file).write_bytes(b"x" * stamp.st_size)
    import os

    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert media.seen_files([file], "image") == first
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    assert media.seen_files([file], "image")[file].fault


def test_the_same_picture_with_two_classes_is_told(tmp_path):
    root = by_class(tmp_path / "photos", 60)
    shutil.copy(root / "blue" / "0.png", root / "red" / "again.png")
    loaded = load(tmp_path, TASK, train="photos", validation=0.2, test=0.2)
    assert any("different classes" in said and "again.png" in said
               for said in loaded.plan.warnings)  # fmt: skip


def test_bad_files_of_several_splits_are_told_at_once_each_at_its_place(tmp_path):
    root = splits(tmp_path / "photos")
    (root / "test" / "red" / "bad.png").write_bytes(b"no picture")
    (root / "valid" / "red" / "bad.png").write_bytes(b"")
    with pytest.raises(DataError) as raised:
        load(tmp_path, TASK, train="photos", validation="photos", test="photos")
    places = {problem.message.split()[3]: problem.place.text for problem in raised.value.problems}
    assert places == {"validation": "  validation: photos", "test": "  test: photos"}
