"""The checks a recipe asks for, at their places: what is wrong with them, and what they stand on.

Opens bundles' ``automl.json`` and files of words; neither data nor models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automl import documents, tasks
from automl.bundle import INFO, BundleInfo, find_bundle
from automl.compiler import checks
from automl.compiler.checks import CHANGES, INVARIANCE, SYNONYMS, Check
from automl.compiler.quantities import QUANTITIES
from automl.errors import AutoMLError, Problem
from automl.plan import Earlier
from automl.recipe.loaded import LoadedRecipe, Location
from automl.recipe.schema import NotWorse
from automl.tasks import Task

if TYPE_CHECKING:
    import pyarrow as pa

_LARGEST_WORDS = 1_000_000
"""Bytes of a file of words."""


def texts(loaded: LoadedRecipe) -> tuple[str, ...]:
    """Return every check as text, fit to be published; ``checks.parse`` may refuse some."""
    return tuple(_text(loaded, index) for index in range(len(loaded.recipe.checks)))


def _text(loaded: LoadedRecipe, index: int) -> str:
    check = loaded.recipe.checks[index]
    if not isinstance(check, NotWorse):
        return loaded.reference(("checks", index), check)
    bundle = loaded.reference(("checks", index, "not_worse_than"), check.not_worse_than)
    return checks.Earlier(bundle, check.by).text


def slice_columns(loaded: LoadedRecipe) -> tuple[str, ...]:
    """Return the columns that checks may mean: of ``metric[a=b]`` that is ``a``, or a class."""
    named = (check.slice for check in checks.thresholds(texts(loaded)))
    return tuple(dict.fromkeys(each[0] for each in named if each is not None))


def problems(loaded: LoadedRecipe, task: Task) -> Iterator[Problem]:
    """Yield what is wrong with the checks as far as recipe and task tell."""
    for index, text in enumerate(texts(loaded)):
        where: Location = ("checks", index)
        try:
            check = checks.parse(text)
        except ValueError as error:
            yield loaded.problem(where, str(error))
            continue
        if isinstance(check, checks.Earlier):
            yield from _earlier_problems(loaded, index, task)
        elif check.metric == INVARIANCE:
            yield from _invariance_problems(loaded, where, check, task)
        elif check.metric in QUANTITIES:
            if check.label is not None:
                yield loaded.problem(where, f"{check.metric} is that of the whole model")
        else:
            yield from _metric_problems(loaded, where, check, task)


def _metric_problems(
    loaded: LoadedRecipe, where: Location, check: Check, task: Task
) -> Iterator[Problem]:
    metrics = {metric.name for metric in tasks.metrics(task)}
    classes = any(role.kind in ("class", "classes") for role in task.roles)
    classes = classes or task.kinds is not None or task.classes is not None
    if check.label is None and check.metric not in metrics:
        if classes and check.metric in task.by_class:
            yield _unnamed_class(loaded, where, check, metrics)
        else:
            yield _unknown(loaded, where, check.metric, task, (*sorted(metrics), *QUANTITIES))
    elif check.slice is not None:
        if check.metric not in metrics and not (classes and check.metric in task.by_class):
            yield _unknown(loaded, where, check.metric, task, tuple(sorted(metrics)))
    elif check.label is not None and not classes:
        hint = f"a slice is written {check.metric}[column=value]"
        yield loaded.problem(where, f"{task.name} has no classes to check one of", hint=hint)
    elif check.label is not None and check.metric not in task.by_class:
        yield loaded.problem(
            where,
            f"{check.metric!r} is not measured per class",
            value=check.metric,
            known=task.by_class,
        )


def _unknown(
    loaded: LoadedRecipe, where: Location, name: str, task: Task, known: tuple[str, ...]
) -> Problem:
    return loaded.problem(where, f"{task.name} has no metric {name!r}", value=name, known=known)


def _unnamed_class(
    loaded: LoadedRecipe, where: Location, check: Check, metrics: set[str]
) -> Problem:
    over_all = f", or macro_{check.metric}" if f"macro_{check.metric}" in metrics else ""
    return loaded.problem(
        where,
        f"{check.metric} is measured per class",
        hint=f"name the class: {check.metric}[class] {check.operator} {check.threshold:g}"
        f"{over_all}",
    )


def _invariance_problems(
    loaded: LoadedRecipe, where: Location, check: Check, task: Task
) -> Iterator[Problem]:
    reads = [role for role in task.roles if role.kind == "text" and not role.is_target]
    if task.probabilities is None or not reads:
        yield loaded.problem(where, f"{task.name} gives texts no class whose change could be seen")
    elif check.words is not None:
        try:
            _words(loaded, _file(loaded, where, check.words))
        except ValueError as error:
            hint = "one group of words a line, separated by commas: film, movie"
            yield loaded.problem(where, str(error), hint=hint)
    elif check.change not in CHANGES:
        known = (*CHANGES, f"{SYNONYMS}FILE")
        if check.change is None:
            hint = f"{INVARIANCE}[typos] >= 0.95; {', '.join(known)}"
            yield loaded.problem(where, "no change is named", hint=hint)
        else:
            said = f"there is no change {check.change!r}"
            yield loaded.problem(where, said, value=check.change, known=known)


def words(loaded: LoadedRecipe) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Return file as a check names it → its groups of words; ``problems`` has found none."""
    found = {}
    for index, text in enumerate(texts(loaded)):
        check = checks.parse(text)
        if isinstance(check, Check) and check.words is not None:
            found[check.words] = _words(loaded, _file(loaded, ("checks", index), check.words))
    return found


def _file(loaded: LoadedRecipe, where: Location, published: str) -> str:
    """Return the file of words as the environment has it; ``published`` is what the recipe says."""
    if where not in loaded.written:
        return published
    check = checks.parse(str(loaded.recipe.checks[int(where[1])]))
    assert isinstance(check, Check)
    return check.words or published


def _words(loaded: LoadedRecipe, name: str) -> tuple[tuple[str, ...], ...]:
    path = loaded.folder / name
    if not path.is_file():
        raise ValueError(f"the file of words {name} is not there")
    if path.stat().st_size > _LARGEST_WORDS:
        raise ValueError(f"the file of words {name} is over {_LARGEST_WORDS:,} bytes")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"the file of words {name} is no UTF-8 text") from None
    groups = []
    for number, line in enumerate(lines, 1):
        group = tuple(dict.fromkeys(word.strip() for word in line.split(",") if word.strip()))
        if len(group) == 1:
            raise ValueError(f"{name}:{number}: {group[0]!r} stands alone; a group has two words")
        groups += [group] if group else []
    if not groups:
        raise ValueError(f"the file of words {name} is empty")
    return tuple(groups)


def bundles(loaded: LoadedRecipe) -> dict[str, Path]:
    """Return check → folder of the bundle it compares with; ``problems`` has found none."""
    return {
        text: find_bundle(loaded.folder / check.not_worse_than)
        for text, check in zip(texts(loaded), loaded.recipe.checks, strict=True)
        if isinstance(check, NotWorse)
    }


def earlier(loaded: LoadedRecipe) -> tuple[Earlier, ...]:
    """Return the bundles that checks compare with, pinned."""
    found = []
    for text, folder in bundles(loaded).items():
        content = (folder / INFO).read_bytes()
        name = documents.read(BundleInfo, folder / INFO).name
        found.append(Earlier(text, name, hashlib.sha256(content).hexdigest()))
    return tuple(found)


def _earlier_problems(loaded: LoadedRecipe, index: int, task: Task) -> Iterator[Problem]:
    check = loaded.recipe.checks[index]
    where: Location = ("checks", index, "not_worse_than")
    if not isinstance(check, NotWorse):
        yield loaded.problem(
            ("checks", index),
            "a comparison with an earlier bundle has a key of its own",
            hint="- {not_worse_than: bundles/v1}",
        )
        return
    if task.reference is not None:
        said = f"{task.name} is judged against the model before training, which bundles lack"
        yield loaded.problem(where, said)
        return
    try:
        info = documents.read(BundleInfo, find_bundle(loaded.folder / check.not_worse_than) / INFO)
    except AutoMLError as error:
        first = str(error).splitlines()[0]
        yield loaded.problem(where, first, hint="a bundle, relative to the recipe")
        return
    if info.task not in (task.name, task.lists):
        yield loaded.problem(where, f"{check.not_worse_than} is a bundle for {info.task}")
    elif info.trust_remote_code:
        yield loaded.problem(where, f"{check.not_worse_than} only loads by running its own code")


def data_problems(
    loaded: LoadedRecipe, task: Task, labels: Sequence[str], slices: pa.Table | None
) -> Iterator[Problem]:
    """Yield what is wrong with the checks as the data tells: classes, slices, bundles' classes."""
    known = tuple(labels if task.kinds is None else task.kinds(tuple(labels)))
    for index, text in enumerate(texts(loaded)):
        check = checks.parse(text)
        where: Location = ("checks", index)
        if isinstance(check, checks.Earlier):
            yield from _other_classes(loaded, index, labels)
        elif check.label is None or check.metric == INVARIANCE:
            continue
        elif check.slice is not None and check.label not in known:
            yield from _slice_problems(loaded, where, check, task, slices)
        elif check.label not in known:
            yield loaded.problem(
                where, f"the data has no class {check.label!r}", value=check.label, known=known
            )


def _slice_problems(
    loaded: LoadedRecipe, where: Location, check: Check, task: Task, slices: pa.Table | None
) -> Iterator[Problem]:
    assert check.slice is not None
    column, value = check.slice
    if check.metric not in {metric.name for metric in tasks.metrics(task)}:
        said = f"{check.metric!r} is measured per class, not per slice"
        yield loaded.problem(
            where, said, value=check.metric, known=tuple(m.name for m in task.metrics)
        )
    elif slices is None or column not in slices.column_names:
        yield loaded.problem(where, f"the test rows have no column {column!r}")
    else:
        found = {each for each in slices[column].to_pylist() if each is not None}
        if value not in found:
            yield loaded.problem(
                where,
                f"no test row has {value!r} in column {column!r}",
                value=value,
                known=tuple(sorted(found)[:20]),
            )


def _other_classes(loaded: LoadedRecipe, index: int, labels: Sequence[str]) -> Iterator[Problem]:
    check = loaded.recipe.checks[index]
    assert isinstance(check, NotWorse)
    info = documents.read(BundleInfo, find_bundle(loaded.folder / check.not_worse_than) / INFO)
    others = sorted(set(labels) ^ set(info.labels))
    if others:
        yield loaded.problem(
            ("checks", index, "not_worse_than"),
            f"{check.not_worse_than} knows other classes than the data: {', '.join(others[:5])}",
            hint="compare where both know the same classes",
        )
