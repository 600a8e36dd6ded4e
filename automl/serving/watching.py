"""Rows that somebody has, observed as a bundle's reference was: what drift is looked for in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from automl import documents
from automl.errors import InputError, Problem
from automl.monitoring.observing import Observer, answer, is_of_input
from automl.reference import PROFILE, Reference, Value
from automl.serving import batch
from automl.serving.predict import Predictor
from automl.serving.rows import Row


def reference_of(bundle: Path) -> Reference | None:
    """Return the bundle's profile; None where it was written before there were any."""
    path = bundle / PROFILE
    return documents.read(Reference, path) if path.is_file() else None


def needed_reference(bundle: Path) -> Reference:
    """Return the bundle's profile. Raises InputError where it has none, or an empty one."""
    found = reference_of(bundle)
    if found is None:
        hint = "`automl run` its recipe again, in a new folder or with a larger budget"
        raise InputError(
            Problem(f"{bundle} has no {PROFILE}: it was made before there were any", hint=hint)
        )
    if not found.features:
        raise InputError(
            f"{bundle / PROFILE} tells nothing to compare with: it was made from {found.rows} rows"
        )
    return found


def observations(
    predictor: Predictor,
    reference: Reference,
    rows: Iterable[Row],
    *,
    column: str | None = None,
    pair_column: str | None = None,
    batch_size: int = 16,
    on_fault: Callable[[str], None] = lambda said: None,
) -> list[Mapping[str, Value]]:
    """Return what is observed of each row that can be read, and of what is said of it.

    The model is asked only where the reference knows of answers. Errors as in ``batch.label``.
    """
    observer = Observer(predictor.task, predictor.info.columns, reference.words)
    seen: list[Mapping[str, Value]] = []
    if all(is_of_input(feature.name) for feature in reference.features):
        found = batch.given(
            predictor, rows, column=column, pair_column=pair_column, on_fault=on_fault
        )
        return [observer.row(values) for values in found if values is not None]

    def listen(values: Mapping[str, Any], said: Mapping[str, Any]) -> None:
        seen.append({**observer.row(values), **answer(said)})

    for _ in batch.label(
        predictor,
        rows,
        column=column,
        pair_column=pair_column,
        batch_size=batch_size,
        on_fault=on_fault,
        listen=listen,
    ):
        pass
    return seen
