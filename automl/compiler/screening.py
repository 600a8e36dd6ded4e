"""Compares candidates as frozen encoders before any is fine-tuned, and keeps the promising ones.

Scores come from a worker process and are remembered by content. Knows which candidates to keep;
how an encoder is scored is the worker's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl import cache as remembered
from automl import documents, machine, processes
from automl.catalog import ResolvedModel
from automl.errors import CandidateError, InputError, JobFailed, Problem, RecipeError
from automl.jobs import ModelRef, ScreenResult, ScreenScore, ScreenSpec
from automl.plan import Candidate, Refusal, Screened
from automl.recipe.loaded import LoadedRecipe
from automl.recipe.schema import Screen
from automl.tasks import Task

if TYPE_CHECKING:
    import pyarrow as pa

    from automl.data.load import LoadedData

KIND = "screenings"
AUTO_ABOVE = 4
"""Candidates above which ``auto`` compares them: each costs a search about as much as its trials,
and comparing costs seconds."""
SEED = 0
"""Not the search's: the same candidates are searched whatever the seed of the search."""
DIGITS = 4
"""Scores are rounded, so that the plan is the same where sums differ in the last bits."""
CODE = (
    "tasks/*.py",
    "worker/features.py",
    "worker/logistic.py",
    "worker/ridge.py",
    "worker/screening.py",
    "worker/separation.py",
)
"""Source files that decide a score."""


@dataclass(frozen=True, slots=True)
class Screening:
    """What comparing came to; of no candidate compared, ``ranking`` and ``seconds`` are empty."""

    candidates: tuple[Candidate, ...]
    """Those to search, in the recipe's order."""
    ranking: tuple[Screened, ...] = ()
    """All that were compared, best first."""
    refused: tuple[Refusal, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Candidate id → seconds that scoring it took, today or when it was remembered."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of every candidate; fields as in ScreenSpec."""

    task: str
    labels: tuple[str, ...]
    sample: tuple[Mapping[str, Any], ...]
    by: str
    versions: Mapping[str, str]


def screen(
    loaded: LoadedRecipe,
    task: Task,
    data: LoadedData,
    candidates: Sequence[Candidate],
    models: Mapping[str, ResolvedModel],
    versions: Mapping[str, str],
    folder: Path,
    say: Callable[[str, str], None],
) -> Screening:
    """Return the candidates worth searching, as ``search.screen`` wishes.

    ``versions`` are those of the packages that decide a score; ``folder`` keeps the worker's spec
    and log; ``say`` hears (stage, text). A candidate that can't be compared is refused. Raises
    RecipeError where the task has no classes to tell apart though the recipe asks for a
    comparison, CandidateError where not a single candidate can be compared.
    """
    wish = _wish(loaded, task, len(candidates))
    if wish is None:
        return Screening(tuple(candidates))
    question = Question(
        task.name,
        data.plan.labels,
        _sample(data.tables["train"], task, wish.rows),
        wish.by,
        versions,
    )
    say("models", f"comparing {len(candidates)} frozen, {wish.by} on {len(question.sample):,} rows")
    scores = _scores(question, candidates, models, folder)
    if all(score.refused for score in scores.values()):
        raise CandidateError(_none_compared(loaded, candidates, scores))
    return choose(candidates, scores, wish.keep, wish.by)


def _wish(loaded: LoadedRecipe, task: Task, candidates: int) -> Screen | None:
    """Return how to compare, or None where nothing is to be compared."""
    wish = loaded.recipe.search.screen
    if "probe" not in task.knobs:
        if isinstance(wish, Screen):
            message = f"{task.name} has no classes that a frozen encoder could be compared by"
            raise RecipeError(
                [loaded.problem(("search", "screen"), message, hint="write `screen: never`")]
            )
        return None
    if isinstance(wish, Screen):
        return wish if candidates > 1 else None
    return Screen() if wish == "auto" and candidates > AUTO_ABOVE else None


def choose(
    candidates: Sequence[Candidate],
    scores: Mapping[str, ScreenScore],
    keep: int,
    by: str,
) -> Screening:
    """Return who is kept: the ``keep`` best, and of the rest one generalist.

    That is the best ranked of another family than all those kept, in case what is compared favours
    one kind of model; where there is none, the one with most weights. Of equal scores the model
    with fewer weights ranks first, then the one that the recipe names first.
    """
    compared = [each for each in candidates if not scores[each.id].refused]
    points = {each.id: round(scores[each.id].score, DIGITS) for each in compared}
    ranked = sorted(compared, key=lambda each: (-points[each.id], each.parameters))
    reasons = {each.id: f"among the best {keep}" for each in ranked[:keep]}
    if rest := ranked[keep:]:
        generalist, why = _generalist(ranked[:keep], rest)
        reasons[generalist.id] = why
    ranking, refused = [], []
    for rank, each in enumerate(ranked, start=1):
        place = f"{by} {points[each.id]:.{DIGITS}f}, rank {rank} of {len(ranked)}"
        kept = each.id in reasons
        reason = reasons.get(each.id, f"{place}; the best {keep} and one other are searched")
        if not kept:
            refused.append(Refusal(each.reference, f"screened out: {reason}"))
        ranking.append(
            Screened(each.reference, rank, points[each.id], scores[each.id].layer, kept, reason)
        )
    refused += [
        Refusal(each.reference, f"it can't be compared frozen: {scores[each.id].refused}")
        for each in candidates
        if scores[each.id].refused
    ]
    return Screening(
        candidates=tuple(each for each in candidates if each.id in reasons),
        ranking=tuple(ranking),
        refused=tuple(refused),
        seconds={each.id: scores[each.id].seconds for each in candidates},
    )


def _generalist(kept: Sequence[Candidate], rest: Sequence[Candidate]) -> tuple[Candidate, str]:
    families = {each.family for each in kept}
    for each in rest:
        if each.family not in families:
            return each, f"the best of another family, {each.family}, than those before it"
    largest = max(rest, key=lambda each: each.parameters)
    return largest, f"the largest of the others: {largest.parameters:,} weights"


def _sample(train: pa.Table, task: Task, rows: int) -> tuple[Mapping[str, Any], ...]:
    """Training rows by role. Tables are ordered by row hash, so the first rows are a fair draw."""
    roles = [role.name for role in task.roles if role.name in train.column_names]
    return tuple(train.select(roles).slice(0, rows).to_pylist())


def _none_compared(
    loaded: LoadedRecipe, candidates: Sequence[Candidate], scores: Mapping[str, ScreenScore]
) -> list[Problem]:
    head = loaded.problem(
        ("search", "screen"),
        "none of the candidates can be compared frozen",
        hint="write `screen: never`",
    )
    return [
        head,
        *(Problem(f"{each.reference}: {scores[each.id].refused}") for each in candidates),
    ]


def _scores(
    question: Question,
    candidates: Sequence[Candidate],
    models: Mapping[str, ResolvedModel],
    folder: Path,
) -> dict[str, ScreenScore]:
    """Return one score per candidate id; a worker is asked about those not remembered."""
    found = {
        each.id: known
        for each in candidates
        if (known := _known(question, each, models[each.id])) is not None
    }
    missing = [each for each in candidates if each.id not in found]
    for score in _ask(question, missing, models, folder) if missing else ():
        found[score.id] = score
    return found


def _ask(
    question: Question,
    candidates: Sequence[Candidate],
    models: Mapping[str, ResolvedModel],
    folder: Path,
) -> Sequence[ScreenScore]:
    """Ask of all at once; after a crash of each alone, to know whose it was."""
    try:
        return _call(question, candidates, models, folder)
    except JobFailed as error:
        if len(candidates) == 1:
            last = error.log_tail.strip().splitlines()
            why = f"it ended the process: {last[-1] if last else error}"
            return [ScreenScore(candidates[0].id, 0.0, 0, 0.0, refused=why)]
    found: list[ScreenScore] = []
    for each in candidates:
        found.extend(_ask(question, [each], models, folder.with_name(f"screen-{each.id}")))
    return found


def _call(
    question: Question,
    candidates: Sequence[Candidate],
    models: Mapping[str, ResolvedModel],
    folder: Path,
) -> Sequence[ScreenScore]:
    gpus = tuple(gpu.id for gpu in machine.gpus())[:1]
    spec = ScreenSpec(
        task=question.task,
        models=tuple(
            ModelRef(each.id, str(models[each.id].path.absolute()), each.trust_remote_code)
            for each in candidates
        ),
        labels=question.labels,
        sample=question.sample,
        max_lengths={each.id: each.max_length for each in candidates},
        by=question.by,  # type: ignore[arg-type]  # the recipe's schema has checked it
        threads=machine.physical_cores(),
        devices=gpus,
        seed=SEED,
    )
    result: ScreenResult = processes.call(
        spec, ScreenResult, folder, threads=spec.threads, devices=spec.devices
    )
    for score, each in zip(result.scores, candidates, strict=True):
        if score.refused is not None:
            continue  # for want of memory, perhaps: next time it is asked again
        answer = documents.to_json(ScreenResult((score,)))
        remembered.remember(KIND, key(question, each, models[each.id]), answer)
    return result.scores


def _known(question: Question, candidate: Candidate, model: ResolvedModel) -> ScreenScore | None:
    """What is remembered, under today's id of the candidate; what cannot be read is asked anew."""
    data = remembered.read(KIND, key(question, candidate, model))
    if data is None:
        return None
    try:
        return replace(documents.from_json(ScreenResult, data).scores[0], id=candidate.id)
    except (InputError, IndexError):
        return None


def key(question: Question, candidate: Candidate, model: ResolvedModel) -> str:
    """Return the name a score is remembered under: the content of all that decides it."""
    facts = {
        "files": [[each.path, each.sha256] for each in model.files],
        "code": model.trust_remote_code,
        "task": question.task,
        "labels": question.labels,
        "sample": question.sample,
        "max_length": candidate.max_length,
        "by": question.by,
        "seed": SEED,
        "versions": dict(question.versions),
        "automl": _source_hash(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@cache
def _source_hash() -> str:
    digest = hashlib.sha256()
    package = Path(__file__).parent.parent
    for pattern in CODE:
        for path in sorted(package.glob(pattern)):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
