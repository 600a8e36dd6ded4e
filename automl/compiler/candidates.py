"""From a recipe's model references to pinned candidates, and a reason for each that is refused."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automl import catalog
from automl.catalog import FoundModel, ResolvedModel
from automl.catalog.objections import damage
from automl.compiler import fit, limits, variants
from automl.compiler.heads import objection as head_objection
from automl.compiler.portfolio import portfolio
from automl.compiler.priors import prior
from automl.compiler.space import largest_batch, space, without_batches_above
from automl.errors import CandidateError, Problem
from automl.jobs import Inspection
from automl.plan import Candidate, Fit, Lengths, Parameter, Refusal
from automl.recipe.loaded import LoadedRecipe
from automl.tasks import Task


@dataclass(slots=True)
class Resolution:
    """The models of a recipe that may become candidates, by id, and those that cannot."""

    models: dict[str, ResolvedModel] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)


def resolve(
    loaded: LoadedRecipe,
    task: Task,
    pins: Mapping[str, str],
    on_stage: Callable[[str, str], None],
) -> Resolution:
    """Find every model of the recipe, refuse those that cannot do the task, fetch the others.

    Raises CandidateError with all references that lead to no model, or that lead to the same one.
    """
    found = _found(loaded, pins, on_stage)
    resolution = Resolution()
    for index, (name, model) in enumerate(zip(_ids(found), found, strict=True)):
        reason = catalog.objection(model) or head_objection(model, task)
        if reason is None:
            on_stage("models", f"reading {model.reference}")
            resolved = catalog.fetch(loaded, index, model)
            reason = damage(resolved)
            if reason is None:
                resolution.models[name] = resolved
        if reason is not None:
            resolution.refused.append(Refusal(model.reference, reason))
    return resolution


def _found(
    loaded: LoadedRecipe, pins: Mapping[str, str], on_stage: Callable[[str, str], None]
) -> list[FoundModel]:
    problems: list[Problem] = []
    found: list[FoundModel] = []
    seen: set[tuple[str, str, str | None]] = set()
    for index, reference in enumerate(loaded.recipe.models):
        on_stage("models", f"looking for {_words(reference)}")
        try:
            model = catalog.find(loaded, index, pins)
        except CandidateError as error:
            problems.extend(error.problems)
            continue
        identity = (model.source, model.reference, model.revision)
        if identity in seen:
            problems.append(
                loaded.problem(
                    ("models", index),
                    f"{model.reference} is listed twice",
                    hint="remove one of the two",
                )
            )
        seen.add(identity)
        found.append(model)
    if problems:
        raise CandidateError(problems)
    return found


def _words(reference: object) -> str:
    for name in ("path", "package", "id"):
        if hasattr(reference, name):
            return str(getattr(reference, name))
    return str(reference)


def _ids(models: Sequence[FoundModel]) -> list[str]:
    """Short names, safe in a path; the first of two equal ones keeps it, so that adding a model
    at the end renames none.
    """
    taken: list[str] = []
    for model in models:
        last = model.root.resolve().name if model.source == "folder" else model.reference
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", last.replace("/", "--")).strip(".-")[:64]
        if not name or name in taken:
            identity = f"{model.source}\0{model.reference}\0{model.revision}"
            name = f"{name or 'model'}-{hashlib.sha256(identity.encode()).hexdigest()[:7]}"
        taken.append(name)
    return taken


@dataclass(frozen=True, slots=True)
class Terms:
    """What the recipe and the machine demand of every candidate."""

    limits: tuple[limits.Limit, ...]
    train_rows: int
    wishes: Mapping[str, object]
    memory_bytes: int
    """Memory one training process may fill."""
    knobs: frozenset[str]
    """Hyperparameters that make sense for the task, besides the pace of training."""
    most_rate: float = float("inf")
    """Learning rate that the task bears as a prior."""
    smaller: bool = False
    """Whether fewer layers are to be tried: for speed or size."""


def candidate(
    name: str, model: ResolvedModel, inspection: Inspection, terms: Terms
) -> Candidate | Refusal:
    """Return the pinned candidate, or why it was refused."""
    if inspection.refused is not None:
        return Refusal(model.reference, inspection.refused)
    family = str(model.config["model_type"])
    row = prior(family, inspection.parameters, terms.train_rows, terms.most_rate)
    wishes: Mapping[str, Any] = terms.wishes
    parameters = space(row, model.config, wishes, smaller=terms.smaller, knobs=terms.knobs)
    size = variants.sizes(model, inspection.parameters)
    narrowed = variants.within(parameters, size, terms.limits)
    if isinstance(narrowed, limits.Limit):
        return Refusal(model.reference, _over_limit(narrowed, size))
    affordable = fit.affordable_batch(
        model.config, inspection.parameters, inspection.max_length, terms.memory_bytes
    )
    parameters = without_batches_above(narrowed, affordable)
    cost = _cost(model, inspection, largest_batch(parameters))
    reason = _too_big(cost, parameters, affordable, terms)
    if reason is not None:
        return Refusal(model.reference, reason)
    return Candidate(
        id=name,
        source=model.source,
        reference=model.reference,
        revision=model.revision,
        files=model.files,
        family=family,
        parameters=inspection.parameters,
        license=model.license,
        language=model.language,
        max_length=inspection.max_length,
        lengths=_lengths(inspection),
        trust_remote_code=model.trust_remote_code,
        fit=cost,
        space=parameters,
        portfolio=portfolio(parameters, terms.train_rows),
    )


def _cost(model: ResolvedModel, inspection: Inspection, batch: int) -> Fit:
    files = sum(each.bytes for each in model.files)
    return fit.fit(
        model.config,
        inspection.parameters,
        batch,
        inspection.max_length,
        download_bytes=model.download_bytes,
        other_bytes=files - model.weights_bytes,
    )


def _over_limit(limit: limits.Limit, size: variants.Sizes) -> str:
    whole = size.parameters
    measured = f"{whole:,}" if limit.quantity == "parameters" else f"{whole * fit.FLOAT:,} bytes"
    return f"its {limit.quantity}, {measured}, break the limit {limit.text}"


def _too_big(
    cost: Fit, parameters: tuple[Parameter, ...], affordable: int, terms: Terms
) -> str | None:
    batch = largest_batch(parameters)
    if batch <= affordable:
        return None
    has = f"a training process may fill {terms.memory_bytes / 1e9:.1f} GB here"
    if affordable == 0:
        return f"it does not fit: {has}, and one text at a time is too much; lower data.max_length"
    return (
        f"it needs {cost.memory_bytes / 1e9:.1f} GB at batch size {batch}, and {has}; give "
        f"search.space.batch_size values up to {affordable}, or lower data.max_length"
    )


def _lengths(inspection: Inspection) -> Lengths | None:
    found = inspection.lengths
    if found is None:
        return None
    return Lengths(
        int(found["p50"]), int(found["p95"]), int(found["max"]), float(found["truncated_share"])
    )
