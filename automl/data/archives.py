"""Archives of files, unpacked once into the user's cache under their content's name."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

from automl import cache
from automl.data.part import refused

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
KIND = "archives"


def is_archive(name: str) -> bool:
    """Return whether the name ends as an archive's does."""
    return name.lower().endswith(SUFFIXES)


def unpacked(path: Path) -> Path:
    """Return the folder that holds what is in the archive, whole or not at all.

    Members that point out of it are not written. Raises DataError where it can't be read.
    """
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise refused(f"{path.name} cannot be read: {error.strerror}") from error
    target = cache.folder() / KIND / digest
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=".unpacking-"))
    try:
        _unpack(path, temporary)
        try:
            os.rename(temporary, target)
        except OSError:
            if not target.is_dir():  # else another process was faster
                raise
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, RuntimeError) as error:
        raise refused(f"{path.name} cannot be unpacked: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _unpack(path: Path, folder: Path) -> None:
    if path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(path) as archive:  # leaves out what points outside by itself
            archive.extractall(folder)
    else:
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")
