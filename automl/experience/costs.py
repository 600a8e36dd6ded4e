"""What a candidate's training will cost, from what it cost before on the same machine. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator

from automl.experience.record import Layout, Model, Record, Tried, content_of
from automl.plan import Candidate, DevicePlan

CLOSE_SIZE = 1.25
"""Models of one family whose sizes differ by less cost alike; beyond, depth and vocabulary make
the number of weights a poor guide."""
CLOSE_LENGTH = 2.0
"""Texts whose median lengths differ by less scale with their length."""
DECIDING = ("method", "keep_layers", "freeze_embeddings")
"""Hyperparameters that decide what is trained, and so what it costs."""


def predicted_seconds_per_sample(
    candidate: Candidate, devices: DevicePlan, hardware: str, records: Iterable[Record]
) -> float | None:
    """Return the seconds a training sample of ``candidate`` takes, evaluations included, or None.

    It is the median over trials on the same hardware, laid out alike, that trained what the
    candidate's default trains: of the same weights, else of models of the family that are nearly
    of its size. Another text length scales it; evaluations are part of it. No evidence, no
    prediction.
    """
    layout = _layout(devices)
    mine = [r for r in records if r.hardware == hardware and r.layout == layout]
    content = content_of(candidate)
    same = [
        seconds
        for record in mine
        for model, seconds in _seconds(record, candidate)
        if model.content == content
    ]
    if same:
        return statistics.median(same)
    near = [
        seconds
        for record in mine
        for model, seconds in _seconds(record, candidate)
        if model.family == candidate.family and _close(model.parameters, candidate.parameters)
    ]
    return statistics.median(near) if near else None


def _seconds(record: Record, candidate: Candidate) -> Iterator[tuple[Model, float]]:
    for trial in record.trials:
        model = record.models[trial.model]
        scale = _length_scale(candidate, model)
        samples = trial.curve[-1][0] if trial.curve else 0
        if scale is not None and samples > 0 and _is_typical(trial, candidate):
            yield model, scale * trial.seconds / samples


def _is_typical(trial: Tried, candidate: Candidate) -> bool:
    """A hyperparameter that only one of them knows is at its default in the other."""
    usual = {p.name: p.default for p in candidate.space if p.name in DECIDING}
    return all(trial.hyperparameters.get(name, usual[name]) == usual[name] for name in usual)


def _length_scale(candidate: Candidate, model: Model) -> float | None:
    """Attention over short texts is cheap: cost grows with the tokens, nearly in proportion."""
    now = candidate.lengths.p50 if candidate.lengths else None
    if now is None or model.tokens is None:
        return 1.0 if now == model.tokens else None
    ratio = max(now, 1) / max(model.tokens, 1)
    return ratio if 1 / CLOSE_LENGTH < ratio < CLOSE_LENGTH else None


def _close(one: int, other: int) -> bool:
    return max(one, other) <= CLOSE_SIZE * max(min(one, other), 1)


def _layout(devices: DevicePlan) -> Layout:
    return Layout(devices.at_once, devices.processes, devices.threads, devices.precision)
