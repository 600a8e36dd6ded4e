"""A finished bundle, uploaded. Runs after the bundle is in place: what fails here loses nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from automl import documents
from automl.bundle import INFO, BundleInfo
from automl.catalog import hashes
from automl.errors import AutoMLError, ChecksMissed
from automl.patience import patiently

TRIES = 3
FIRST_WAIT = 2.0
"""Seconds before an upload whose connection broke is begun again; doubled each time."""
MAIN = "main"
ATTRIBUTES = ".gitattributes"
"""What every repository on the hub has of its own."""
State = Literal["new", "changed", "the same"]


@dataclass(frozen=True, slots=True)
class Push:
    """Where a bundle goes. ``private`` counts where the repository does not exist yet."""

    folder: Path
    repository: str
    private: bool = True
    revision: str | None = None
    """Branch, made from the main one where it is not there; None is the main one."""
    force: bool = False
    """Whether a bundle whose checks were missed goes all the same."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a bundle, and what of it the repository has."""

    path: str
    bytes: int
    state: State


@dataclass(frozen=True, slots=True)
class Preview:
    """What a push would do, found out without changing anything."""

    files: tuple[Upload, ...]
    stays: tuple[str, ...]
    """Files of the repository that the bundle does not have: they stay."""
    exists: bool
    private: bool
    """Of the repository as it is, or as it would be created."""
    branch_exists: bool
    card: tuple[str, ...]
    """What the hub's validator has against the card; empty: it is valid."""
    missed: tuple[str, ...]
    """Checks that the bundle missed; without ``force`` it would be refused."""

    @property
    def bytes(self) -> int:
        """Bytes that would be sent."""
        return sum(each.bytes for each in self.files if each.state != "the same")


def push(what: Push, on_wait: Callable[[str], None] = lambda _: None) -> str:
    """Upload the bundle to the hub as one commit and return the repository's address.

    The repository is created where it does not exist. Files of the repository that the bundle
    does not have stay. When the connection breaks the upload is begun again, of which ``on_wait``
    hears; large files that have arrived are not sent twice. Raises ChecksMissed where the bundle
    missed checks and ``force`` is not set, AutoMLError saying why (no token, no right, no network,
    an invalid card) and how to go on.
    """
    missed = missed_checks(what.folder)
    if missed and not what.force:
        raise ChecksMissed(
            f"the bundle was not uploaded to {what.repository}: it missed {'; '.join(missed)}\n"
            f"  hint: it lies complete in {what.folder}; "
            f"automl push {what.folder} {what.repository} --force uploads it all the same"
        )
    hub = _client(what)
    with _explained(what, hub.endpoint):
        address = patiently(
            lambda: hub.create_repo(what.repository, private=what.private, exist_ok=True)
        )
        if what.revision not in (None, MAIN):
            patiently(
                lambda: hub.create_branch(address.repo_id, branch=what.revision, exist_ok=True)
            )
        _insisting(
            lambda: hub.upload_folder(
                repo_id=address.repo_id,
                folder_path=what.folder,
                revision=what.revision,
                commit_message="Upload the bundle",
            ),
            on_wait,
        )
    return str(address)


def preview(what: Push) -> Preview:
    """Return what ``push`` would do. Asks the hub, also whether the card is valid; changes nothing.

    Raises AutoMLError as ``push`` does.
    """
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    hub = _client(what)
    branch = what.revision or MAIN
    with _explained(what, hub.endpoint):
        card = _card_problems(what.folder)
        try:
            private, exists = _is_private(hub, what.repository), True
        except RepositoryNotFoundError:
            private, exists = what.private, False
        try:
            there, branch_exists = _tree(hub, what.repository, branch) if exists else {}, exists
        except RevisionNotFoundError:
            there, branch_exists = _tree(hub, what.repository, MAIN), False
    files = tuple(_upload(what.folder, name, there) for name in _names(what.folder))
    stays = tuple(sorted(set(there) - {each.path for each in files} - {ATTRIBUTES}))
    missed = missed_checks(what.folder)
    return Preview(files, stays, exists, private, branch_exists, card, missed)


def missed_checks(folder: Path) -> tuple[str, ...]:
    """Return the checks that the bundle in ``folder`` missed, each with what was measured."""
    info = documents.read(BundleInfo, folder / INFO)
    return tuple(
        each.expression + ("" if each.actual is None else f" (it is {each.actual:.4g})")
        for each in info.checks
        if not each.passed
    )


def _client(what: Push) -> Any:
    from huggingface_hub import HfApi, get_token

    if get_token() is None:
        raise _failed(what, "no token is set", _LOGIN)
    return HfApi(library_name="automl")


def _insisting(upload: Callable[[], object], on_wait: Callable[[str], None]) -> None:
    """Begin again, later each time, where the connection breaks: what has arrived is not resent.

    The client repeats single requests itself; the commit at the end is none of them.
    """
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    for attempt in range(1, TRIES + 1):
        try:
            patiently(upload)
            return
        except (HTTPError, ConnectionError) as error:
            answered = isinstance(error, HfHubHTTPError) and error.response.status_code < 500
            if answered or isinstance(error, OfflineModeIsEnabled) or attempt == TRIES:
                raise
            wait = FIRST_WAIT * 2 ** (attempt - 1)
            on_wait(f"the upload broke off ({_line(error)}); begun again in {wait:.0f} s")
            time.sleep(wait)


def _card_problems(folder: Path) -> tuple[str, ...]:
    from huggingface_hub import ModelCard

    path = folder / "README.md"
    if not path.is_file():
        return ("the bundle has no README.md",)
    try:
        ModelCard.load(path).validate()
    except ValueError as error:
        return tuple(str(error).strip().splitlines())
    return ()


def _is_private(hub: Any, repository: str) -> bool:
    return bool(patiently(lambda: hub.repo_info(repository)).private)


def _tree(hub: Any, repository: str, revision: str) -> dict[str, Any]:
    found = patiently(
        lambda: list(hub.list_repo_tree(repository, recursive=True, revision=revision))
    )
    return {each.path: each for each in found if hasattr(each, "blob_id")}


def _names(folder: Path) -> list[str]:
    """Return the files that the client uploads: all but what it keeps for itself."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if path.parts[0] not in (".cache", ".git"))


def _upload(folder: Path, name: str, there: Mapping[str, Any]) -> Upload:
    path = folder / name
    state: State = "new"
    if name in there:
        state = "the same" if hashes.is_as_listed(path, there[name]) else "changed"
    return Upload(name, path.stat().st_size, state)


@contextmanager
def _explained(what: Push, endpoint: str) -> Iterator[None]:
    """Turn the client's errors into one that says why, and how to go on."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        HTTPError,  # of the HTTP library the hub's client happens to use
        OfflineModeIsEnabled,
    )

    try:
        yield
    except HFValidationError as error:
        raise _failed(what, str(error), "name it `owner/name`") from error
    except OfflineModeIsEnabled as error:
        raise _failed(what, "HF_HUB_OFFLINE is set", "unset it") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        why = f"the hub answered {status} ({error.server_message or error.response.reason_phrase})"
        raise _failed(what, why, _cure(status)) from error
    except (HTTPError, ConnectionError) as error:
        why = f"{endpoint} cannot be reached ({_line(error)})"
        raise _failed(what, why, "check the network") from error
    except ValueError as error:  # of the card, before anything was sent
        raise _failed(what, f"its card is refused: {error}", "repair its README.md") from error


def _cure(status: int) -> str:
    if status in (401, 403):
        return _LOGIN
    return "wait some minutes" if status == 429 else "try again"


_LOGIN = "`hf auth login` with a token that may write there"


def _failed(what: Push, why: str, first: str) -> AutoMLError:
    again = f"automl push {what.folder} {what.repository}"
    return AutoMLError(
        f"the bundle was not uploaded to {what.repository}: {why}\n"
        f"  hint: it lies complete in {what.folder}: {first}, then `{again}`"
    )


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
