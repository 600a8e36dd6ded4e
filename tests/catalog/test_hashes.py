from __future__ import annotations

import hashlib
import os
from pathlib import Path

from automl.catalog import hashes


def test_a_big_file_is_hashed_once(tmp_path: Path, own_cache: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(os.urandom(hashes.REMEMBERED_FROM))
    first = hashes.sha256(path)
    (remembered,) = (own_cache / "hashes").iterdir()
    assert remembered.read_text() == first == hashlib.sha256(path.read_bytes()).hexdigest()
    remembered.write_text("0" * 64)
    assert hashes.sha256(path) == "0" * 64


def test_a_changed_file_is_hashed_again(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"a" * hashes.REMEMBERED_FROM)
    first = hashes.sha256(path)
    status = path.stat()
    path.write_bytes(b"b" * hashes.REMEMBERED_FROM)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert hashes.sha256(path) != first


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path, own_cache: Path) -> None:
    own_cache.parent.mkdir()
    own_cache.write_text("a file where the folder should be")
    path = tmp_path / "weights"
    path.write_bytes(b"a" * hashes.REMEMBERED_FROM)
    assert hashes.sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()
