"""Candidates on the Hugging Face hub, through its own client and cache; offline from the cache."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from automl.catalog import files, folder, hashes
from automl.catalog.model import FoundModel, ResolvedModel
from automl.errors import CandidateError
from automl.patience import patiently
from automl.recipe.loaded import LoadedRecipe
from automl.recipe.models import HubModel

ID = re.compile(r"(?P<id>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w./-]+))?")

_SHA256 = re.compile(r"[0-9a-f]{64}")


def parse(reference: str | HubModel) -> tuple[str, str | None] | None:
    """Return (``owner/name``, revision or None), or None where ``reference`` is no hub id."""
    found = ID.fullmatch(reference if isinstance(reference, str) else reference.id)
    if found is None:
        return None
    written = reference.revision if isinstance(reference, HubModel) else None
    return found["id"], written or found["revision"]


def find(
    loaded: LoadedRecipe, index: int, reference: str | HubModel, pins: Mapping[str, str]
) -> FoundModel:
    """Return the model at the commit its revision stands for now, its small files downloaded.

    Raises CandidateError: no hub id, no such repository or revision, no access, no network.
    """
    parsed = parse(reference)
    if parsed is None:
        raise CandidateError(
            loaded.problem(
                ("models", index),
                f"{reference!r} is no hub id",
                hint="write owner/name, owner/name@revision, {path: folder} or {package: name}",
            )
        )
    identifier, revision = parsed
    trust = isinstance(reference, HubModel) and reference.trust_remote_code
    wanted = (*files.SMALL, files.README, *(("*.py",) if trust else ()))
    with errors_placed(loaded, index, identifier, revision):
        commit = _commit(identifier, revision or pins.get(identifier))
        root = _download(identifier, commit, wanted, quiet=True)
    return folder.describe(
        root,
        source="hub",
        reference=identifier,
        revision=commit,
        trust_remote_code=trust,
        sizes=_sizes(identifier, commit, root),
    )


def fetch(loaded: LoadedRecipe, index: int, found: FoundModel) -> ResolvedModel:
    """Return the model with its weights downloaded and compared with the hub's own hashes.

    Raises CandidateError when the download fails or the bytes are not those the hub has.
    """
    assert found.revision is not None
    with errors_placed(loaded, index, found.reference, found.revision):
        root = _download(found.reference, found.revision, found.weights, quiet=False)
    for name in found.weights:
        if not _is_whole(root / name):
            raise CandidateError(
                loaded.problem(
                    ("models", index),
                    f"{name} of {found.reference} is damaged: not the hub's hash",
                    hint=f"rm {(root / name).resolve()} and run again to download it anew",
                )
            )
    names = files.that_matter(found.sizes, found.weights, found.trust_remote_code)
    return folder.fetch(found, download_bytes=sum(found.sizes[name] for name in names))


def _is_whole(path: Path) -> bool:
    """The hub's cache names large files by their SHA-256, and nobody checks it on arrival."""
    named = path.resolve().name
    return _SHA256.fullmatch(named) is None or hashes.sha256(path) == named


def _commit(identifier: str, revision: str | None) -> str:
    from huggingface_hub import HfApi

    found = patiently(lambda: HfApi().resolve_revision(identifier, revision=revision))
    return str(found.resolved)


def _download(identifier: str, commit: str, patterns: tuple[str, ...], *, quiet: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import are_progress_bars_disabled, tqdm

    class Silent(tqdm):  # type: ignore[misc]
        """Small files come at once; bars for them would only flicker."""

        def __init__(self, *args: object, **settings: object) -> None:
            super().__init__(*args, **{**settings, "disable": True})

    bars = Silent if quiet or are_progress_bars_disabled() else tqdm
    return Path(
        patiently(
            lambda: snapshot_download(
                identifier, revision=commit, allow_patterns=list(patterns), tqdm_class=bars
            )
        )
    )


def _sizes(identifier: str, commit: str, root: Path) -> dict[str, int]:
    """Bytes of the repository's files by path; a cache filled by others has no listing."""
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    try:
        tree = get_cached_repo_tree(identifier, revision=commit)
    except CachedRepoTreeNotFoundError:
        return files.listing(root)
    return {each.path: each.size for each in tree}


def errors_placed(
    loaded: LoadedRecipe, index: int, identifier: str, revision: str | None
) -> AbstractContextManager[None]:
    """Turn the hub client's errors into CandidateErrors at the recipe's model ``index``."""

    def error(message: str, hint: str) -> CandidateError:
        return CandidateError(loaded.problem(("models", index), message, hint=hint))

    return explained(error, identifier, revision, ", or use {path: folder}")


def is_the_models_own(error: CandidateError) -> bool:
    """Return whether the error is about that model, and not about the way to the hub."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    return isinstance(error.__cause__, GatedRepoError | RepositoryNotFoundError)


@contextmanager
def explained(
    refused: Callable[[str, str], Exception],
    identifier: str,
    revision: str | None,
    instead: str = "",
) -> Iterator[None]:
    """Turn the hub client's errors into what ``refused`` makes of (message, hint).

    ``instead`` says what else the user can do where the hub cannot be had.
    """
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
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
        raise refused(
            f"{identifier} is gated: its owner must let you in",
            "ask at its page on the hub, then: hf auth login",
        ) from cause
    except RevisionNotFoundError as cause:
        raise refused(
            f"{identifier} has no revision {revision!r}",
            "leave the revision out for the newest; the lock pins it",
        ) from cause
    except RepositoryNotFoundError as cause:
        raise refused(
            f"{identifier} is not on the hub, or is private",
            "check the spelling; for a private model: hf auth login",
        ) from cause
    except (RevisionResolutionError, LocalEntryNotFoundError) as cause:
        raise refused(
            f"{identifier} is not in the hub's cache here and the hub cannot be reached",
            f"check the network and HF_HUB_OFFLINE{instead}",
        ) from cause
    except OfflineModeIsEnabled as cause:
        raise refused(
            f"{identifier} cannot be had from the hub: HF_HUB_OFFLINE is set", f"unset it{instead}"
        ) from cause
    except HTTPError as cause:
        many = isinstance(cause, HfHubHTTPError) and cause.response.status_code == 429
        why = "too many requests (429), and it went on so" if many else _first_line(cause)
        raise refused(
            f"{identifier} could not be had from the hub: {why}",
            f"try again {'in some minutes, or hf auth login' if many else 'later'}{instead}",
        ) from cause


def _first_line(cause: BaseException) -> str:
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
