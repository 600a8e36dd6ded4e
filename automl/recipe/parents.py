"""The files a recipe is made of: on this machine, on the hub, in git; one form for all.

Reads bytes; knows neither YAML nor what a recipe means.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from automl.plan import Parent
from automl.recipe import git, hub
from automl.recipe.addresses import COMMIT, Address
from automl.recipe.text import LARGEST_BYTES

Pins = Callable[[], Mapping[str, str]]
"""Gives reference as written → commit; asked only where a recipe has a parent from elsewhere."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A recipe on this machine."""

    path: Path

    @property
    def name(self) -> str:
        """What errors call it."""
        return str(self.path)

    @property
    def identity(self) -> object:
        """Equal for two ways to the same file."""
        return self.path.resolve()

    def read(self) -> bytes:
        """Return its content; raises OSError."""
        return self.path.read_bytes()

    def beside(self, text: str) -> LocalFile:
        """Return the file that ``text`` means inside this one."""
        return LocalFile(Path(os.path.normpath(self.path.parent / text)))


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A recipe from elsewhere, at one commit."""

    address: Address

    @property
    def name(self) -> str:
        """What errors call it."""
        return self.address.name

    @property
    def identity(self) -> object:
        """Equal for two ways to the same file."""
        return self.address

    def read(self) -> bytes:
        """Return its content; raises Unreadable."""
        at = self.address
        assert at.revision is not None
        source = hub if at.kind == "hub" else git
        content: bytes = source.read(at.repository, at.revision, at.path, LARGEST_BYTES)
        return content

    def beside(self, text: str) -> RemoteFile:
        """Return the file that ``text`` means inside this one: same repository, same commit."""
        return RemoteFile(self.address.beside(text))


File = LocalFile | RemoteFile


@dataclass(slots=True)
class RemoteFiles:
    """Opens files from elsewhere, each reference at one commit as long as this lives."""

    pins: Pins
    _pinned: Mapping[str, str] | None = None
    _commits: dict[tuple[str, str, str | None], str] = field(default_factory=dict)
    _parents: dict[str, Parent] = field(default_factory=dict)

    @property
    def parents(self) -> tuple[Parent, ...]:
        """Every reference that was opened, with its commit, in the order of their names."""
        return tuple(self._parents[name] for name in sorted(self._parents))

    def file(self, address: Address, reference: str) -> RemoteFile:
        """Return the file at the commit that the lock has for ``reference``, or that holds now.

        Raises Unreadable where the repository or the revision cannot be had.
        """
        if self._pinned is None:
            self._pinned = self.pins()
        pin = self._pinned.get(reference)
        wanted = pin if pin and COMMIT.fullmatch(pin) else address.revision
        key = (address.kind, address.repository, wanted)
        if key not in self._commits:
            source = hub if address.kind == "hub" else git
            self._commits[key] = source.commit(address.repository, wanted)
        commit = self._commits[key]
        self._parents[reference] = Parent(reference, commit)
        return RemoteFile(replace(address, revision=commit))
