"""Where ``automl predict`` reads and writes: arguments to streams, progress to stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console

from automl import documents
from automl.data.media import is_media
from automl.errors import InputError, Problem
from automl.recipe.loaded import nearest
from automl.serving import output
from automl.serving import rows as inputs
from automl.serving.output import Answer
from automl.serving.rows import PAIR, TEXT, Row
from automl.tasks import Task

DRAWN, SHEET_COLUMNS = 48, 6
"""Rows that are drawn, at most."""


def rows(
    sources: Sequence[Path],
    texts: Sequence[str],
    pairs: Sequence[str],
    format: str | None,
    task: Task | None = None,
) -> Iterator[Row]:
    """Return the rows that the arguments name; InputError where they name none, or two kinds.

    ``pairs`` are the second texts of ``texts``, as many or none. Where the ``task`` reads files,
    these and folders of them may be named.
    """
    if pairs and len(pairs) != len(texts):
        raise InputError(f"{len(texts)} --text and {len(pairs)} --text-pair: a pair takes both")
    if texts and sources:
        raise InputError("give texts with --text or a file, not both")
    _refuse_unknown("--input-format", format, tuple(inputs.FORMATS))
    medium = task.media[0].kind if task is not None and task.media else None
    if texts and medium is not None:
        raise InputError(Problem(f"the bundle reads {medium} files, no texts", hint="name a file"))
    if texts:
        given = ({TEXT: text} for text in texts)
        if pairs:
            given = ({TEXT: one, PAIR: two} for one, two in zip(texts, pairs, strict=True))
        return (Row(f"--text {number}", each) for number, each in enumerate(given, 1))
    if not sources and sys.stdin.isatty():
        hint = "name a file or a folder" if medium else 'name a file, or --text "...", or pipe rows'
        raise InputError(Problem("there is nothing to predict", hint=hint))
    for source in sources:
        if source != Path("-") and not source.exists():
            raise InputError(f"{source} is not there")
    if medium is not None and sources and all(_is_medium(each, medium) for each in sources):
        return inputs.files(sources, medium)
    if len(sources) > 1:
        what = f"{medium} files and folders" if medium else "one file"
        raise InputError(f"{sources[1]}: give {what}, or one file of rows")
    return inputs.read(sources[0] if sources else Path("-"), format)


def _is_medium(path: Path, medium: str) -> bool:
    return path.is_dir() or is_media(path.name, medium)


def say(fault: str) -> None:
    """Say on stderr what is wrong with one row."""
    Console(stderr=True, highlight=False).print(fault, markup=False, soft_wrap=True)


def refuse_drawing(path: Path | None, task: Task | None) -> None:
    """Raise InputError where what the task says can't be drawn, or not there."""
    if path is None:
        return
    if task is None or task.draw is None:
        raise InputError("--draw: what this bundle says is no picture")
    if path.suffix.lower() != ".png" or not path.absolute().parent.is_dir():
        raise InputError(Problem(f"--draw {path} can't be written", hint="--draw sheet.png"))


def draw(drawn: Sequence[tuple[Any, str]], path: Path) -> None:
    """Write the images with their captions as one picture."""
    from automl.tasks import _drawing

    if not drawn:
        say(f"nothing could be read, so {path} is not drawn")
        return
    images, captions = zip(*drawn, strict=True)
    with documents.replacing(path.absolute()) as stream:
        _drawing.contact_sheet(images, captions, SHEET_COLUMNS).save(stream, "PNG")
    say(f"{len(images)} drawn in {path}")


def output_format(format: str | None, path: Path | None) -> str:
    """Return the format to write: as asked, else as the file is called, else jsonl."""
    _refuse_unknown("--format", format, output.FORMATS)
    if path is not None and not path.absolute().parent.is_dir():
        raise InputError(f"--output {path}: the folder is not there")
    return format or ("csv" if path is not None and path.suffix.lower() == ".csv" else "jsonl")


def write(
    answers: Iterable[Answer], path: Path | None, format: str, top: int, says: Sequence[str]
) -> None:
    """Write all answers to ``path`` or stdout, with progress on stderr where someone watches.

    A reader of stdout that goes away (``| head``) ends the writing quietly.
    """
    console = Console(stderr=True, highlight=False)
    begun = time.monotonic()
    with _progress(console, path) as said:
        try:
            counts = _written(answers, path, format, top, says, said)
        except BrokenPipeError:
            # what is still buffered would fail again when Python closes stdout
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
    console.print(_summary(*counts, time.monotonic() - begun, path), soft_wrap=True)


def _written(
    answers: Iterable[Answer],
    path: Path | None,
    format: str,
    top: int,
    says: Sequence[str],
    said: Callable[[int], None],
) -> tuple[int, int]:
    rows = empty = 0
    with output.replacing(path) if path is not None else nullcontext(sys.stdout) as stream:
        for _, prediction in output.write(answers, stream, format, top, says):
            rows += 1
            empty += prediction is None
            said(rows)
        stream.flush()
    return rows, empty


@contextmanager
def _progress(console: Console, path: Path | None) -> Iterator[Callable[[int], None]]:
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} rows"), TimeElapsedColumn())
    watched = console.is_terminal and (path is not None or not sys.stdout.isatty())
    with Progress(*columns, console=console, transient=True, disable=not watched) as bar:
        task = bar.add_task("", total=None)
        yield lambda rows: bar.update(task, completed=rows)


def _summary(rows: int, empty: int, seconds: float, path: Path | None) -> str:
    text = f"{rows:,} row{'' if rows == 1 else 's'} in {seconds:.1f} s"
    if empty:
        text += f"; {empty:,} that could not be read, left without an answer"
    return f"{text}; written to {path}" if path is not None else text


def _refuse_unknown(option: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        hint = nearest(value, known)
        raise InputError(Problem(f"{option} {value}: not one of {', '.join(known)}", hint=hint))
