"""How ``extends`` names a recipe that lies elsewhere: on the hub, or in git. Pure text.

``hub:owner/name/path.yaml@revision`` (``hub:datasets/owner/name/…`` for a data set repository) and
``git+https://host/repository.git@revision#path.yaml`` (also ``git+ssh``, ``git+file``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from posixpath import join, normpath
from typing import Literal
from urllib.parse import urlsplit

HUB, GIT = "hub:", "git+"
SCHEMES = ("https", "ssh", "file")
"""What git may speak: nothing that is not encrypted, and no helper program."""
_HUB_FORM = "write hub:owner/name/path/recipe.yaml@revision, or hub:datasets/owner/name/…"
_GIT_FORM = "write git+https://host/repository.git@revision#path/recipe.yaml"
_HUB = re.compile(
    r"(?P<repository>(?:datasets/)?[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)"
    r"/(?P<path>[^@]+)(?:@(?P<revision>.+))?"
)
_REVISION = re.compile(r"[A-Za-z0-9_][\w./+-]*")
_ORIGIN = re.compile(r"/?[A-Za-z0-9_~.][^\s\\]*")
COMMIT = re.compile(r"[0-9a-f]{40}")


class Unreadable(Exception):
    """Why a recipe from elsewhere cannot be had, with what to do about it; no place yet."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.hint = hint
        super().__init__(message)


def too_large(path: str, repository: str, size: int, most: int) -> Unreadable:
    """Return the error for a file that is larger than a recipe may be."""
    return Unreadable(
        f"{path} of {repository} has {size:,} bytes; a recipe may have {most:,}",
        "name a recipe, not a data file",
    )


@dataclass(frozen=True, slots=True)
class Address:
    """One file of one repository; ``revision`` is a branch, tag or commit, or None for the newest.

    ``repository`` is ``owner/name`` or ``datasets/owner/name`` for the hub, a URL for git.
    """

    kind: Literal["hub", "git"]
    repository: str
    revision: str | None
    path: str

    @property
    def name(self) -> str:
        """What errors call the file: as it would be written, a commit by its first digits."""
        revision = self.revision or ""
        at = f"@{revision[:7] if COMMIT.fullmatch(revision) else revision}" if revision else ""
        if self.kind == "hub":
            return f"{HUB}{self.repository}/{self.path}{at}"
        return f"{GIT}{self.repository}{at}#{self.path}"

    def beside(self, text: str) -> Address:
        """Return the address of the file that ``extends: text`` means inside this one.

        Raises Unreadable where the path leaves the repository.
        """
        return replace(self, path=_inside(join(self.path.rpartition("/")[0], text), text))


def parse(text: str) -> Address | None:
    """Return what ``text`` names, or None where it is a path on this machine.

    Raises Unreadable where it begins like an address and is none, or none that may be asked for.
    """
    if text.startswith(HUB):
        return _of_hub(text)
    return _of_git(text) if text.startswith(GIT) else None


def _of_hub(text: str) -> Address:
    found = _HUB.fullmatch(text.removeprefix(HUB))
    if found is None:
        raise Unreadable(f"{text!r} names no recipe on the hub", _HUB_FORM)
    path = _inside(found["path"], text)
    return Address("hub", found["repository"], _revision(found["revision"], text), path)


def _of_git(text: str) -> Address:
    parts = urlsplit(text.removeprefix(GIT))
    if parts.scheme not in SCHEMES:
        known = ", ".join(f"{GIT}{scheme}" for scheme in SCHEMES)
        raise Unreadable(f"{GIT}{parts.scheme} is not a way to fetch a recipe", f"known: {known}")
    if parts.password:
        raise Unreadable(
            f"the password for {parts.hostname} is in the recipe, which is shared",
            "leave it to git's credential helper, or use git+ssh",
        )
    if not parts.fragment or parts.query:
        raise Unreadable(f"{text!r} names no file of the repository", _GIT_FORM)
    origin, _, revision = parts.path.partition("@")
    hosts = [part for part in (parts.username, parts.hostname) if part is not None]
    has_host = bool(parts.hostname) == (parts.scheme != "file")
    if not has_host or not _ORIGIN.fullmatch(origin) or any(h.startswith("-") for h in hosts):
        raise Unreadable(f"{text!r} names no git repository", _GIT_FORM)
    url = f"{parts.scheme}://{parts.netloc}{origin}"
    return Address("git", url, _revision(revision or None, text), _inside(parts.fragment, text))


def _revision(revision: str | None, text: str) -> str | None:
    if revision is not None and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise Unreadable(
            f"{revision!r} in {text!r} is no revision", "write a branch, a tag or a commit"
        )
    return revision


def _inside(path: str, text: str) -> str:
    found = normpath(path)
    if path.startswith("/") or found in (".", "..") or found.startswith(("../", "-")):
        raise Unreadable(
            f"{text!r} is no file of the repository",
            "paths start from the file that names them and stay in its repository",
        )
    return found
