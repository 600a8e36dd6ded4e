"""From a recipe's model references to pinned candidates, and a reason for each that is refused."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from automl import catalog
from automl.catalog import FoundModel, ResolvedModel
from automl.catalog.objections import damage
from automl.compiler import fit, limits, queries, variants
from automl.compiler.heads import objection as head_objection
from automl.compiler.hyperparameters import METHOD
from automl.compiler.portfolio import portfolio
from automl.compiler.priors import OVERFLOWING, Prior, prior
from automl.compiler.space import TRAINED, largest_batch, listed, space, without_batches_above
from automl.errors import CandidateError, Problem
from automl.jobs import Inspection
from automl.plan import Answer, Candidate, Fit, Lengths, Parameter, Refusal
from automl.recipe.loaded import LoadedRecipe
from automl.recipe.models import QueryModel
from automl.tasks import ADAPTING, Task


@dataclass(slots=True)
class Resolution:
    """The models of a recipe that may become candidates, by id, and those that cannot."""

    models: dict[str, ResolvedModel] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    """What the recipe's queries found."""


def resolve(
    loaded: LoadedRecipe,
    task: Task,
    pins: Mapping[str, str],
    on_stage: Callable[[str, str], None],
    frozen: Iterable[Answer] = (),
) -> Resolution:
    """Find every model of the recipe, refuse those that cannot do the task, fetch the others.

    ``frozen`` holds a lock's answers to queries. Raises CandidateError with all references that
    lead to no model, or that lead to the same one.
    """
    found = _found(loaded, pins, on_stage)
    resolution = Resolution()
    found += _asked(loaded, task, found, resolution, on_stage, frozen)
    found.sort(key=lambda one: one[0])
    models = [model for _, model in found]
    for (index, model), name in zip(found, _ids(models), strict=True):
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
) -> list[tuple[int, FoundModel]]:
    """Return (index in the recipe, model) of each that is listed one by one."""
    problems: list[Problem] = []
    found: list[tuple[int, FoundModel]] = []
    seen: set[tuple[str, str, str | None]] = set()
    for index, reference in enumerate(loaded.recipe.models):
        if isinstance(reference, QueryModel):
            continue
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
        found.append((index, model))
    if problems:
        raise CandidateError(problems)
    return found


def _asked(
    loaded: LoadedRecipe,
    task: Task,
    listed: Sequence[tuple[int, FoundModel]],
    resolution: Resolution,
    on_stage: Callable[[str, str], None],
    frozen: Iterable[Answer],
) -> list[tuple[int, FoundModel]]:
    """Return (index in the recipe, model) of each that a query stands for, each once."""
    problems: list[Problem] = []
    found: list[tuple[int, FoundModel]] = []
    known = {model.reference for _, model in listed if model.source == "hub"}
    for index, reference in enumerate(loaded.recipe.models):
        if not isinstance(reference, QueryModel):
            continue
        on_stage("models", f"asking the hub for {reference.hub.search or reference.hub.canonical}")
        say = partial(on_stage, "models")
        try:
            made = queries.answer(loaded, index, reference.hub, task, known, frozen, say)
        except CandidateError as error:
            problems.extend(error.problems)
            continue
        known |= {model.reference for model in made.models}
        resolution.answers.append(made.answer)
        resolution.refused.extend(made.answer.refused)
        found += [(index, model) for model in made.models]
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
    precision: str = "auto"
    most_rate: float = float("inf")
    """Learning rate that the task bears as a prior."""
    smaller: bool = False
    """Whether fewer layers are to be tried: for speed or size."""
    texts: int = 1
    """Texts that a row holds."""
    words: bool = False
    """Whether the model tells every token's probability."""
    rate: float = 1.0
    """Factor of the learning rate that the family's prior knows."""
    graphs: str = ""
    """The ONNX format that the model is to leave as; empty: none."""
    shards: int = 1
    """Processes over which a model may be divided that does not fit one."""


def candidate(
    name: str, model: ResolvedModel, inspection: Inspection, terms: Terms
) -> Candidate | Refusal:
    """Return the pinned candidate, or why it was refused."""
    if inspection.refused is not None:
        return Refusal(model.reference, inspection.refused)
    if terms.graphs and inspection.no_graphs:
        return Refusal(
            model.reference,
            f"export.formats asks for {terms.graphs}, and {inspection.no_graphs}",
        )
    wished = terms.wishes.get(METHOD)
    if not inspection.adapters and wished and set(listed(wished)) <= set(ADAPTING):
        return Refusal(
            model.reference, "adapters can't be put into it, and it is to have nothing else"
        )
    family = str(model.config["model_type"])
    if terms.precision == "fp16" and family in OVERFLOWING:
        return Refusal(model.reference, f"a {family} overflows in fp16: write precision: bf16")
    row = prior(family, inspection.parameters, terms.train_rows, terms.rate, terms.most_rate)
    parameters = _space(row, model, inspection, terms)
    size = variants.sizes(model, inspection.parameters)
    narrowed = variants.within(parameters, size, terms.limits)
    if isinstance(narrowed, limits.Limit):
        return Refusal(model.reference, _over_limit(narrowed, size))
    trained = _dearest(narrowed, inspection)
    affordable = _affordable(model, inspection, trained, terms)
    parameters = without_batches_above(narrowed, affordable)
    cost = _cost(model, inspection, trained, largest_batch(parameters), terms)
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
        notes=inspection.notes,
    )


def _space(
    row: Prior, model: ResolvedModel, inspection: Inspection, terms: Terms
) -> tuple[Parameter, ...]:
    """The space; where the recipe leaves it open, of those methods that fit into the memory.

    Where full training does not, adapters take its place.
    """
    wishes: Mapping[str, Any] = terms.wishes

    def made(methods: tuple[str, ...]) -> tuple[Parameter, ...]:
        return space(
            replace(row, methods=methods),
            model.config,
            wishes,
            smaller=terms.smaller,
            knobs=terms.knobs,
            targets=inspection.adapters,
        )

    found = made(row.methods)
    if METHOD in wishes or _affordable(model, inspection, _dearest(found, inspection), terms):
        return found
    adapted = made((ADAPTING[0], *(each for each in row.methods if each not in TRAINED)))
    fits = _affordable(model, inspection, _dearest(adapted, inspection), terms)
    return adapted if fits else found


def _dearest(parameters: Sequence[Parameter], inspection: Inspection) -> fit.Trained:
    """What the method of the space trains that holds most."""
    named = {each.name: each for each in parameters}
    methods = set(named[METHOD].choices) - {"probe"} or {"full"}
    if "full" in methods:
        return fit.Trained(inspection.parameters)
    widest = max(
        (inspection.adapters[str(each)] for each in named["lora_targets"].choices), default=0
    )
    ranks = named["lora_rank"]
    rank = int(ranks.high if ranks.high is not None else max(map(float, ranks.choices)))
    adapters = rank * widest + inspection.head
    return fit.Trained(inspection.parameters, adapters, quantized=methods == {"qlora"})


def _affordable(
    model: ResolvedModel, inspection: Inspection, trained: fit.Trained, terms: Terms
) -> int:
    """The largest batch that fits, over as few processes as can be; adapters are in one alone."""
    for processes in range(1, 1 + (terms.shards if trained.adapters is None else 1)):
        found = fit.affordable_batch(
            model.config,
            trained,
            inspection.max_length,
            terms.memory_bytes,
            inspection.target_length,
            texts=terms.texts,
            words=terms.words,
            processes=processes,
        )
        if found:
            return found
    return 0


def _cost(
    model: ResolvedModel, inspection: Inspection, trained: fit.Trained, batch: int, terms: Terms
) -> Fit:
    files = sum(each.bytes for each in model.files)
    return fit.fit(
        model.config,
        trained,
        batch * terms.texts,
        inspection.max_length,
        inspection.target_length,
        words=terms.words,
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
        over = f", divided over {terms.shards} GPUs" if terms.shards > 1 else ""
        return (
            f"it does not fit{over}: {has}, and one text at a time is too much; "
            "lower data.max_length"
        )
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
