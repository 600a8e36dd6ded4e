"""Split tables are files that data set tools map into memory."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from automl.data.tables import read_table, write_table

TABLE = pa.table({"text": [f"t{n}" for n in range(2500)], "label": ["a"] * 2500})


def test_written_table_is_read_back(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path / "deep" / "train.arrow")
    assert read_table(tmp_path / "deep" / "train.arrow").equals(TABLE)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["train.arrow"]


def test_failed_write_leaves_the_old_table_alone(tmp_path: Path) -> None:
    path = tmp_path / "train.arrow"
    write_table(TABLE, path)
    with pytest.raises(AttributeError):
        write_table("no table", path)
    assert read_table(path).num_rows == 2500
    assert [found.name for found in tmp_path.iterdir()] == ["train.arrow"]


def test_equal_tables_are_equal_bytes(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path / "one.arrow")
    write_table(pa.concat_tables([TABLE.slice(0, 7), TABLE.slice(7)]).combine_chunks(),
                tmp_path / "two.arrow")  # fmt: skip
    assert (tmp_path / "one.arrow").read_bytes() == (tmp_path / "two.arrow").read_bytes()


@pytest.mark.slow
def test_datasets_maps_the_file(tmp_path: Path) -> None:
    import datasets

    write_table(TABLE, tmp_path / "train.arrow")
    found = datasets.Dataset.from_file(str(tmp_path / "train.arrow"))
    assert found[:] == TABLE.to_pydict()
    assert found.cache_files == [{"filename": str(tmp_path / "train.arrow")}]
