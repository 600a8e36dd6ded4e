"""A query of the recipe to the candidates it stands for: looked at in order until enough fit.

Each that does not fit is refused with its reason; what the lock holds is not asked again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from itertools import islice

from automl import catalog
from automl.catalog import FoundModel, hub, query
from automl.catalog.query import Listed, Listing
from automl.compiler.heads import objection as head_objection
from automl.errors import CandidateError, Problem
from automl.plan import Answer, Candidate, Hit, Refusal
from automl.recipe.loaded import LoadedRecipe
from automl.recipe.models import HubModel, HubQuery
from automl.tasks import Task

SHOWN_REASONS = 8
"""Refused hits that an error names one by one."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A query's answer, and the models it stands for, found but not fetched."""

    answer: Answer
    models: tuple[FoundModel, ...]


def answer(
    loaded: LoadedRecipe,
    index: int,
    asked: HubQuery,
    task: Task,
    known: Collection[str],
    frozen: Iterable[Answer],
    say: Callable[[str], None],
) -> Answered:
    """Return the models that the query at ``index`` of ``models`` stands for.

    ``known`` are hub ids that are candidates already: they are passed over. ``frozen`` holds the
    answers of a lock. Raises CandidateError where nothing fits, or the hub refuses, or can't be
    reached and its cache holds nothing that fits.
    """
    for one in frozen:
        if one.query == asked.canonical:
            return _as_locked(loaded, index, asked, one, known)
    found = query.listing(loaded, index, asked)
    hits: list[Hit] = []
    models: list[FoundModel] = []
    refused: list[Refusal] = []
    seen = passed = 0
    for each in islice(found.hits, query.LOOKED_AT):
        seen += 1
        if each.reference in known:
            passed += 1
            continue
        say(f"looking at {each.reference}")
        fit = _look(loaded, index, asked, each, task)
        if isinstance(fit, str):
            refused.append(Refusal(each.reference, fit))
            continue
        model, parameters = fit
        models.append(model)
        hits.append(Hit(each.reference, model.revision or each.revision, parameters))
        if len(hits) == asked.limit:
            break
    if not hits and not passed:
        raise _nothing(loaded, index, found, refused, seen)
    made = Answer(asked.canonical, tuple(hits), tuple(refused), found.origin)
    return Answered(made, tuple(models))


def words(answer: Answer) -> str:
    """Return the query as a person says it: ``search bert, license mit or apache-2.0``."""
    asked = json.loads(answer.query).items()
    return ", ".join(
        f"{key} {' or '.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in asked
    )


def with_origins(
    candidates: Iterable[Candidate], answers: Iterable[Answer]
) -> tuple[Candidate, ...]:
    """Return the candidates, those that a query found with a note that says so."""
    origins = {hit.reference: answer for answer in answers for hit in answer.hits}
    return tuple(
        replace(each, notes=(*each.notes, _origin(origins[each.reference])))
        if each.source == "hub" and each.reference in origins
        else each
        for each in candidates
    )


def _origin(answer: Answer) -> str:
    where = "on the hub" if answer.origin == "hub" else "in this machine's cache of the hub"
    others = len(answer.refused)
    refused = f"; {others} other{'s were' if others != 1 else ' was'} refused" if others else ""
    return f"found {where} by the query for {words(answer)}{refused}"


def _as_locked(
    loaded: LoadedRecipe, index: int, asked: HubQuery, locked: Answer, known: Collection[str]
) -> Answered:
    """Find the lock's hits by id and commit."""
    wanted = [hit for hit in locked.hits if hit.reference not in known]
    models = tuple(_found(loaded, index, asked, hit.reference, hit.revision) for hit in wanted)
    return Answered(locked, models)


def _found(
    loaded: LoadedRecipe, index: int, asked: HubQuery, reference: str, revision: str
) -> FoundModel:
    trust = asked.trust_remote_code
    model = HubModel(id=reference, revision=revision or None, trust_remote_code=trust)
    return hub.find(loaded, index, model, {})


def _look(
    loaded: LoadedRecipe, index: int, asked: HubQuery, hit: Listed, task: Task
) -> tuple[FoundModel, int | None] | str:
    """Return the hit's model with its parameters, if limits ask for them, or why it won't do.

    What the listing tells comes first, then the weights' header, then the small files. Raises
    CandidateError where the way to the hub broke off.
    """
    reason = query.objection(asked, hit)
    if reason is not None:
        return reason
    count: int | None = None
    if asked.parameters != (None, None):
        with hub.errors_placed(loaded, index, hit.reference, hit.revision):
            counted = query.parameters(hit)
        if isinstance(counted, str):
            return counted
        count = counted
        if reason := query.outside(asked, count):
            return reason
    try:
        model = _found(loaded, index, asked, hit.reference, hit.revision)
    except CandidateError as error:
        # What a broken connection hides must not be frozen as unfit.
        if hit.root is None and not hub.is_the_models_own(error):
            raise
        return error.problems[0].message
    reason = catalog.objection(model) or head_objection(model, task)
    if reason is None and query.lacks_weights(hit, model.weights):
        reason = "its weights are not in the hub's cache here"
    return reason if reason is not None else (model, count)


def _nothing(
    loaded: LoadedRecipe, index: int, found: Listing, refused: list[Refusal], seen: int
) -> CandidateError:
    where = "on the hub" if found.origin == "hub" else "in the hub's cache here"
    if not seen:
        message, hint = f"the query finds no model {where}", "take away a filter"
    else:
        message = f"none of the {seen} models that the query finds {where} fits"
        hint = "loosen the filter that the reasons below name" if refused else "list others by id"
    head = loaded.problem(("models", index, "hub"), message, hint=hint)
    reasons = [Problem(f"{each.reference}: {each.reason}") for each in refused[:SHOWN_REASONS]]
    more = len(refused) - SHOWN_REASONS
    rest = [Problem(f"… and {more} more")] if more > 0 else []
    return CandidateError([head, *reasons, *rest])
