"""Folders of files that several machines share: on a disk they all see, or in an object store.

A folder is replaced as a whole: its files go under a new name first, and a small document that
names them, with their hashes, is written last. A reader finds the folder before or after, never a
mixture. Through fsspec; knows nothing of what the files hold.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import fsspec

from automl import documents
from automl.errors import InputError, StorageLost

TRIES = 5
FIRST_WAIT = 0.5
"""Seconds before what failed is tried again; doubled each time."""
Answer = TypeVar("Answer")


class Changing(Exception):
    """The folder was written to while it was read."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a folder holds: the name it lies under, and each file's BLAKE2b (hex)."""

    folder: str
    files: Mapping[str, str]
    schema: Literal["automl/listing"] = "automl/listing"
    version: int = 1


class Artifacts:
    """A place for folders, each under a name such as ``trials/0007/best``."""

    def __init__(self, url: str) -> None:
        """Use the place at ``url``: a path, or what fsspec knows (``s3://bucket/prefix``).

        Raises InputError when nothing can be written there.
        """
        self.url = url
        try:
            self._system, self._root = fsspec.core.url_to_fs(url)
            self._system.makedirs(self._root, exist_ok=True)
            probe = self._path(f".probe-{uuid.uuid4().hex}")
            self._system.pipe_file(probe, b"")
            self._system.rm_file(probe)
        except Exception as error:  # every store has its own
            raise InputError(f"artifacts {url} cannot be used: {error}") from None

    def put(self, name: str, folder: Path) -> None:
        """Make ``name`` what ``folder`` is now, but for what begins with a dot.

        Does nothing where it is that already. Raises Changing when the folder was written to at the
        same time, StorageLost when the place cannot be written to.
        """
        files = digests(folder)
        before = self._insisting(partial(self._listing, name))
        if before is not None and dict(before.files) == files:
            return
        new = f"{name}.{uuid.uuid4().hex[:12]}"
        try:
            for file in files:
                self._insisting(partial(self._upload, folder / file, f"{new}/{file}"))
            if digests(folder) != files:
                raise FileNotFoundError
        except FileNotFoundError:
            self._remove(new)
            raise Changing from None
        self._insisting(partial(self._write, f"{name}.json", Listing(new, files)))
        if before is not None:
            self._remove(before.folder)

    def get(self, name: str, folder: Path) -> bool:
        """Make ``folder`` what ``name`` is, verified; return whether there is such a thing.

        Raises StorageLost when it cannot be read.
        """
        return self._insisting(partial(self._get, name, folder))

    def delete(self, name: str) -> None:
        """Delete the folder, if it is there; raises StorageLost as ``put`` does."""
        self._insisting(partial(self._delete, name))

    def _delete(self, name: str) -> None:
        found = self._listing(name)
        if found is not None:
            with suppress(FileNotFoundError):
                self._system.rm_file(self._path(f"{name}.json"))
            self._remove(found.folder)

    def _get(self, name: str, folder: Path) -> bool:
        listing = self._listing(name)
        if listing is None:
            return False
        if folder.is_dir() and digests(folder) == dict(listing.files):
            return True
        fresh = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:12]}")
        fresh.mkdir(parents=True)
        try:
            for file, digest in listing.files.items():
                target = fresh / file
                target.parent.mkdir(parents=True, exist_ok=True)
                self._download(f"{listing.folder}/{file}", target)
                if _digest(target) != digest:
                    raise OSError(f"{listing.folder}/{file} is not what was written")
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return True

    def _download(self, name: str, target: Path) -> None:
        try:
            self._system.get_file(self._path(name), str(target))
        except FileNotFoundError:
            raise OSError(f"{name} is gone") from None  # replaced meanwhile: looked up again

    def _listing(self, name: str) -> Listing | None:
        # Another machine may have replaced it; what a store remembers of its folders is old.
        self._system.invalidate_cache()
        try:
            data = self._system.cat_file(self._path(f"{name}.json"))
        except FileNotFoundError:
            return None
        return documents.from_json(Listing, data)

    def _upload(self, file: Path, name: str) -> None:
        target = self._path(name)
        self._system.makedirs(target.rpartition("/")[0], exist_ok=True)
        self._system.put_file(str(file), target)

    def _write(self, name: str, listing: Listing) -> None:
        target = self._path(name)
        self._system.makedirs(target.rpartition("/")[0], exist_ok=True)
        fresh = f"{target}.{uuid.uuid4().hex[:12]}"
        self._system.pipe_file(fresh, documents.to_json(listing))
        self._system.mv(fresh, target)

    def _remove(self, folder: str) -> None:
        with suppress(FileNotFoundError):
            self._system.rm(self._path(folder), recursive=True)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _insisting(self, what: Callable[[], Answer]) -> Answer:
        """Call again, ever later, what a network or a store fails at; what is not there is not.

        Every store raises its own kinds of error for the same causes.
        """
        for wait in (*(FIRST_WAIT * 2**index for index in range(TRIES - 1)), None):
            try:
                return what()
            except FileNotFoundError:
                raise
            except Exception as error:
                if wait is None:
                    raise StorageLost(f"artifacts {self.url} cannot be used: {error}") from error
                time.sleep(wait)
        raise AssertionError("unreachable")


def digests(folder: Path) -> dict[str, str]:
    """Return path and BLAKE2b (hex) of each file below, but for what begins with a dot.

    Raises FileNotFoundError where one is deleted meanwhile.
    """
    names = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    seen = [name for name in names if not any(part.startswith(".") for part in name.parts)]
    return {name.as_posix(): _digest(folder / name) for name in seen}


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").hexdigest()
