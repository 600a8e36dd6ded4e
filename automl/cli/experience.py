"""``automl experience``: what earlier studies left for later ones, listed, shown and carried."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from automl.experience.record import Record, Tried

command = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Look at what earlier studies left for later ones (settings and scores, never rows), and "
    "carry it elsewhere. It lies in ~/.automl/experience, or in $AUTOML_EXPERIENCE.",
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@command.command("list")
def list_records(as_json: AsJson = False) -> None:
    """List the records, newest first: what was studied, how it went, and on what machine."""
    import json
    import sys

    from automl.cli import _console
    from automl.experience import store

    records = _records()
    if as_json:
        print(json.dumps([_facts(record) for record in records], indent=2))
        return
    if not records:
        print(f"there is no experience in {store.folder()} yet", file=sys.stderr)
        return
    columns = ("id", "written", "task", "rows", "classes", "trials", "best", "model", "hardware")
    table = _console.table(*columns, folding=("hardware",))
    for record in records:
        best = record.best()
        value = best.value(record.direction) if best else None
        table.add_row(
            record.id,
            _date(record.time),
            record.task,
            f"{record.data.rows:,}",
            str(record.data.classes),
            str(len(record.trials)),
            "" if value is None else f"{record.metric} {value:.4f}",
            _name(record, best.model) if best else "",
            record.hardware,
        )
    _console.stdout().print(table)


@command.command("show")
def show(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Beginning of a record's id.")],
    as_json: AsJson = False,
) -> None:
    """Show all that one record holds: the data in numbers, the models, and each trial."""
    from automl import documents
    from automl.experience import store

    record = store.find(_records(), identifier)
    if as_json:
        print(documents.to_json(record).decode(), end="")
        return
    _print(record)


@command.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="File to write.", show_default=False)],
    identifiers: Annotated[
        list[str] | None,
        typer.Argument(metavar="IDS", help="Beginnings of ids.", show_default="all records"),
    ] = None,
) -> None:
    """Write records to one JSON file, for another machine or another team."""
    import sys

    from automl.errors import InputError
    from automl.experience import store

    records = _records()
    wanted = [store.find(records, each) for each in identifiers] if identifiers else records
    if not wanted:
        raise InputError(f"there is no experience in {store.folder()} to export")
    try:
        store.export({record.id: record for record in wanted}.values(), file)
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}") from error
    print(f"{len(wanted)} records in {file}", file=sys.stderr)


@command.command("import")
def take(
    file: Annotated[Path, typer.Argument(help="File that export wrote.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Add the records of a file. Each is checked; what is skipped is said, with the reason."""
    import json
    import sys
    from dataclasses import asdict

    from automl.errors import InputError
    from automl.experience import store

    try:
        found = store.take(file)
    except OSError as error:
        raise InputError(f"{error.filename or file}: {error.strerror}") from error
    if as_json:
        print(json.dumps(asdict(found), indent=2))
    for reason in found.skipped:
        print(f"skipped: {reason}", file=sys.stderr)
    print(
        f"{len(found.added)} added to {store.folder()}, {len(found.known)} there already, "
        f"{len(found.skipped)} skipped",
        file=sys.stderr,
    )


def _records() -> tuple[Record, ...]:
    """The store's records; what it could not take is said on stderr."""
    import sys

    from automl.experience import store

    reading = store.read_all()
    for warning in reading.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return reading.records


def _facts(record: Record) -> dict[str, object]:
    best = record.best()
    return {
        "id": record.id,
        "time": record.time,
        "task": record.task,
        "rows": record.data.rows,
        "classes": record.data.classes,
        "trials": len(record.trials),
        "metric": record.metric,
        "best": best.value(record.direction) if best else None,
        "model": _name(record, best.model) if best else None,
        "seconds": record.seconds,
        "hardware": record.hardware,
    }


def _print(record: Record) -> None:
    from automl.cli import _console

    data, layout = record.data, record.layout
    lengths = ", ".join(f"{name} {value}" for name, value in data.characters.items())
    threads = "threads by the machine" if layout.threads is None else f"{layout.threads} threads"
    facts = _console.table("", "", folding=("",))
    facts.show_header = False
    for name, text in (
        ("id", f"{record.id}, written {_date(record.time)}"),
        ("task", f"{record.task}, {record.direction} {record.metric}"),
        ("rows", f"{data.rows:,} for training, {data.validation_rows:,} for validation"),
        ("classes", f"{data.classes}, the largest {data.largest_share:.0%} of the rows"),
        ("characters", lengths or "no text"),
        ("search", f"{len(record.trials)} trials in {record.seconds:.0f} s"),
        ("machine", f"{record.hardware}; {layout.trials_per_device} trials at once, {threads}"),
        ("versions", ", ".join(f"{name} {v}" for name, v in sorted(record.versions.items()))),
    ):
        facts.add_row(name, text)
    _console.stdout().print(facts)
    print()
    _console.stdout().print(_trials(record))


def _trials(record: Record) -> object:
    from automl.cli import _console

    columns = ("trial", "state", record.metric, "model", "settings", "samples", "seconds", "memory")
    table = _console.table(*columns, folding=("settings",))
    for trial in record.trials:
        value = trial.value(record.direction)
        repeat = "" if trial.repeat_of is None else f" repeats {trial.repeat_of}"
        table.add_row(
            f"{trial.number}{repeat}",
            trial.state,
            "" if value is None else f"{value:.4f}",
            _name(record, trial.model),
            _settings(trial),
            f"{trial.curve[-1][0]:,}" if trial.curve else "",
            f"{trial.seconds:.1f}",
            "" if trial.memory_bytes is None else _console.size(trial.memory_bytes),
        )
    return table


def _settings(trial: Tried) -> str:
    parts = (
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in trial.hyperparameters.items()
    )
    return ", ".join(parts)


def _name(record: Record, index: int) -> str:
    """What a person calls the model: folders leave no name behind."""
    model = record.models[index]
    return model.reference or f"{model.family}, {model.parameters / 1e6:.3g}M"


def _date(seconds: float) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
