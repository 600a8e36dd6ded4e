"""Finds and downloads the files of a hub data set at one commit. Reads no rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from automl.data import media
from automl.data.hubcard import choose, read_card
from automl.data.part import Target, refused
from automl.tasks import Task

_WHOLE = (".parquet", ".arrow")
"""Endings of tables that hold files themselves."""
_ID = re.compile(r"([\w.-]+/[\w.-]+)(?::([\w.-]+))?(?:@([\w./-]+))?")


@dataclass(frozen=True, slots=True)
class HubId:
    """``owner/name[:configuration][@revision]`` taken apart."""

    repository: str
    configuration: str | None
    revision: str | None


def parsed(reference: str) -> HubId | None:
    """Return the parts of a hub id, or None where the reference cannot be one."""
    found = _ID.fullmatch(reference)
    return HubId(*found.groups()) if found else None


def download(id: HubId, split: str) -> tuple[list[Target], str]:
    """Return the files that hold ``split``, here on this machine, and the commit they come from.

    Downloads nothing else but the card. What the client's cache holds is used when the hub cannot
    be reached. Raises DataError with the reason: no such data set, revision, configuration or
    split; not public; not reachable.
    """
    from huggingface_hub import HfApi, hf_hub_download

    named = id.repository
    with _explained(id):
        found = HfApi().resolve_revision(named, repo_type="dataset", revision=id.revision)
        commit = str(found.resolved)
        paths, readme = _listing(named, commit)
    card = read_card(readme)
    configuration = card.configuration(named, id.configuration)
    classes = card.classes(configuration.config_name)
    targets = []
    for path in choose(paths, configuration, split, named):
        with _explained(id):
            file = hf_hub_download(named, path, repo_type="dataset", revision=commit)
        targets.append(Target(Path(file), f"{named}/{path}", path, classes))
    return targets, commit


def folder_of_files(id: HubId, task: Task) -> tuple[Path | None, str]:
    """Return the folder with the whole data set where it is one of files, and its commit.

    None where tables hold what there is, or where no file is of a kind that the task reads.
    """
    from huggingface_hub import HfApi, snapshot_download

    named = id.repository
    with _explained(id):
        found = HfApi().resolve_revision(named, repo_type="dataset", revision=id.revision)
        commit = str(found.resolved)
        paths, _ = _listing(named, commit)
    whole = any(path.endswith(_WHOLE) for path in paths)
    kinds = {role.kind for role in task.media}
    if whole or not any(media.is_media(path, kind) for path in paths for kind in kinds):
        return None, commit
    with _explained(id):
        return Path(snapshot_download(named, repo_type="dataset", revision=commit)), commit


@contextmanager
def _explained(id: HubId) -> Iterator[None]:
    """Turn the hub client's errors into ones the user can act on."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
        RevisionResolutionError,
    )

    named = id.repository
    try:
        yield
    except GatedRepoError as error:
        raise refused(
            f"data set {named} is gated", "accept its terms on the hub, then: hf auth login"
        ) from error
    except RevisionNotFoundError as error:
        raise refused(f"data set {named} has no revision {id.revision!r}") from error
    except RepositoryNotFoundError as error:
        raise refused(
            f"{named} is neither a path here nor a data set on the hub",
            "a private data set needs a token: hf auth login",
        ) from error
    except (RevisionResolutionError, LocalEntryNotFoundError) as error:
        raise refused(
            f"{named} is no path here, not in the hub's cache, and the hub cannot be reached",
            "check the path, the network and HF_HUB_OFFLINE",
        ) from error
    except HfHubHTTPError as error:
        raise refused(f"the hub refused data set {named}: {error}") from error


def _listing(repository: str, commit: str) -> tuple[list[str], str]:
    """Return the paths of all files at the commit, and its README's text, if any."""
    from huggingface_hub import get_cached_repo_tree, snapshot_download
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    kind = {"repo_type": "dataset", "revision": commit}
    small = ["README.md", ".gitattributes"]
    root = Path(snapshot_download(repository, allow_patterns=small, **kind))
    try:
        paths = [file.path for file in get_cached_repo_tree(repository, **kind)]
    except CachedRepoTreeNotFoundError:  # a cache filled by another program, and no network
        files = (path for path in root.rglob("*") if path.is_file())
        paths = [path.relative_to(root).as_posix() for path in files]
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    return sorted(paths), text
