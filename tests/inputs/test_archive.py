"""The tar of inputs: the same bytes each time, and nothing but what its manifest says comes out."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from automl import documents
from automl.errors import InputError
from automl.inputs import archive
from automl.inputs.manifest import NAME, Manifest
from automl.plan import FileHash
from tests import commands

FILES = {"project/recipe.yaml": b"recipe: 1\n", "project/rows.csv": b"text,label\n" * 500}


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        documents.write_bytes(tmp_path / "staged" / name, data)
    return tmp_path / "staged"


@pytest.fixture
def manifest(staged: Path) -> Manifest:
    return Manifest("t", "project/recipe.yaml", archive.listing(staged), (), "3.11 Linux")


def quiet(_: str) -> None:
    pass


def packed(staged: Path, manifest: Manifest, name: str = "inputs.tar") -> Path:
    target = staged.parent / name
    archive.write(staged, manifest, target, quiet)
    return target


def forged(path: Path, manifest: Manifest, members: dict[str, bytes | tarfile.TarInfo]) -> Path:
    """Write a tar with that manifest and whatever members."""
    about = documents.to_json(manifest)
    with tarfile.open(path, "w") as tar:
        for name, data in {NAME: about, **members}.items():
            if isinstance(data, tarfile.TarInfo):
                tar.addfile(data)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_what_was_packed_comes_out_and_is_unpacked_once(staged, manifest) -> None:
    said: list[str] = []
    tar = packed(staged, manifest)
    folder, found = archive.unpack(tar, said.append)
    assert folder == staged.parent / "inputs"
    assert found == manifest
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert len(said) == len(FILES)
    assert archive.unpack(tar, said.append) == (folder, manifest)
    assert len(said) == len(FILES)
    assert sorted(path.name for path in staged.parent.iterdir()) == [
        "inputs",
        "inputs.tar",
        "staged",
    ]


def test_equal_content_gives_equal_bytes(staged, manifest) -> None:
    first = packed(staged, manifest).read_bytes()
    for path in staged.rglob("*"):
        path.touch()
    (staged / "project" / "rows.csv").chmod(0o600)
    assert packed(staged, manifest, "again.tar").read_bytes() == first


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a//x", "", "a\\x"])
def test_paths_that_lead_out_are_refused(tmp_path, manifest, path: str) -> None:
    bad = replace(manifest, files=(*manifest.files, FileHash(path, "0" * 64, 1)))
    with pytest.raises(InputError, match="leads out of it"):
        archive.unpack(forged(tmp_path / "bad.tar", bad, {path or "x": b"x"}), quiet)
    assert not (tmp_path / "bad").exists()


def _link(name: str) -> tarfile.TarInfo:
    link = tarfile.TarInfo(name)
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    return link


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: {**f, "project/more.txt": b"x"}, "is not as its manifest says"),
        (lambda f: {**f, "../more.txt": b"x"}, "is not as its manifest says"),
        (lambda f: {**f, "project/rows.csv": b"short"}, "is not as its manifest says"),
        (lambda f: {**f, "project/rows.csv": b"x" * 5500}, "has other content"),
        (lambda f: {**f, "project/rows.csv": _link("project/rows.csv")}, "is not as its manifest"),
        (lambda f: {"project/recipe.yaml": f["project/recipe.yaml"]}, "rows.csv is missing"),
    ],
)
def test_what_differs_from_the_manifest_is_refused(
    tmp_path, manifest, change: Callable[[dict[str, bytes]], dict[str, bytes]], said: str
) -> None:
    tar = forged(tmp_path / "bad.tar", manifest, change(FILES))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=said):
        archive.unpack(tar, quiet)
    assert [path.name for path in tmp_path.iterdir() if path.name != "staged"] == ["bad.tar"]


def test_a_file_that_was_cut_or_is_another_is_refused(staged, manifest, tmp_path) -> None:
    tar = packed(staged, manifest)
    tar.write_bytes(tar.read_bytes()[:4000])
    with pytest.raises(InputError, match="is damaged"):
        archive.unpack(tar, quiet)
    (tmp_path / "other.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(InputError, match="is damaged"):
        archive.unpack(tmp_path / "other.tar", quiet)
    plain = forged(tmp_path / "plain.tar", manifest, {})
    with tarfile.open(plain, "w") as made:
        made.addfile(_link("x"))
    with pytest.raises(InputError, match="is no file of inputs"):
        archive.unpack(plain, quiet)


def test_run_refuses_a_tar_that_holds_no_inputs(tmp_path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as made:
        made.addfile(tarfile.TarInfo("notes.txt"))
    done = commands.automl("run", "x.tar", cwd=tmp_path)
    assert done.returncode == 2
    assert "is no file of inputs" in done.stderr
    assert "hint: automl bundle-inputs" in done.stderr


def test_something_else_in_the_place_is_left_alone(staged, manifest) -> None:
    tar = packed(staged, manifest)
    folder, _ = archive.unpack(tar, quiet)
    (folder / "project" / "rows.csv").write_bytes(b"x" * 5500)
    with pytest.raises(InputError, match=r"is not what inputs.tar holds(.|\n)*hint: mv"):
        archive.unpack(tar, quiet)


def test_more_than_the_disk_has_room_for_is_refused(tmp_path, manifest) -> None:
    huge = replace(manifest, files=(replace(manifest.files[0], bytes=1 << 60),))
    with pytest.raises(InputError, match="are to be unpacked"):
        archive.unpack(forged(tmp_path / "huge.tar", huge, {}), quiet)
