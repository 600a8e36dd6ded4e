"""The model card, README.md: hub metadata with verified results, and prose a reader can check.

Decides what is said; ``_tables`` and the template say how.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl import tasks
from automl.documents import write_bytes
from automl.exporters import (
    Delivery,
    _adapter,
    _search_tables,
    _search_text,
    _tables,
    _tuned_text,
)
from automl.exporters._markdown import code, plain
from automl.exporters._paths import hide, machine_paths, origin
from automl.exporters._units import count, duration, share
from automl.exporters._verdict import headline, warnings
from automl.plan import Candidate, Plan, SplitRule
from automl.tasks import Task

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

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


def metadata(delivery: Delivery) -> ModelCardData:
    """Return what the hub reads: license, language, base model, data, tags and test results."""
    from huggingface_hub import ModelCardData

    plan = delivery.plan
    candidate = plan.candidate(delivery.winner.configuration.candidate)
    task = tasks.get(plan.task)
    return ModelCardData(
        model_name=plan.name,
        license=candidate.license,
        language=list(candidate.language) or None,
        base_model=origin(candidate) if candidate.source == "hub" else None,
        datasets=_hub_data(plan) or None,
        pipeline_tag=task.pipeline_tag,
        library_name="peft" if delivery.keeps_adapter else task.library,
        tags=sorted({"automl", task.pipeline_tag, candidate.family}),
        metrics=sorted({_metric_type(name)[0] for name in delivery.score.splits["test"].metrics}),
        eval_results=_eval_results(delivery, task.pipeline_tag),
    )


def _eval_results(delivery: Delivery, pipeline_tag: str) -> list[EvalResult]:
    from huggingface_hub import EvalResult

    plan, test = delivery.plan, delivery.score.splits["test"]
    hub = _hub_data(plan)
    results = []
    for name in sorted(test.metrics, key=lambda name: (name != plan.goal.metric, name)):
        kind, average = _metric_type(name)
        results.append(
            EvalResult(
                task_type=pipeline_tag,
                dataset_type=hub[0] if hub else plan.name,
                dataset_name=hub[0] if hub else plan.name,
                dataset_split="test",
                metric_type=kind,
                metric_name=name,
                metric_value=round(test.metrics[name], 6),
                metric_args={"average": average} if average else None,
            )
        )
    return results


def _metric_type(name: str) -> tuple[str, str | None]:
    """Return the hub's name of a metric and its average: ``macro_f1`` → ``f1``, ``macro``."""
    average, _, kind = name.partition("_")
    if average in ("macro", "micro", "weighted") and kind:
        return kind, average
    return name, None


def _hub_data(plan: Plan) -> list[str]:
    return sorted(
        {source.reference.partition("@")[0] for source in plan.data.sources if source.revision}
    )


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
        **_facts(delivery),
        **_plots(folder),
    )
    return hide(re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n", paths)


def _facts(delivery: Delivery) -> dict[str, Any]:
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
        "split": _split(plan.data.split),
        "limits": _limits(delivery, candidate),
        "failures": [trial for trial in delivery.trials if trial.value is None],
    }


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
