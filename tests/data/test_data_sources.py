"""A source reference leads to files: paths, folders, globs and URLs."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from automl.data.sources import read
from automl.data.splitnames import split_of
from automl.errors import DataError
from tests.data.samples import Write

ROWS = "text,label\nhi,a\n"


def _names(reference: str, folder: Path, split: str = "train") -> list[str]:
    return [part.name for part in read(reference, folder, split).parts]


def test_file_is_hashed_and_named_as_written(write: Write, tmp_path: Path) -> None:
    write("data/a.csv", ROWS)
    reading = read("./data/a.csv", tmp_path, "train")
    assert reading.parts[0].name == "data/a.csv"
    assert reading.files[0].path == "a.csv"
    assert reading.files[0].sha256 == hashlib.sha256(ROWS.encode()).hexdigest()
    assert reading.files[0].bytes == len(ROWS)


def test_absolute_reference_leaves_no_absolute_path_behind(write: Write, tmp_path: Path) -> None:
    path = write("data/a.csv", ROWS)
    for reference in (str(path), str(path.parent), f"{path.parent}/*.csv"):
        reading = read(reference, tmp_path / "elsewhere", "train")
        assert (reading.parts[0].name, reading.files[0].path) == ("a.csv", "a.csv")


def test_folder_gives_all_its_data_files_in_order(write: Write, tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "sub/c.csv", "README.md", ".hidden.csv", "__pycache__/x.csv"):
        write(f"data/{name}", ROWS)
    assert _names("data", tmp_path) == ["data/a.csv", "data/b.csv", "data/sub/c.csv"]


def test_folder_with_split_files_gives_the_wanted_one(write: Write, tmp_path: Path) -> None:
    for name in ("train.csv", "dev.csv", "test/part1.csv", "notes.csv"):
        write(f"data/{name}", ROWS)
    assert _names("data", tmp_path, "train") == ["data/train.csv"]
    assert _names("data/", tmp_path, "validation") == ["data/dev.csv"]
    assert _names("data", tmp_path, "test") == ["data/test/part1.csv"]


def test_folder_without_the_wanted_split_says_what_it_has(write: Write, tmp_path: Path) -> None:
    write("data/train.csv", ROWS)
    with pytest.raises(DataError, match=r"no file for test; it has train\.csv \(train\)"):
        read("data", tmp_path, "test")


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train.csv", "train"),
        ("data/train-00000-of-00002.parquet", "train"),
        ("my_dev.jsonl", "validation"),
        ("x/Test/a.csv", "test"),
        ("train/eval.csv", "test"),
        ("train_test.csv", None),
        ("trains.csv", None),
        ("contest.csv", None),
    ],
)
def test_split_is_read_off_whole_words_of_the_nearest_name(path: str, split: str | None) -> None:
    assert split_of(path) == split


def test_glob_crosses_folders_and_is_sorted(write: Write, tmp_path: Path) -> None:
    for name in ("b/2.csv", "a/deep/1.csv", "a/x.txt"):
        write(f"data/{name}", ROWS)
    reading = read("data/**/*", tmp_path, "train")
    assert [part.name for part in reading.parts] == ["data/a/deep/1.csv", "data/b/2.csv"]
    assert [file.path for file in reading.files] == ["a/deep/1.csv", "b/2.csv"]


def test_file_whose_name_looks_like_a_glob_is_that_file(write: Write, tmp_path: Path) -> None:
    write("a[1].csv", ROWS)
    assert _names("a[1].csv", tmp_path) == ["a[1].csv"]


def test_glob_without_match_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no data file matches data/\*\.csv"):
        read("data/*.csv", tmp_path, "train")


def test_missing_file_hints_at_the_nearest_name(write: Write, tmp_path: Path) -> None:
    write("data/tickets.csv", ROWS)
    with pytest.raises(DataError) as caught:
        read("data/ticket.csv", tmp_path, "train")
    assert caught.value.problems[0].message == "data/ticket.csv does not exist"
    assert caught.value.problems[0].hint == "did you mean 'data/tickets.csv'?"


def test_missing_folder_hints_at_the_nearest_folder(write: Write, tmp_path: Path) -> None:
    write("dataset/tickets.csv", ROWS)
    with pytest.raises(DataError) as caught:
        read("datasets/tickets.csv", tmp_path, "train")
    assert caught.value.problems[0].hint == "did you mean 'dataset'?"


def test_missing_file_with_no_near_name_lists_what_is_there(write: Write, tmp_path: Path) -> None:
    write("data/abc.csv", ROWS)
    with pytest.raises(DataError) as caught:
        read("data/zzzzzz.jsonl", tmp_path, "train")
    assert caught.value.problems[0].hint == "data holds abc.csv"


def test_unknown_kind_of_file_lists_the_known_ones(write: Write, tmp_path: Path) -> None:
    write("a.xlsx", "x")
    with pytest.raises(DataError, match="not a known kind of data file") as caught:
        read("a.xlsx", tmp_path, "train")
    assert ".parquet" in str(caught.value.problems[0].hint)


def test_folder_without_data_is_an_error(write: Write, tmp_path: Path) -> None:
    write("data/README.md", "x")
    with pytest.raises(DataError, match="data holds no data file"):
        read("data", tmp_path, "train")


def test_all_bad_files_of_a_folder_are_named_at_once(write: Write, tmp_path: Path) -> None:
    write("data/a.csv", "")
    write("data/b.jsonl", "{")
    write("data/c.csv", ROWS)
    with pytest.raises(DataError) as caught:
        read("data", tmp_path, "train")
    assert [p.message.split()[0] for p in caught.value.problems] == [
        "data/a.csv",
        "data/b.jsonl:1:",
    ]


@pytest.fixture
def web(write: Write, tmp_path: Path) -> Iterator[str]:
    write("web/a.csv", ROWS)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_web_file_is_fetched_hashed_and_named_without_its_query(web: str, tmp_path: Path) -> None:
    reading = read(f"{web}/a.csv?token=secret", tmp_path, "train")
    assert reading.parts[0].name == f"{web}/a.csv"
    assert reading.parts[0].table["text"].to_pylist() == ["hi"]
    assert reading.files[0].sha256 == hashlib.sha256(ROWS.encode()).hexdigest()


def test_missing_web_file_is_an_error_without_its_query(web: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv cannot be fetched: .*404") as caught:
        read(f"{web}/none.csv?token=secret", tmp_path, "train")
    assert "secret" not in str(caught.value)


def test_stores_give_files_folders_and_globs(tmp_path: Path) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    store.pipe({"/bucket/in/train.csv": ROWS.encode(), "/bucket/in/test.csv": ROWS.encode()})
    try:
        assert _names("memory://bucket/in/test.csv", tmp_path) == ["memory://bucket/in/test.csv"]
        assert _names("memory://bucket/in", tmp_path) == ["memory://bucket/in/train.csv"]
        glob = read("memory://bucket/*/*.csv", tmp_path, "train")
        assert [file.path for file in glob.files] == ["in/test.csv", "in/train.csv"]
    finally:
        store.rm("/bucket", recursive=True)


def test_file_url_is_read_like_any_store(write: Write, tmp_path: Path) -> None:
    path = write("a.csv", ROWS)
    assert read(f"file://{path}", tmp_path, "train").files[0].path == "a.csv"


def test_missing_store_file_and_unknown_protocol_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read("memory://none/a.csv", tmp_path, "train")
    with pytest.raises(DataError, match="nosuch://a/b cannot be opened"):
        read("nosuch://a/b", tmp_path, "train")
