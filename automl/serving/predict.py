"""A bundle that predicts, through its task's own functions: what scored it is what is used.

Takes rows by role and gives dictionaries; knows no files of rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict

from automl import documents, tasks
from automl.bundle import INFO, BundleInfo, find_bundle
from automl.errors import DataError, InputError, Problem, RowError
from automl.serving import base, formats
from automl.tasks import MEDIA, Columns, Role, Task, _loading, _weights
from automl.tasks._weights import SAFETENSORS

__all__ = ["Pair", "Predictor", "find_bundle", "quieten", "task_of"]


class Pair(TypedDict):
    """Two texts that belong together, under the names a pipeline knows them by."""

    text: str
    text_pair: str


class Predictor:
    """A loaded bundle. It answers as ``transformers.pipeline`` does, where there is one."""

    def __init__(
        self,
        bundle: Path,
        device: str = "auto",
        *,
        trust_remote_code: bool = False,
        base_model: Path | None = None,
        draw: int = 0,
        weights: str = SAFETENSORS,
    ) -> None:
        """Load the bundle (or a run folder's) onto ``device``; ``auto`` prefers a GPU.

        ``weights`` is a format that the bundle holds (``onnx``, ``onnx-int8``, ``bf16``, ``fp16``);
        ``auto`` is onnx where that can be used, on a CPU, else safetensors.

        ``trust_remote_code`` runs Python code that lies in the bundle. ``base_model`` is the folder
        of the model that a bundle of adapters needs, where it isn't found by its name. What is said
        of the first ``draw`` rows is drawn, into ``drawn``. Raises
        InputError where there is no bundle, where it needs code that is not trusted, where its task
        or its base model is not known here, for an unknown device, and for weights that it does not
        hold or that can't be used here.
        """
        folder = find_bundle(bundle)
        self.info = documents.read(BundleInfo, folder / INFO)
        _refuse_unfit(self.info, folder, trust_remote_code)
        self.task = tasks.get(self.info.task)
        self.weights, where = formats.chosen(self.info, folder, weights, device)
        self._tokenizer = self.task.processor(str(folder), trust_remote_code)
        self._collate = self.task.collator(self._tokenizer)
        self._model = _model(self.info, folder, self.weights, where, trust_remote_code, base_model)
        # The config's, as code of the reader's own reads them: there is one place to change them.
        thresholds = getattr(self._model.config, "automl_thresholds", {})
        self.task = tasks.deciding(self.task, thresholds)
        self.drawn: list[tuple[Any, str]] = []
        """Images of the first rows and what is said of them, with captions."""
        self._draw = draw

    def predict(
        self, rows: Iterable[str | Mapping[str, Any]], *, batch_size: int = 1, top: int = 1
    ) -> Iterator[dict[str, Any]]:
        """Yield an answer for each row, in order, reading ``batch_size`` rows at a time.

        A row is a text, or the values of the task's roles by name (a ``Pair``, say). A batch is
        padded to its longest row, which moves scores in the seventh digit. ``top`` above 1 adds
        the scores of that many classes, the most probable first. Raises RowError for a row that
        the task can't read, counted within its batch.
        """
        several = iter(rows)
        while batch := list(islice(several, batch_size)):
            yield from self._answers([_by_role(row, self) for row in batch], top)

    @property
    def roles(self) -> tuple[Role, ...]:
        """What a row holds; a plain text stands for the first text among them."""
        return self.task.asked(self.info.columns)

    @property
    def device(self) -> Any:
        """Where the model computes, as torch names it."""
        return next(self._model.parameters()).device

    @property
    def tokenizer(self) -> Any:
        """What prepares rows: a tokenizer, or a processor of pictures or sounds. Not thread-safe:
        to be used where ``predict`` is."""
        return self._tokenizer

    def _answers(self, rows: Sequence[Mapping[str, Any]], top: int) -> list[dict[str, Any]]:
        task, labels = self.task, self.info.labels
        columns: Columns = {role: [row[role] for row in rows] for role in rows[0]}
        if task.respond is not None:
            said = task.respond(self._model, self._tokenizer, columns, self.info.max_length)
            return task.answers(said, labels, top)
        if task.prepare is not None:
            prepared = task.prepare(columns)
            if prepared.malformed:
                first = prepared.malformed[0]
                raise RowError(Problem(first.rule, hint=first.hint), first.row)
            columns = prepared.columns
        encoded = task.encode(columns, self._tokenizer, self.info.max_length, labels)
        names = list(encoded)
        items = [dict(zip(names, row, strict=True)) for row in zip(*encoded.values(), strict=True)]
        outputs = list(self._outputs(items, max(1, len(rows))))
        predicted = task.decode(outputs, items, columns, self._tokenizer, labels)
        if task.draw is not None and (left := self._draw - len(self.drawn)) > 0:
            few = {role: values[:left] for role, values in columns.items()}
            self.drawn += task.draw(predicted[:left], few, labels)
        return task.answers(predicted, labels, top)

    def _outputs(self, items: Sequence[Mapping[str, Any]], at_once: int) -> Iterator[Any]:
        import torch

        device = self.device
        for start in range(0, len(items), at_once):
            inputs = self._collate(list(items[start : start + at_once]))
            with torch.no_grad():
                yield from self.task.infer(
                    self._model, {name: values.to(device) for name, values in inputs.items()}
                )


def _model(
    info: BundleInfo, folder: Path, weights: str, where: Any, trust: bool, given: Path | None
) -> Any:
    task = tasks.get(info.task)
    if info.adapter:
        found = _loading.with_adapters(task, str(folder), str(base.find(info, given)), trust)
        return found.to(where)
    if given is not None:
        hint = f"leave {base.OPTION} out"
        raise InputError(Problem("the bundle is a whole model and needs no other", hint=hint))
    return _weights.load(task, folder, weights, where, trust)


def _by_role(row: str | Mapping[str, Any], predictor: Predictor) -> Mapping[str, Any]:
    """Return the row by role, what is nested as JSON text; DataError where a role is missing."""
    task, roles = predictor.task, predictor.roles
    if isinstance(row, str):
        able = roles if task.asks or task.forms else task.inputs
        first = next((role for role in able if role.kind in ("text", *MEDIA)), able[0])
        row = {first.name: json.dumps(row) if first.kind == "json" else row}
    for role in () if task.asks else roles:
        several = [role.name, *(each.name for each in task.inputs if each.instead_of == role.name)]
        needed = role.required and role.asked == "always"
        if needed and not any(name in row for name in several):
            raise DataError(f"a row has no {' nor '.join(several)}; it has {', '.join(row)}")
    nested = {role.name for role in (*task.inputs, *roles) if role.kind == "json"}
    return {
        name: json.dumps(value, ensure_ascii=False, sort_keys=True)
        if name in nested and not isinstance(value, str)
        else value
        for name, value in row.items()
    }


def task_of(bundle: Path) -> Task | None:
    """Return the bundle's task; None where it is not known here, which loading it then says."""
    info = documents.read(BundleInfo, bundle / INFO)
    return tasks.get(info.task) if info.task in tasks.names() else None


def quieten() -> None:
    """Keep the libraries' progress bars and advice off the screen; for command lines."""
    import logging

    from transformers.utils import logging as advice

    advice.set_verbosity_error()
    advice.disable_progress_bar()
    # PEFT imports it, and without more packages it regrets its speed.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def _refuse_unfit(info: BundleInfo, folder: Path, trusted: bool) -> None:
    if info.task not in tasks.names():
        raise InputError(
            f"{folder} is a bundle for {info.task}, which cannot be predicted here; its README.md "
            "shows the code that does"
        )
    if info.trust_remote_code and not trusted:
        raise InputError(
            Problem(
                f"{folder} only loads by running Python code that lies in it",
                hint="read that code; if you trust it: --trust-remote-code",
            )
        )
