"""Encoded splits, made once per (rows, tokenizer, length, task) and shared by all trials.

The first to come holds a lock and encodes; a folder appears whole or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.data.tables import read_table
from automl.jobs import DataRef
from automl.tasks import Task
from automl.worker import store

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FORMAT = 2
"""Raised when what is stored for the same key changes."""


def encoded(
    task: Task,
    data: DataRef,
    split: str,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    most: int | None = None,
) -> store.Rows:
    """Return the split's encoded rows, encoding them into ``folder`` when nobody has yet.

    ``most`` is the number of rows looked at, the first ones; null: all.
    """
    table = Path(data.tables[split])
    target = folder / (key(task, data, split, tokenizer) + (f"-{most}" if most else ""))
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(target.with_suffix(".lock")):
        if not target.exists():
            _write(_parts(task, data, read_columns(table, most), tokenizer), target)
    return store.load(target)


def _parts(
    task: Task, data: DataRef, columns: Mapping[str, Sequence[Any]], tokenizer: Any
) -> Iterator[store.Rows]:
    """Yield the encoded rows, as many at once as the task bears; say how far where that is long."""
    total = len(next(iter(columns.values())))
    chunk = task.chunk or max(1, total)
    for start in range(0, max(1, total), chunk):
        part = {role: values[start : start + chunk] for role, values in columns.items()}
        yield store.rows(task.encode(part, tokenizer, data.max_length, data.labels))
        if task.chunk is not None and total > chunk:
            print(f"{min(total, start + chunk):,} of {total:,} rows are decoded", flush=True)


def key(task: Task, data: DataRef, split: str, tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the folder name for a split: a hash of all that its encoding depends on."""
    with Path(data.tables[split]).open("rb") as stream:
        rows = hashlib.file_digest(stream, "blake2b").hexdigest()
    parts: Sequence[Any] = (
        FORMAT,
        task.name,
        data.fingerprint,
        rows,
        _content(tokenizer),
        data.max_length,
        data.labels,
    )
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=12).hexdigest()
    return f"{split}-{digest}"


def read_columns(table: Path, most: int | None = None) -> dict[str, list[Any]]:
    """Return a split table, or its first rows, as lists by role."""
    found: dict[str, list[Any]] = read_table(table).slice(0, most).to_pydict()
    return found


def _content(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return a hash of what the tokenizer does, wherever it was loaded from."""
    if not hasattr(tokenizer, "get_vocab"):  # a processor of pictures or sounds
        content = {"class": type(tokenizer).__name__, **tokenizer.to_dict()}
        content["template"] = getattr(tokenizer, "chat_template", None)
        if getattr(tokenizer, "tokenizer", None) is not None:
            content["tokenizer"] = _content(tokenizer.tokenizer)
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.blake2b(text.encode()).hexdigest()
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        # Truncation and padding are settings of the last call, not of the tokenizer.
        content = {**json.loads(backend.to_str()), "truncation": None, "padding": None}
    else:
        content = {"class": type(tokenizer).__name__, "vocabulary": tokenizer.get_vocab()}
    content["inputs"] = list(tokenizer.model_input_names)
    if "automl" in tokenizer.init_kwargs:
        content["automl"] = tokenizer.init_kwargs["automl"]
    content["template"] = getattr(tokenizer, "chat_template", None)
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _write(parts: Iterable[store.Rows], target: Path) -> None:
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        store.save(parts, temporary)
        os.rename(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
