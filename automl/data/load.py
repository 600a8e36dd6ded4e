"""From a recipe's data section to split tables and the data's part of the plan.

Attaches places in the recipe to what the other modules here found. Knows no candidate, no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from automl import tasks
from automl.data import classes, columns, doctor, forms, media, nested, relabelling, sources, splits
from automl.data.arrays import integers, strings
from automl.data.fingerprint import fingerprint, row_hashes, split_hash
from automl.data.part import GROUP, SLICE, SOURCE, Part, Reading, listed, refused
from automl.data.profile import profile
from automl.data.rows import select
from automl.errors import DataError, Problem
from automl.plan import SPLITS, DataPlan, Source, SplitRule
from automl.recipe.loaded import LoadedRecipe, Location
from automl.tasks import Role, Task

MINIMUM_TRAIN_ROWS = 10


@dataclass(frozen=True, slots=True)
class LoadedData:
    """The rows of each split, and what the plan says of them.

    Tables have a column per role (see ``rows``) and ``__source__`` (``train.csv:17``), in an order
    that depends on row content alone.
    """

    tables: Mapping[str, pa.Table]
    plan: DataPlan
    task: Task
    """The recipe's, or the one that lists of classes make of it."""
    slices: pa.Table | None = None
    """Of the test rows, in their order: the columns by which results are told, as strings."""


@dataclass(frozen=True, slots=True)
class _Read:
    """One reference of the recipe, where it was written, and what it gave."""

    split: str
    reference: str
    location: Location
    reading: Reading


def load_data(loaded: LoadedRecipe, task: Task, slices: Sequence[str] = ()) -> LoadedData:
    """Return the recipe's data, read, checked and split, for the roles the task reads.

    ``slices`` are columns of the test rows by which results are told besides those of
    ``data.slices``; where there are none of the name, nothing is said of it.

    Equal content gives equal tables (``__source__`` aside), split and fingerprint, whatever the
    order of rows and files. Raises DataError at the recipe's place, with all problems of a stage
    at once, for what cannot be read, told apart or learnt from.
    """
    reads = _read_all(loaded, task)
    task, found = _columns(loaded, task, reads)
    roles = [role for role in task.roles if role.name in found]
    sliced = _sliced(loaded, reads, slices)
    given, dropped, renamed = _select_all(loaded, roles, found, reads, sliced)
    given, digests, left_out = _look_all(loaded, roles, given)
    given, prepared = forms.prepare(loaded, task, given)
    roles = [role for role in task.roles if role.name in given["train"].column_names]
    found = {role.name: found[role.name] for role in roles if role.name in found}
    task = tasks.narrowed(task, [role.name for role in roles])
    classes.check_labels(loaded, roles, found, given, _parts(reads, "train"))
    divided, notes = _divide(loaded, task, roles, given, digests)
    _refuse_few(loaded, divided["train"].num_rows)
    classes.check_said(loaded, task, divided)
    contents = {s: media.told_apart(t, roles, digests) for s, t in divided.items()}
    hashes = {s: row_hashes(t, [r.name for r in roles]) for s, t in contents.items()}
    ordered = {split: _ordered(table, hashes[split]) for split, table in divided.items()}
    contents = {split: media.told_apart(table, roles, digests) for split, table in ordered.items()}
    warnings = [
        *_dropped_note(dropped),
        *renamed,
        *left_out,
        *prepared,
        *notes,
        *classes.unused_note(roles, found, divided["train"], _parts(reads, "train")),
        *doctor.doubts(contents, roles),
        *doctor.imbalance(ordered["train"], roles),
    ]
    tables = {split: public(table) for split, table in ordered.items()}
    told = {} if task.constants is None else task.constants(found)
    plan = DataPlan(
        sources=tuple(_source(read) for read in reads),
        columns=found,
        labels=classes.in_order(task, roles, found, divided["train"], _parts(reads, "train")),
        rows={split: table.num_rows for split, table in tables.items()},
        fingerprint=fingerprint(one for many in hashes.values() for one in many),
        split=_rule(loaded, roles, found, split_hash(hashes)),
        profile=profile(tables, roles, hashes["train"], len(dropped), task.classes),
        warnings=tuple(warnings),
        slices=sliced,
    )
    whole = {split: with_constants(table, told) for split, table in tables.items()}
    return LoadedData(whole, plan, task, slice_table(ordered["test"]) if sliced else None)


def with_constants(table: pa.Table, constants: Mapping[str, str]) -> pa.Table:
    """Return the table with a column more for each of the roles that has one value in all rows."""
    for role, value in constants.items():
        table = table.append_column(role, strings([value] * table.num_rows))
    return table


def _refuse_few(loaded: LoadedRecipe, rows: int) -> None:
    if rows < MINIMUM_TRAIN_ROWS:
        message = f"train has {rows} rows; it takes at least {MINIMUM_TRAIN_ROWS}"
        raise DataError(loaded.problem(("data", "train"), message))


def _references(loaded: LoadedRecipe) -> Iterator[tuple[str, str, Location]]:
    """Yield (split, reference, location) for each source the recipe names; shares name none."""
    for split in SPLITS:
        value = getattr(loaded.recipe.data, split)
        if isinstance(value, str):
            yield split, value, ("data", split)
        elif isinstance(value, list):
            for index, reference in enumerate(value):
                yield split, reference, ("data", split, index)


def _read_all(loaded: LoadedRecipe, task: Task) -> list[_Read]:
    reads: list[_Read] = []
    problems: list[Problem] = []
    for split, reference, location in _references(loaded):
        try:
            with classes.placed(loaded, location):
                reading = sources.read(reference, loaded.folder, split, task)
                published = loaded.reference(location, reference)
                parts = tuple(
                    relabelling.declared(nested.opened(part), loaded.recipe.data.labels)
                    for part in reading.parts
                )
                reads.append(_Read(split, published, location, replace(reading, parts=parts)))
        except DataError as error:
            problems.extend(error.problems)
    if not loaded.recipe.data.train:
        problems.append(loaded.problem(("data", "train"), "train names no source"))
    if problems:
        raise DataError(problems)
    return reads


def _columns(
    loaded: LoadedRecipe, task: Task, reads: Sequence[_Read]
) -> tuple[Task, dict[str, str]]:
    roles = columns.of_form(loaded, task, _parts(reads, "train"))
    found = columns.resolve(loaded, roles, _parts(reads, "train"), task.pick)
    if task.lists and _holds_lists(task, found, _parts(reads, "train")):
        task = tasks.get(task.lists)
        found = columns.resolve(loaded, task.roles, _parts(reads, "train"))
    group = loaded.recipe.data.group_by
    with classes.placed(loaded, ("data",)):
        # All splits at once: a column's type must agree between them too.
        problems = columns.require([p for r in reads for p in r.reading.parts], found)
        if group is not None:
            problems += columns.require(_parts(reads, "train"), {"group_by": group})
        if problems:
            raise DataError(problems)
    return task, found


def _holds_lists(task: Task, found: Mapping[str, str], parts: Sequence[Part]) -> bool:
    """Return whether a row has several classes where the task expects one."""
    role = classes.class_role(task.roles)
    held = [part.table for part in parts if role and found[role] in part.table.column_names]
    return any(nested.is_list(table[found[role]].type) for table in held if role)


def _parts(reads: Sequence[_Read], split: str) -> list[Part]:
    return [part for read in reads if read.split == split for part in read.reading.parts]


def _sliced(
    loaded: LoadedRecipe, reads: Sequence[_Read], further: Sequence[str]
) -> tuple[str, ...]:
    """Return the columns by which results on test are told; DataError where one asked for isn't."""
    parts = _parts(reads, _tested(loaded))
    asked = loaded.recipe.data.slices
    with classes.placed(loaded, ("data", "slices")):
        problems = [p for name in asked for p in columns.require(parts, {"a slice": name})]
        if problems:
            raise DataError(problems)
    there = [each for each in further if all(each in part.table.column_names for part in parts)]
    return tuple(dict.fromkeys((*asked, *there)))


def _tested(loaded: LoadedRecipe) -> str:
    """Return the split whose source holds the test rows."""
    return "train" if isinstance(loaded.recipe.data.test, float) else "test"


def slice_table(test: pa.Table) -> pa.Table:
    """Return the columns by which results are told, under their own names."""
    held = [name for name in test.column_names if name.startswith(SLICE)]
    return test.select(held).rename_columns([name.removeprefix(SLICE) for name in held])


def _select_all(
    loaded: LoadedRecipe,
    roles: Sequence[Role],
    found: Mapping[str, str],
    reads: Sequence[_Read],
    sliced: Sequence[str],
) -> tuple[dict[str, pa.Table], list[str], list[str]]:
    """Return each split's rows, where rows without text stood, and notes on renamed classes."""
    tables: dict[str, pa.Table] = {}
    dropped: list[str] = []
    left_out: list[str] = []
    renamed: Counter[str] = Counter()
    problems: list[Problem] = []
    names = loaded.recipe.data.labels
    for split in dict.fromkeys(read.split for read in reads):
        try:
            with classes.placed(loaded, ("data", split)):
                parts = _parts(reads, split)
                beside = sliced if split == _tested(loaded) else ()
                chosen = select(parts, roles, found, _group_of(loaded, parts), names, beside)
                if chosen.table.num_rows == 0:
                    raise refused(f"{split} has no row with text")
                tables[split] = chosen.table
                dropped.extend(chosen.dropped)
                left_out.extend(chosen.left_out)
                renamed += chosen.renamed
        except DataError as error:
            problems.extend(error.problems)
    problems = problems or classes.names_of_nothing(loaded, roles, tables, renamed)
    if problems:
        raise DataError(problems)
    return tables, dropped, list(relabelling.notes(names, renamed, left_out))


def _look_all(
    loaded: LoadedRecipe, roles: Sequence[Role], given: Mapping[str, pa.Table]
) -> tuple[dict[str, pa.Table], dict[str, str], list[str]]:
    """Return each split's rows whose files can be read, path → content, and notes on the others."""
    tables: dict[str, pa.Table] = {}
    digests: dict[str, str] = {}
    notes: list[str] = []
    problems: list[Problem] = []
    for split, table in given.items():
        try:
            with classes.placed(loaded, ("data", split)):
                looked = media.look(split, table, roles, loaded.recipe.data.bad_files)
        except DataError as error:
            problems.extend(error.problems)
            continue
        tables[split] = looked.table
        digests |= looked.digests
        notes.extend(looked.notes)
    if problems:
        raise DataError(problems)
    return tables, digests, notes


def _group_of(loaded: LoadedRecipe, parts: Sequence[Part]) -> str | None:
    """Return the grouping column where the rows have it; only train must."""
    group = loaded.recipe.data.group_by
    return group if all(group in part.table.column_names for part in parts) else None


def _divide(
    loaded: LoadedRecipe,
    task: Task,
    roles: Sequence[Role],
    given: Mapping[str, pa.Table],
    digests: Mapping[str, str],
) -> tuple[dict[str, pa.Table], tuple[str, ...]]:
    """Return the tables of all three splits, taking shares out of train."""
    shares = _shares(loaded)
    if not shares:
        return {split: given[split] for split in SPLITS}, ()
    train = given["train"]
    role = classes.class_role(roles)
    compared = [role for role in roles if role.name == task.together]
    compared = compared or [role for role in roles if not role.is_target]
    shown = media.told_apart(train, compared, digests)
    texts = [nested.readable(shown, role) for role in compared]
    keys = ["\0".join(map(splits.same_text, row)) for row in zip(*texts, strict=True)]
    single = train[role].to_pylist() if role else None
    groups = train[GROUP].to_pylist() if loaded.recipe.data.group_by else None
    lists = classes.classes_role(roles)
    several = train[lists].to_pylist() if lists else None
    division = splits.divide(keys, single, groups, shares, loaded.recipe.data.seed, several)
    for split in shares:
        if split not in division.sides:
            raise DataError(_empty_share(loaded, split, train.num_rows))
    cut = {
        split: train.take(integers(row for row, side in enumerate(division.sides) if side == split))
        for split in ("train", *shares)
    }
    whole = {split: cut[split] if split in cut else given[split] for split in SPLITS}
    return whole, division.warnings


def _shares(loaded: LoadedRecipe) -> dict[str, float]:
    data = loaded.recipe.data
    both = {"validation": data.validation, "test": data.test}
    return {split: share for split, share in both.items() if isinstance(share, float)}


def _empty_share(loaded: LoadedRecipe, split: str, rows: int) -> Problem:
    group = loaded.recipe.data.group_by
    why = f": equal texts link the groups of {group!r} into one" if group else ""
    message = f"{split} gets none of the {rows} rows{why}"
    hint = f"give {split} a larger share or a source of its own"
    return loaded.problem(("data", split), message, hint=hint)


def _ordered(table: pa.Table, hashes: Sequence[bytes]) -> pa.Table:
    sources = table[SOURCE].to_pylist()
    order = sorted(range(table.num_rows), key=lambda row: (hashes[row], sources[row]))
    return table.take(integers(order)).combine_chunks()


def public(table: pa.Table) -> pa.Table:
    """Return the table without what only splitting and slices need."""
    own = [name for name in table.column_names if name.startswith((GROUP, SLICE))]
    return table.drop_columns(own)


def _rule(
    loaded: LoadedRecipe, roles: Sequence[Role], found: Mapping[str, str], hash: str
) -> SplitRule:
    data, shares = loaded.recipe.data, _shares(loaded)
    role = classes.class_role(roles) or classes.classes_role(roles)
    return SplitRule(
        seed=data.seed,
        validation_share=shares.get("validation"),
        test_share=shares.get("test"),
        stratified_by=found.get(role, role) if role and shares else None,
        grouped_by=data.group_by if shares else None,
        hash=hash,
    )


def _source(read: _Read) -> Source:
    return Source(read.split, read.reference, read.reading.files, read.reading.revision)


def _dropped_note(dropped: Sequence[str]) -> list[str]:
    return [f"{len(dropped)} rows without text were left out: {listed(dropped)}"] * bool(dropped)
