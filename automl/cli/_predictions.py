"""Where ``automl predict`` reads and writes: arguments to streams, progress to stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from rich.console import Console

from automl.errors import InputError, Problem
from automl.recipe.loaded import nearest
from automl.serving import output
from automl.serving import rows as inputs
from automl.serving.output import Answer
from automl.serving.rows import PAIR, TEXT, Row


def rows(
    source: Path | None, texts: list[str], pairs: list[str], format: str | None
) -> Iterator[Row]:
    """Return the rows that the arguments name; InputError where they name none, or two kinds.

    ``pairs`` are the second texts of ``texts``, as many or none.
    """
    if pairs and len(pairs) != len(texts):
        raise InputError(f"{len(texts)} --text and {len(pairs)} --text-pair: a pair takes both")
    if texts and source is not None:
        raise InputError("give texts with --text or a file, not both")
    _refuse_unknown("--input-format", format, tuple(inputs.FORMATS))
    if texts:
        given = ({TEXT: text} for text in texts)
        if pairs:
            given = ({TEXT: one, PAIR: two} for one, two in zip(texts, pairs, strict=True))
        return (Row(f"--text {number}", each) for number, each in enumerate(given, 1))
    if source is None and sys.stdin.isatty():
        hint = 'name a file, or --text "...", or pipe rows in'
        raise InputError(Problem("there is nothing to predict", hint=hint))
    if source is not None and source != Path("-") and not source.exists():
        raise InputError(f"{source} is not there")
    return inputs.read(source or Path("-"), format)


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
        text += f"; {empty:,} without text, left without a label"
    return f"{text}; written to {path}" if path is not None else text


def _refuse_unknown(option: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        hint = nearest(value, known)
        raise InputError(Problem(f"{option} {value}: not one of {', '.join(known)}", hint=hint))
