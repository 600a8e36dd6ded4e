"""Single files of hub repositories, at one commit, through the hub's own client and cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl.patience import patiently
from automl.recipe.addresses import Unreadable, too_large

DATASETS = "datasets/"


def commit(repository: str, revision: str | None) -> str:
    """Return the commit that ``revision`` (None: the newest) of the repository stands for now.

    Where the hub cannot be reached the last commit seen counts, and the client says so. Raises
    Unreadable: no such repository or revision, no access, no network.
    """
    from huggingface_hub import HfApi

    name, kind = _named(repository)
    with _explained(name, revision):
        found = patiently(lambda: HfApi().resolve_revision(name, repo_type=kind, revision=revision))
        return str(found.resolved)


def read(repository: str, commit: str, path: str, most: int) -> bytes:
    """Return the file's content at the commit, of at most ``most`` bytes.

    Raises Unreadable where there is no such file, or a larger one, or it cannot be had.
    """
    from huggingface_hub import (
        get_hf_file_metadata,
        hf_hub_download,
        hf_hub_url,
        try_to_load_from_cache,
    )

    name, kind = _named(repository)
    at = {"repo_type": kind, "revision": commit}
    known = try_to_load_from_cache(name, path, **at)
    if isinstance(known, str):
        return Path(known).read_bytes()
    with _explained(name, commit, path):
        size = patiently(lambda: get_hf_file_metadata(hf_hub_url(name, path, **at))).size
        if size is not None and size > most:
            raise too_large(path, name, size, most)
        return Path(patiently(lambda: hf_hub_download(name, path, **at))).read_bytes()


def _named(repository: str) -> tuple[str, str]:
    """Return (``owner/name``, kind of repository)."""
    if repository.startswith(DATASETS):
        return repository.removeprefix(DATASETS), "dataset"
    return repository, "model"


@contextmanager
def _explained(name: str, revision: str | None, path: str = "") -> Iterator[None]:
    """Turn the hub client's errors into ones the user can act on."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
        RevisionResolutionError,
    )

    try:
        yield
    except GatedRepoError as cause:
        raise Unreadable(
            f"{name} is gated: its owner must let you in",
            "ask at its page on the hub, then: hf auth login",
        ) from cause
    except RevisionNotFoundError as cause:
        raise Unreadable(
            f"{name} has no revision {revision!r}",
            "leave the revision out for the newest; the lock pins it",
        ) from cause
    except RepositoryNotFoundError as cause:
        raise Unreadable(
            f"{name} is not on the hub, or is private",
            "check the spelling; for a private repository: hf auth login",
        ) from cause
    except (RevisionResolutionError, LocalEntryNotFoundError, OfflineModeIsEnabled) as cause:
        raise Unreadable(
            f"{path or name} is not in the hub's cache here and the hub cannot be reached",
            "check the network and HF_HUB_OFFLINE",
        ) from cause
    except EntryNotFoundError as cause:
        raise Unreadable(
            f"{name} has no file {path} at commit {str(revision)[:7]}",
            f"its files: hf download {name} --dry-run",
        ) from cause
    except HTTPError as cause:
        why = str(cause).strip().splitlines()[0]
        raise Unreadable(f"{name} could not be had from the hub: {why}", "try later") from cause
