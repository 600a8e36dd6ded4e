"""What differs between two compilations, in plain words, and what a started study can bear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from automl.compiler.lock import Lock, LockedData, LockedModel, make_lock
from automl.plan import Candidate, DataPlan, FileHash, Goal, Parameter, Plan, Scalar, Source

NEW_NAME = "give the recipe another name, or run it with another --run-dir"


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed since a run folder was made; with anything ``refused`` it cannot continue."""

    allowed: tuple[str, ...]
    refused: tuple[str, ...]


def lock_drift(lock: Lock, plan: Plan) -> tuple[str, ...]:
    """Return every way in which ``plan`` differs from what was locked; () when it does not."""
    now = make_lock(plan)
    return (
        *_differs("the task", lock.task, now.task),
        *_table("the parent", _commits(lock), _commits(now)),
        *_data_drift(lock.data, now.data),
        *_answer_drift(lock, now),
        *_model_drift(lock.models, now.models),
        *_table("seed", lock.seeds, now.seeds),
        *_table("version", lock.versions, now.versions),
    )


def plan_changes(old: Plan, new: Plan) -> Changes:
    """Return what differs between the plan a run folder was made from and today's.

    Refused is what would make old and new trials incomparable: task, rows, split, classes, the
    goal's metric and direction, another model under a known candidate's id.
    """
    refused = [
        *_differs("the task", old.task, new.task),
        *_data_changes(old.data, new.data),
        *_differs("the goal", _goal(old), _goal(new)),
        *_swapped_models(old, new),
    ]
    allowed = [
        *_candidate_changes(old, new),
        *_differs("objective.subject_to", old.goal.subject_to, new.goal.subject_to),
        *_differs("the further objectives", _further(old.goal), _further(new.goal)),
        *_differs("objective.prefer", _preferred(old.goal), _preferred(new.goal)),
        *_fields("budget", old.budget, new.budget),
        *_fields("search", old.search, new.search),
        *_fields("devices", old.devices, new.devices),
        *_differs("checks", old.checks, new.checks),
        *_fields("export", old.export, new.export),
        *_table("version", old.versions, new.versions),
    ]
    return Changes(tuple(allowed), tuple(f"{each}; {NEW_NAME}" for each in refused))


def _commits(lock: Lock) -> dict[str, str]:
    return {each.reference: each.revision for each in lock.parents}


def _answer_drift(lock: Lock, now: Lock) -> Iterator[str]:
    before, after = ({each.query for each in one.answers} for one in (lock, now))
    yield from (f"the query {query} is gone" for query in sorted(before - after))
    yield from (f"the query {query} is new" for query in sorted(after - before))


def _goal(plan: Plan) -> str:
    return f"{plan.goal.direction} {plan.goal.metric}"


def _further(goal: Goal) -> tuple[str, ...]:
    return tuple(f"{direction} {name}" for name, direction in goal.also.items())


def _preferred(goal: Goal) -> str | None:
    return f"{goal.prefer.metric} within {goal.prefer.within:g}" if goal.prefer else None


def _data_drift(old: LockedData, new: LockedData) -> Iterator[str]:
    yield from _source_drift(old.sources, new.sources)
    yield from _differs("the data's content", _short(old.fingerprint), _short(new.fingerprint))
    yield from _differs("the split", _short(old.split), _short(new.split))
    yield from _label_changes(old.labels, new.labels)


def _source_drift(old: Sequence[Source], new: Sequence[Source]) -> Iterator[str]:
    before = {(source.split, source.reference): source for source in old}
    after = {(source.split, source.reference): source for source in new}
    for key in sorted({*before, *after}):
        split, reference = key
        if key not in after or key not in before:
            what = "is new" if key in after else "is gone"
            yield f"the {split} source {reference} {what}"
            continue
        yield from _differs(
            f"the revision of {reference}", before[key].revision, after[key].revision
        )
        yield from _file_drift(f"{reference}: ", before[key].files, after[key].files)


def _file_drift(prefix: str, old: Sequence[FileHash], new: Sequence[FileHash]) -> Iterator[str]:
    before = {file.path: file.sha256 for file in old}
    after = {file.path: file.sha256 for file in new}
    for path in sorted({*before, *after}):
        if path not in after:
            yield f"{prefix}the file {path} is gone"
        elif path not in before:
            yield f"{prefix}the file {path} is new"
        elif before[path] != after[path]:
            yield f"{prefix}the file {path} has other content"


def _model_drift(old: Sequence[LockedModel], new: Sequence[LockedModel]) -> Iterator[str]:
    before, after = {each.id: each for each in old}, {each.id: each for each in new}
    yield from (f"the candidate {name} is gone" for name in before if name not in after)
    for name, now in after.items():
        if name not in before:
            yield f"the candidate {name} is new"
            continue
        then = before[name]
        yield from _differs(
            f"{name}: the source",
            f"{then.source} {then.reference}",
            f"{now.source} {now.reference}",
        )
        yield from _differs(f"{name}: the revision", then.revision, now.revision)
        yield from _file_drift(f"{name}: ", then.files, now.files)
        yield from _differs(f"{name}: max_length", then.max_length, now.max_length)
        yield from _space_changes(name, then.space, now.space)


def _data_changes(old: DataPlan, new: DataPlan) -> Iterator[str]:
    """Row counts say more than hashes, so they come first; the split follows from the rows."""
    labels = list(_label_changes(old.labels, new.labels))
    yield from labels
    if old.fingerprint != new.fingerprint:
        yield (
            f"the data has other content: {_sizes(old)} → {_sizes(new)} "
            f"(fingerprint {_short(old.fingerprint)} → {_short(new.fingerprint)})"
        )
    elif old.split.hash != new.split.hash:
        yield (
            f"the rows are split another way: {_sizes(old)}, seed {old.split.seed} → "
            f"{_sizes(new)}, seed {new.split.seed}"
        )
    yield from _table("the column of", old.columns, new.columns)


def _sizes(data: DataPlan) -> str:
    return ", ".join(f"{count:,} {split}" for split, count in sorted(data.rows.items()))


def _label_changes(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    gone = [label for label in old if label not in new]
    added = [label for label in new if label not in old]
    if gone or added:
        parts = [f"gone {', '.join(gone)}"] * bool(gone) + [f"new {', '.join(added)}"] * bool(added)
        yield f"the classes differ: {'; '.join(parts)}"
    elif tuple(old) != tuple(new):
        yield "the classes come in another order"


def _swapped_models(old: Plan, new: Plan) -> Iterator[str]:
    """The same id must stay the same weights, or its old trials say nothing of it."""
    before = {candidate.id: candidate for candidate in old.candidates}
    for now in new.candidates:
        then = before.get(now.id)
        if then is not None and then.files != now.files:
            yield f"{now.id}: {'; '.join(_swap(then, now))}"


def _swap(then: Candidate, now: Candidate) -> Iterator[str]:
    yield from _differs("the revision", then.revision, now.revision)
    yield from _file_drift("", then.files, now.files)


def _candidate_changes(old: Plan, new: Plan) -> Iterator[str]:
    before = {candidate.id: candidate for candidate in old.candidates}
    after = {candidate.id: candidate for candidate in new.candidates}
    yield from (f"the candidate {name} is new" for name in after if name not in before)
    yield from (
        f"the candidate {name} is left out from now on" for name in before if name not in after
    )
    for name in [name for name in before if name in after]:
        then, now = before[name], after[name]
        yield from _differs(f"{name}: max_length", then.max_length, now.max_length)
        yield from _space_changes(name, then.space, now.space)
        yield from _portfolio_changes(name, then.portfolio, now.portfolio)


def _portfolio_changes(
    name: str, old: Sequence[Mapping[str, Scalar]], new: Sequence[Mapping[str, Scalar]]
) -> Iterator[str]:
    if len(old) != len(new):
        yield f"{name}: the portfolio changed: {len(old)} → {len(new)} starts"
    elif list(map(dict, old)) != list(map(dict, new)):
        yield f"{name}: the portfolio has other starts"


def _space_changes(name: str, old: Sequence[Parameter], new: Sequence[Parameter]) -> Iterator[str]:
    before = {label(each, old): _values(each) for each in old}
    after = {label(each, new): _values(each) for each in new}
    for parameter in [*before, *(each for each in after if each not in before)]:
        yield from _differs(
            f"{name}: {parameter}",
            before.get(parameter, "not searched"),
            after.get(parameter, "not searched"),
        )


def label(parameter: Parameter, space: Sequence[Parameter]) -> str:
    """Return the parameter's name, with its conditions where the space has several by that name."""
    if sum(each.name == parameter.name for each in space) == 1:
        return parameter.name
    conditions = (f"{name} {', '.join(map(str, of))}" for name, of in parameter.when.items())
    return f"{parameter.name} ({'; '.join(conditions)})"


def _values(parameter: Parameter) -> str:
    if parameter.kind != "choice":
        log = " (log)" if parameter.log else ""
        return f"{parameter.low:g} to {parameter.high:g}{log}"
    return ", ".join(str(choice) for choice in parameter.choices)


def _fields(section: str, old: object, new: object) -> Iterator[str]:
    for field in getattr(old, "__dataclass_fields__"):  # noqa: B009
        yield from _differs(f"{section}.{field}", getattr(old, field), getattr(new, field))


def _table(what: str, old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[str]:
    for key in sorted({*old, *new}):
        yield from _differs(f"{what} {key}", old.get(key), new.get(key))


def _differs(what: str, old: object, new: object) -> Iterator[str]:
    if old != new:
        yield f"{what} changed: {_said(old)} → {_said(new)}"


def _said(value: object) -> str:
    if value is None or value == ():
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _short(digest: str) -> str:
    return digest[:12]
