"""One tar of a staged folder, the same bytes for the same content; and the folder back from it.

What comes out is checked against the manifest while it is written: names, sizes, hashes.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from automl import documents, folders
from automl.catalog import hashes
from automl.documents import replacing
from automl.errors import InputError, Problem
from automl.inputs.manifest import NAME, Manifest
from automl.plan import FileHash

LARGEST_MANIFEST = 64_000_000
CHUNK = 1 << 20
Say = Callable[[str], None]


def listing(folder: Path) -> tuple[FileHash, ...]:
    """Return every file below, hashed, by path."""
    found = (path for path in folder.rglob("*") if path.is_file())
    names = sorted(path.relative_to(folder).as_posix() for path in found)
    return tuple(hashes.file_hash(folder, name) for name in names if name != NAME)


def write(folder: Path, manifest: Manifest, target: Path, say: Say) -> None:
    """Write the folder's files to the tar ``target``, whole or not at all, the manifest first.

    Owners, times and modes are left out, so that equal content gives equal bytes.
    """
    about = documents.to_json(manifest)
    with replacing(target) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        tar.addfile(_member(NAME, len(about)), io.BytesIO(about))
        for index, each in enumerate(manifest.files, start=1):
            say(f"{index} of {len(manifest.files)}: {each.path} ({each.bytes:,} bytes)")
            with (folder / each.path).open("rb") as content:
                tar.addfile(_member(each.path, each.bytes), content)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o644, 0
    return member


def unpack(source: Path, say: Say) -> tuple[Path, Manifest]:
    """Return the folder beside ``source`` that holds what is in it, and its manifest.

    It is unpacked once; a folder that is there already, of the same manifest and whole, is used as
    it is. Raises InputError: no file of inputs, damage, paths that lead out of it, no room, or
    something else in the folder's place.
    """
    target = source.with_suffix("") if source.suffix else source.with_name(f"{source.name}.d")
    target = target.absolute()
    try:
        with tarfile.open(source, mode="r:") as tar:
            manifest = _manifest(tar, source)
            if target.exists():
                _refuse_other(target, manifest, source)
                return target, manifest
            _refuse_full_disk(target, manifest)
            building = folders.beside(target, "partial")
            shutil.rmtree(building, ignore_errors=True)
            try:
                _extract(tar, manifest, building, source, say)
                documents.write(building / NAME, manifest)
                os.rename(building, target)
            finally:
                shutil.rmtree(building, ignore_errors=True)
    except (tarfile.TarError, EOFError) as error:
        raise _damaged(source, str(error)) from error
    return target, manifest


def _manifest(tar: tarfile.TarFile, source: Path) -> Manifest:
    first = tar.next()
    stream = tar.extractfile(first) if first is not None and first.isfile() else None
    if first is None or stream is None or first.name != NAME or first.size > LARGEST_MANIFEST:
        raise InputError(
            Problem(
                f"{source} is no file of inputs: it does not begin with {NAME}",
                hint="automl bundle-inputs recipe.yaml -o inputs.tar makes one",
            )
        )
    found = documents.from_json(Manifest, stream.read(), source=f"{NAME} of {source}")
    found.refuse_escapes(str(source))
    return found


def _refuse_other(target: Path, manifest: Manifest, source: Path) -> None:
    """Raise InputError unless ``target`` is what the file would be unpacked to."""
    there = target / NAME
    same = there.is_file() and there.read_bytes() == documents.to_json(manifest)
    if same and all(_is_as_written(target / each.path, each) for each in manifest.files):
        return
    raise InputError(
        Problem(
            f"{target} is there and is not what {source.name} holds",
            hint=f"mv {target} {target}.old, or rename {source.name}",
        )
    )


def _is_as_written(path: Path, each: FileHash) -> bool:
    """Hashes of big files are remembered: a second run does not read them again."""
    there = path.is_file() and path.stat().st_size == each.bytes
    return there and hashes.sha256(path) == each.sha256


def _refuse_full_disk(target: Path, manifest: Manifest) -> None:
    free = shutil.disk_usage(target.parent).free
    if manifest.bytes > free:
        message = f"{manifest.bytes:,} bytes are to be unpacked; {target.parent} has {free:,} free"
        raise InputError(Problem(message, hint="move the file to a larger disk"))


def _extract(
    tar: tarfile.TarFile, manifest: Manifest, building: Path, source: Path, say: Say
) -> None:
    wanted = {each.path: each for each in manifest.files}
    for member in tar:
        if member.name == NAME:
            continue
        each = wanted.pop(member.name, None)
        if each is None or not member.isfile() or member.size != each.bytes:
            raise _damaged(source, f"{member.name!r} is not as its manifest says")
        content = tar.extractfile(member)
        assert content is not None
        say(f"{each.path} ({each.bytes:,} bytes)")
        path = building / each.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as stream:
            if _copied(content, stream) != each.sha256:
                raise _damaged(source, f"{each.path} has other content than its manifest says")
    if wanted:
        raise _damaged(source, f"{min(wanted)} is missing")


def _copied(content: IO[bytes], stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := content.read(CHUNK):
        digest.update(chunk)
        stream.write(chunk)
    return digest.hexdigest()


def _damaged(source: Path, why: str) -> InputError:
    return InputError(Problem(f"{source} is damaged: {why}", hint="copy it again, and compare"))
