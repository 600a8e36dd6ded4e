"""The model card, README.md: hub metadata with verified results, and prose a reader can check.

Decides what is said; ``_tables`` and the template say how.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from automl import tasks
from automl.documents import write_bytes
from automl.exporters import (
    Delivery,
    _adapter,
    _delivery_tables,
    _license,
    _search_tables,
    _search_text,
    _tables,
    _tuned_text,
)
from automl.exporters._markdown import code, folded, plain
from automl.exporters._metadata import metadata
from automl.exporters._paths import hide, machine_paths, origin
from automl.exporters._units import count, duration, share
from automl.exporters._verdict import headline, warnings
from automl.plan import Candidate, Plan, SplitRule
from automl.tasks import Task

FILE = "README.md"
PLACEHOLDER = "path/to/this/folder"
"""Stands for the bundle in the card's code where it is not pushed to the hub."""
_RESULT_PLOTS = {
    "examples": "What it says of the first test rows",
    "confusion": "Confusion on the test split",
    "classes": "F1 by class",
    "reliability": "How often probabilities came true on the test split",
}
_SEARCH_PLOTS = {
    "history": "Value of each trial, and the best so far",
    "curves": "Learning curves of the trials",
    "candidates": "Values of each candidate's trials",
    "pareto": "What can be had: the objectives against each other",
}
_FEW_ROWS = 20
"""A class with fewer training rows than this is named among the limits."""


class Card:
    """Writes README.md last, so that it can show the pictures that are there."""

    name = "card"
    format = False
    order = 90

    def export(self, delivery: Delivery, folder: Path) -> None:
        """Write the card into ``folder``, showing those of ``plots/*.png`` that lie in it."""
        from huggingface_hub import ModelCard

        front = metadata(delivery).to_yaml()
        card = ModelCard(f"---\n{front}\n---\n\n{_body(delivery, folder)}")
        write_bytes(folder / FILE, str(card).encode())


EXPORTER = Card()


def _body(delivery: Delivery, folder: Path) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    paths = machine_paths(delivery, folder)
    text = environment.get_template("card.md.jinja").render(
        plain=plain,
        code=code,
        duration=duration,
        hide=lambda text: hide(text, paths),
        tables=_tables,
        searched=_search_tables,
        said=_search_text,
        tuned=_tuned_text,
        delivered=_delivery_tables,
        **_facts(delivery, lambda text: hide(text, paths)),
        scored_weights=_delivery_tables.identity(delivery, _same_weights(delivery.model, folder)),
        **_plots(folder),
    )
    return hide(re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n", paths)


def _facts(delivery: Delivery, hidden: Callable[[str], str]) -> dict[str, Any]:
    plan = delivery.plan
    task = tasks.get(plan.task)
    candidate = plan.candidate(delivery.winner.configuration.candidate)
    test = delivery.score.splits["test"]
    return {
        "delivery": delivery,
        "plan": plan,
        "candidate": candidate,
        "test": test,
        "kind": task.name.replace("-", " ").capitalize(),
        "made": _made(delivery),
        "base": _base(candidate),
        "headline": headline(delivery),
        "warnings": warnings(delivery),
        "usage": _usage(delivery, task),
        "labels_are": "classes" if task.kinds is None else "tags",
        "example": _example(plan, task),
        "described": [metric for metric in task.metrics if metric.name in test.metrics],
        "checks": _tables.checks(delivery),
        "classes": _tables.classes(delivery),
        "mistakes": _tables.mistakes(delivery),
        "samples": _tables.samples(delivery),
        "refused": _tables.refused(delivery),
        "characters": None if task.media else plan.data.profile.characters,
        "things": task.things,
        "lengths": _lengths(candidate, task),
        "split": _split(plan.data.split),
        "limits": _limits(delivery, candidate),
        "slices": _delivery_tables.slices(
            test.slices, plan.goal.metric, test.metrics[plan.goal.metric], plan.goal.direction
        ),
        "formats": _delivery_tables.formats(delivery.formats),
        "license": _licensed(candidate),
        "emissions": _delivery_tables.energy(delivery.energy),
        "failures": _failures(delivery, hidden),
    }


def _licensed(candidate: Candidate) -> str:
    name = plain(candidate.license or "not stated")
    return (
        f"Inherited from the base model, {plain(origin(candidate))}: **{name}**. "
        f"{plain(_license.obligations(candidate.license), 700)} What the training data asks for "
        "besides is for you to see to."
    )


def _failures(delivery: Delivery, hidden: Callable[[str], str]) -> str:
    """The trials without a value, folded away where they are many."""
    lines = [
        f"- Trial {trial.number} ({code(trial.configuration.candidate)}): "
        f"{plain(hidden(trial.message or trial.state), 300)}"
        for trial in delivery.trials
        if trial.value is None
    ]
    listed = "\n".join(lines)
    return folded(f"{len(lines)} trials", listed) if len(lines) > 5 else listed


def _made(delivery: Delivery) -> str:
    if delivery.winner.probe:
        return "with a linear head on the frozen"
    adapters = {"lora": "LoRA", "qlora": "QLoRA"}.get(delivery.winner.method)
    if adapters is None:
        return "fine-tuned from"
    if delivery.keeps_adapter:
        return f"as {adapters} adapters, to be put beside"
    return f"fine-tuned by {adapters}, the adapters merged into it, from"


def _usage(delivery: Delivery, task: Task) -> str:
    plan = delivery.plan
    repository = plan.export.push_to_hub or PLACEHOLDER
    if delivery.keeps_adapter:
        return _adapter.usage(delivery, task, repository)
    deciding = tasks.deciding(task, delivery.thresholds)
    return deciding.usage(repository, delivery.max_length, plan.data.columns)


def _example(plan: Plan, task: Task) -> str:
    """Return the file and options by which the card's command predicts."""
    if task.media:
        return f"{task.things}/ --output predictions.jsonl"
    asked = task.asked(plan.data.columns)
    roles = [role for role in asked if role.name in plan.data.columns or task.asks]
    if roles and roles[0].kind == "text" and (task.asks or all(r.kind == "text" for r in roles)):
        column = plan.data.columns.get(roles[0].name, roles[0].name)
        return f"texts.csv --column {shlex.quote(column)} --output predictions.csv"
    return "rows.jsonl --output predictions.jsonl"


def _same_weights(model: Path, folder: Path) -> dict[str, str]:
    """Return file → SHA-256 of the scored model's weight files that were exported as they were.

    Empty where one of them was not. What other formats add is no business of the score.
    """
    found = {}
    for scored in sorted(model.glob("*.safetensors")):
        exported = folder / scored.name
        if not exported.exists() or (digest := _sha256(exported)) != _sha256(scored):
            return {}
        found[scored.name] = digest
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _plots(folder: Path) -> dict[str, list[tuple[str, str]]]:
    def present(plots: dict[str, str]) -> list[tuple[str, str]]:
        return [
            (f"plots/{name}.png", alt)
            for name, alt in plots.items()
            if (folder / "plots" / f"{name}.png").exists()
        ]

    return {"result_plots": present(_RESULT_PLOTS), "search_plots": present(_SEARCH_PLOTS)}


def _base(candidate: Candidate) -> str:
    name = plain(origin(candidate))
    if candidate.source == "hub":
        name = f"[{name}](https://huggingface.co/{origin(candidate)})"
    return f"{name} ({count(candidate.parameters)} parameters)"


def _split(rule: SplitRule) -> str:
    shares = [
        f"{value:.0%} of the training source for {split}"
        for split, value in (("validation", rule.validation_share), ("test", rule.test_share))
        if value is not None
    ]
    if not shares:
        return "validation and test come from sources of their own"
    how = [f"stratified by {code(rule.stratified_by)}"] if rule.stratified_by else []
    how += [f"equal {code(rule.grouped_by)} never on two sides"] if rule.grouped_by else []
    return ", ".join((*shares, *how, f"seed {rule.seed}"))


def _limits(delivery: Delivery, candidate: Candidate) -> list[str]:
    data = delivery.plan.data
    task = tasks.get(delivery.plan.task)
    found = [_truncation(candidate, delivery.max_length, task)] if task.unit else []
    found += [f"{note[0].upper()}{note[1:]}." for note in map(plain, candidate.notes)]
    if data.labels and task.probabilities is not None:
        found.append(_tuned_text.limit(delivery))
    train = data.profile.class_counts.get("train", {})
    rare = [label for label in data.labels if train.get(label, 0) < _FEW_ROWS]
    if rare:
        named = ", ".join(plain(label, 60) for label in rare[:10])
        more = f" and {len(rare) - 10} more" if len(rare) > 10 else ""
        found.append(f"Fewer than {_FEW_ROWS} training rows each: {named}{more}.")
    if (delivery.model / "chat_template.jinja").exists():
        found.append(
            "Conversations reach it through the chat template in `chat_template.jinja`, as the "
            "pipeline puts them; of a longer one the beginning goes first."
        )
    spoken = ", ".join(map(plain, candidate.language))
    if task.things != "pictures":
        found.append(
            f"The base model states its language as: {spoken}."
            if spoken
            else "The base model does not state its language; trust only that of the data."
        )
    flattered = _search_text.flattered(delivery)
    if flattered:
        found.append(flattered)
    return found


def _lengths(candidate: Candidate, task: Task) -> str:
    found = candidate.lengths
    if found is None or not task.unit:
        return ""
    return (
        f"Length in {task.unit}, as the model reads them: median {found.p50}, 95% below "
        f"{found.p95}, longest {found.max} of a sample of the training {task.things}"
    )


def _truncation(candidate: Candidate, limit: int, task: Task) -> str:
    windows, unit = task.windows, task.unit
    things = task.things.capitalize()
    lengths = candidate.lengths
    if lengths and lengths.max > candidate.max_length and not lengths.truncated_share:
        return (
            f"It reads up to {limit} {unit} at once; longer {task.things} were learnt in pieces of "
            f"{candidate.max_length}, nothing of them lost."
        )
    cut = f"{things} are read in windows of {limit} {unit}" if windows else (
        f"{things} are cut at {limit} {unit}"
    )  # fmt: skip
    if limit != candidate.max_length:
        cut += f", in training {'of' if windows else 'at'} {candidate.max_length}"
    if candidate.lengths is None:
        return f"{cut}; what follows is not read." if not windows else f"{cut}."
    longest, over = candidate.lengths.max, candidate.lengths.truncated_share
    if not over:
        return f"{cut}; the longest training {task.things[:-1]} seen had {longest}."
    return (
        f"{cut}; {share(over)} of the training {task.things} were longer (the longest {longest})."
    )
