"""Which models a query means: asked of the hub, or of its cache here. Downloads no weights.

Yields hits in the query's order and says what the query itself has against each; knows no task.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from automl.catalog import files, headers, readme
from automl.errors import CandidateError
from automl.patience import patiently
from automl.recipe.loaded import LoadedRecipe
from automl.recipe.models import HubQuery

LOOKED_AT = 100
"""Hits that are looked at, at most, until enough of them fit."""
_SORTS = {
    "downloads": "downloads",
    "likes": "likes",
    "trending": "trending_score",
    "created": "created_at",
    "modified": "last_modified",
}
_ASKED = ["cardData", "gated", "pipeline_tag", "safetensors", "sha", "tags", "library_name"]


@dataclass(frozen=True, slots=True)
class Listed:
    """One model that a query brought up, by what its listing says."""

    reference: str
    revision: str
    license: str | None = None
    languages: tuple[str, ...] = ()
    task: str | None = None
    libraries: tuple[str, ...] = ()
    gated: bool = False
    root: Path | None = None
    """Where it lies in the cache; None for one the hub listed."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Hits in the query's order, and who gave them."""

    origin: Literal["hub", "cache"]
    hits: Iterator[Listed]


def listing(loaded: LoadedRecipe, index: int, query: HubQuery) -> Listing:
    """Return what the hub has for the query, or the cache where the hub cannot be reached.

    Raises CandidateError, at the query's place, where the hub refuses to answer, or cannot be
    reached and the cache holds no model.
    """
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    hits = _from_hub(query)
    try:
        first = next(hits, None)
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status < 500:
            raise _refused(loaded, index, _answer(status, error), _cure(status)) from error
        return _cached(loaded, index, query, f"it answers {status}")
    except OfflineModeIsEnabled:
        return _cached(loaded, index, query, "HF_HUB_OFFLINE is set")
    except (HTTPError, ConnectionError) as error:
        return _cached(loaded, index, query, str(error).strip().splitlines()[0])
    return Listing("hub", _chain(first, hits))


def objection(query: HubQuery, hit: Listed) -> str | None:
    """Return what the query has against the hit by its listing alone, or None."""
    if hit.gated:
        return "it is gated: its owner must let you in; once you are, list it by its id"
    if query.licenses and (hit.license or "").lower() not in query.licenses:
        return f"its licence is {hit.license or 'not stated'}"
    lacking = [name for name in query.languages if name not in hit.languages]
    if lacking:
        return f"it is not said to be for {', '.join(lacking)}"
    if hit.root is not None and query.task and hit.task != query.task:
        return f"its task is {hit.task or 'not stated'}"
    if hit.root is not None and query.library and query.library not in hit.libraries:
        return f"its card does not name the library {query.library}"
    return None


def parameters(hit: Listed) -> int | str:
    """Return how many parameters the hit has, by the headers of its safetensors files alone.

    From the hub that is a request for the first bytes of each file. Returns why not in words where
    it has no such files or they are damaged; raises the client's errors.
    """
    if hit.root is not None:
        return _parameters_here(hit.root)
    from huggingface_hub import HfApi
    from huggingface_hub.errors import NotASafetensorsRepoError, SafetensorsParsingError

    try:
        found = patiently(
            lambda: HfApi().get_safetensors_metadata(hit.reference, revision=hit.revision)
        )
    except NotASafetensorsRepoError:
        return f"it has no safetensors weights ({files.WEIGHTS})"
    except SafetensorsParsingError:
        return "the header of its weights is damaged"
    return int(sum(found.parameter_count.values()))


def outside(query: HubQuery, count: int) -> str | None:
    """Return why that many parameters are too many or too few for the query, or None."""
    low, high = query.parameters
    if high is not None and count > high:
        return f"it has {count:,} parameters, more than max_parameters {query.max_parameters}"
    if low is not None and count < low:
        return f"it has {count:,} parameters, fewer than min_parameters {query.min_parameters}"
    return None


def lacks_weights(hit: Listed, weights: tuple[str, ...]) -> bool:
    """Return whether a hit of the cache is there in part only: its weights never came."""
    return hit.root is not None and not all((hit.root / name).exists() for name in weights)


def _parameters_here(root: Path) -> int | str:
    names = files.weights(root, files.listing(root))
    if not names:
        return "its weights are not in the cache here"
    if any(headers.defect(root / name) for name in names):
        return "the header of its weights is damaged"
    return sum(sum(headers.weights(root / name).values()) for name in names)


def _from_hub(query: HubQuery) -> Iterator[Listed]:
    from huggingface_hub import HfApi

    tags = [*query.languages, *([query.library] if query.library else [])]
    if len(query.licenses) == 1:
        tags.append(f"license:{query.licenses[0]}")
    found = HfApi().list_models(
        search=query.search,
        author=query.author,
        pipeline_tag=query.task,
        filter=tags or None,
        sort=_SORTS[query.sort],
        limit=LOOKED_AT,
        expand=_ASKED,
    )
    for each in found:
        yield _listed(each)


def _listed(found: Any) -> Listed:
    card = found.card_data.to_dict() if found.card_data is not None else {}
    license_, languages = readme.stated(card)
    tags = tuple(found.tags or ())
    tagged = next((t.partition(":")[2] for t in tags if t.startswith("license:")), None)
    return Listed(
        reference=found.id,
        revision=found.sha or "",
        license=license_ or tagged,
        languages=(*languages, *tags),
        task=found.pipeline_tag,
        libraries=tags,
        gated=bool(found.gated),
    )


def _cached(loaded: LoadedRecipe, index: int, query: HubQuery, why: str) -> Listing:
    hits = [hit for hit in _in_cache() if _is_meant(query, hit)]
    if not hits:
        raise _refused(
            loaded,
            index,
            f"the hub cannot be reached ({why}), and no model in its cache here answers the query",
            "check the network and HF_HUB_OFFLINE, or list models by {path: folder}",
        )
    return Listing("cache", iter(hits))


def _is_meant(query: HubQuery, hit: Listed) -> bool:
    """Return whether the cached model is one that the hub would have listed, by its name."""
    author, _, _ = hit.reference.partition("/")
    named = (query.search or "").lower() in hit.reference.lower()
    return named and query.author in (None, author)


def _in_cache() -> Iterator[Listed]:
    """Yield the models of the hub's cache, by id: nothing here knows of downloads or likes."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        found = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return
    for repository in sorted(found, key=lambda one: str(one.repo_id)):
        revisions = sorted(
            repository.revisions,
            key=lambda one: ("main" in one.refs, one.last_modified, one.commit_hash),
        )
        if repository.repo_type == "model" and revisions:
            yield _described(repository.repo_id, revisions[-1])


def _described(reference: str, revision: Any) -> Listed:
    root = Path(revision.snapshot_path)
    matter = readme.matter(root)
    license_, languages = readme.stated(matter)
    tags = matter.get("tags")
    named = [matter.get("library_name"), *(tags if isinstance(tags, list) else [])]
    if (root / files.CONFIG).is_file():  # by that the hub knows what transformers can load
        named.append("transformers")
    return Listed(
        reference=reference,
        revision=revision.commit_hash,
        license=license_,
        languages=languages,
        task=matter.get("pipeline_tag"),
        libraries=tuple(str(name) for name in named if name),
        root=root,
    )


def _chain(first: Listed | None, rest: Iterator[Listed]) -> Iterator[Listed]:
    if first is not None:
        yield first
        yield from rest


def _answer(status: int, error: Any) -> str:
    said = error.server_message or error.response.reason_phrase
    return f"the hub does not answer the query: {status} ({said})"


def _cure(status: int) -> str:
    if status == 429:
        return "too many requests: wait some minutes, or `hf auth login` for a larger allowance"
    return "check the query's tags, and your token: hf auth whoami"


def _refused(loaded: LoadedRecipe, index: int, message: str, hint: str) -> CandidateError:
    return CandidateError(loaded.problem(("models", index, "hub"), message, hint=hint))
