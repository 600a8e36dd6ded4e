"""Parquet, Arrow and saved data sets are read, and class indices get their names."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automl.data.formats import read_file
from automl.data.sources import read
from automl.errors import DataError
from tests.data.samples import Write, rows_of, target

TABLE = pa.table({"text": ["x", "y"], "label": [1, 0]})


def test_parquet_is_read_with_rows_from_one(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    assert rows_of(read_file(target(tmp_path / "a.parquet"))) == [(1, "x", 1), (2, "y", 0)]


def test_folder_names_with_equals_signs_add_no_columns(tmp_path: Path) -> None:
    (tmp_path / "label=z").mkdir()
    pq.write_table(TABLE.select(["text"]), tmp_path / "label=z" / "a.parquet")
    part = read_file(target(tmp_path / "label=z" / "a.parquet"))
    assert part.table.column_names == ["text"]


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_both_arrow_formats_are_read(tmp_path: Path, kind: str) -> None:
    opener = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with opener(str(tmp_path / "a.arrow"), TABLE.schema) as writer:
        writer.write_table(TABLE)
    assert rows_of(read_file(target(tmp_path / "a.arrow"))) == [(1, "x", 1), (2, "y", 0)]


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.feather"])
def test_damaged_file_is_an_error_that_names_it(write: Write, name: str) -> None:
    with pytest.raises(DataError, match=rf"{name} cannot be read as"):
        read_file(target(write(name, b"not a table at all")))


def _with_classes(values: list[int | None], names: str) -> pa.Table:
    features = f'{{"label": {{"names": {names}, "_type": "ClassLabel"}}}}'
    metadata = {"huggingface": f'{{"info": {{"features": {features}}}}}'}
    return pa.table({"label": pa.array(values, pa.int64())}).replace_schema_metadata(metadata)


def test_class_indices_become_names_and_minus_one_null(tmp_path: Path) -> None:
    table = _with_classes([1, 0, -1, None], '["neg", "pos"]')
    pq.write_table(table, tmp_path / "a.parquet")
    part = read_file(target(tmp_path / "a.parquet"))
    assert part.table["label"].to_pylist() == ["pos", "neg", None, None]
    assert part.classes == {"label": ("neg", "pos")}


def test_class_index_beyond_the_declared_names_is_an_error(tmp_path: Path) -> None:
    pq.write_table(_with_classes([2], '["neg", "pos"]'), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="holds class 2, but it declares only 2: neg, pos"):
        read_file(target(tmp_path / "a.parquet"))


@pytest.mark.slow
def test_saved_data_sets_are_read_as_datasets_reads_them(tmp_path: Path) -> None:
    import datasets

    label = datasets.ClassLabel(names=["neg", "pos"])
    features = datasets.Features({"text": datasets.Value("string"), "label": label})
    values = {"text": [f"t{n}" for n in range(6)], "label": [0, 1, 1, 0, 1, 0]}
    whole = datasets.Dataset.from_dict(values, features=features)
    whole.save_to_disk(str(tmp_path / "one"), num_shards=2)
    halves = datasets.DatasetDict(
        {"train": whole, "test": whole.filter(lambda r: r["label"] == 1)}
    ).rename_column("label", "mood")
    halves.save_to_disk(str(tmp_path / "many"))

    one = read("one", tmp_path, "train")
    assert [row for part in one.parts for row in part.table["label"].to_pylist()] == [
        "neg", "pos", "pos", "neg", "pos", "neg",
    ]  # fmt: skip
    assert [file.path for file in one.files] == [
        "data-00000-of-00002.arrow",
        "data-00001-of-00002.arrow",
    ]
    test = read("many", tmp_path, "test")
    assert test.parts[0].table["mood"].to_pylist() == ["pos", "pos", "pos"]
    assert test.parts[0].name == "many/test/data-00000-of-00001.arrow"
    with pytest.raises(DataError, match="no file for validation; it has"):
        read("many", tmp_path, "validation")


@pytest.mark.parametrize("kind", ["Sequence", "List", "LargeList", None])
def test_lists_of_class_indices_become_lists_of_names(tmp_path: Path, kind: str | None) -> None:
    import json

    label = {"names": ["O", "B-PER"], "_type": "ClassLabel"}
    feature = [label] if kind is None else {"feature": label, "_type": kind}
    described = json.dumps({"info": {"features": {"ner_tags": feature}}})
    table = pa.table({"ner_tags": pa.array([[0, 1], [], None, [-1]], pa.list_(pa.int64()))})
    pq.write_table(
        table.slice(0).replace_schema_metadata({"huggingface": described}), tmp_path / "a.parquet"
    )
    part = read_file(target(tmp_path / "a.parquet"))
    assert part.table["ner_tags"].to_pylist() == [["O", "B-PER"], [], None, [None]]
    assert part.classes == {"ner_tags": ("O", "B-PER")}
