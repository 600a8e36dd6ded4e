"""Split tables on disk: Arrow streams that ``datasets.Dataset.from_file`` maps into memory."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from automl import documents

BATCH_ROWS = 1000
"""Rows a record batch holds; what a reader touches to get at one row."""


def write_table(table: pa.Table, path: Path) -> None:
    """Write the table as an Arrow IPC stream; ``path`` holds all of it or its old content."""
    with documents.replacing(path) as stream, pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table, max_chunksize=BATCH_ROWS)


def read_table(path: Path) -> pa.Table:
    """Return the table written at ``path``, mapped rather than copied."""
    return pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
