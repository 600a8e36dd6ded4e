"""The files that rows name."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from automl.inputs.media import paths


def test_files_of_all_splits_are_found_once_also_where_a_row_has_several() -> None:
    one = pa.table({"image": ["/a/1.png", "/a/2.png", None], "label": ["x", "y", "z"]})
    several = pa.table({"image": [["/a/2.png", "/a/3.png"], []]})
    found = paths({"train": one, "test": several}, ["image", "audio"])
    assert found == tuple(Path(f"/a/{n}.png") for n in (1, 2, 3))
