"""Brings files behind a URL onto this machine for the time they are read. Knows no format."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from automl.data.formats import SUFFIXES, data_files, has_data_suffix
from automl.data.part import Target, refused
from automl.data.splitnames import picked

TIMEOUT_SECONDS = 60


def is_url(reference: str) -> bool:
    """Return whether the reference names a protocol: ``s3://``, ``https://``, ``memory://``."""
    return "://" in reference


@contextmanager
def fetched(url: str, split: str) -> Iterator[list[Target]]:
    """Yield copies of the files behind ``url``, which are gone afterwards.

    http(s) is one file; any other protocol goes through fsspec and may be a file, a folder (the
    split picks by name) or a glob. Raises DataError for what cannot be reached, found or opened.
    """
    with TemporaryDirectory(prefix="automl-") as held:
        folder = Path(held)
        web = urlsplit(url).scheme in ("http", "https")
        yield [_from_web(url, folder)] if web else _from_store(url, folder, split)


def _from_web(url: str, folder: Path) -> Target:
    parts = urlsplit(url)
    name = PurePosixPath(parts.path).name
    shown = f"{parts.scheme}://{parts.netloc}{parts.path}"  # a query may hold a token
    if not has_data_suffix(name):
        raise refused(f"{shown}: not a known kind of data file", f"known: {SUFFIXES}")
    copy = folder / name
    try:
        with urlopen(url, timeout=TIMEOUT_SECONDS) as answer, copy.open("wb") as stream:
            shutil.copyfileobj(answer, stream)
    except (URLError, OSError) as error:
        raise refused(f"{shown} cannot be fetched: {error}") from error
    return Target(copy, shown, name)


def _from_store(url: str, folder: Path, split: str) -> list[Target]:
    from fsspec.core import url_to_fs

    # Every store raises its own kinds of error for the same causes: all become one of ours.
    try:
        store, path = url_to_fs(url)
    except ImportError as error:
        raise refused(f"{url} needs a package that is not installed: {error}") from error
    except Exception as error:
        raise refused(f"{url} cannot be opened: {error}") from error
    try:
        wanted = _chosen(store, path.rstrip("/"), url, split)
        return [_copied(store, url, *file, folder) for file in wanted]
    except FileNotFoundError as error:
        raise refused(f"{url} does not exist") from error
    except OSError as error:
        raise refused(f"{url} cannot be read: {error}") from error


def _chosen(store: Any, path: str, url: str, split: str) -> list[tuple[str, str]]:
    """Return (path in the store, path from the source's root) of each file that is wanted."""
    if "*" in path or "?" in path:
        root = path.split("*")[0].split("?")[0].rpartition("/")[0]
        found = [file for file in sorted(store.glob(path)) if store.isfile(file)]
    elif store.isdir(path):
        root, found = path, sorted(store.find(path))
    else:
        return [(path, PurePosixPath(path).name)]
    relatives = {file[len(root) :].lstrip("/"): file for file in found}
    known = data_files(relatives)
    if not known:
        raise refused(f"{url} holds no data file", f"data files end in {SUFFIXES}")
    chosen = picked(known, split, url) if root == path else known
    return [(relatives[relative], relative) for relative in chosen]


def _copied(store: Any, url: str, path: str, relative: str, folder: Path) -> Target:
    copy = folder / relative
    copy.parent.mkdir(parents=True, exist_ok=True)
    with store.open(path, "rb") as source, copy.open("wb") as stream:
        shutil.copyfileobj(source, stream)
    return Target(copy, f"{urlsplit(url).scheme}://{path.lstrip('/')}", relative)
