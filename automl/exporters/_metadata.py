"""What the hub reads of a model card: its front matter, with the test split's results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from automl import tasks
from automl.exporters import Delivery, _license
from automl.exporters._paths import origin
from automl.plan import Candidate, Plan

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData


def metadata(delivery: Delivery) -> ModelCardData:
    """Return what the hub reads: license, language, base model, data, tags and test results."""
    from huggingface_hub import ModelCardData

    plan = delivery.plan
    candidate = plan.candidate(delivery.winner.configuration.candidate)
    task = tasks.get(plan.task)
    return ModelCardData(
        model_name=plan.name,
        **_license.metadata(candidate.license),
        **_languages(candidate.language),
        **_base_model(delivery, candidate),
        **_emissions(delivery),
        datasets=_hub_data(plan) or None,
        pipeline_tag=task.pipeline_tag,
        library_name="peft" if delivery.keeps_adapter else task.library,
        tags=sorted({"automl", task.pipeline_tag, candidate.family}),
        metrics=sorted({_metric_type(name)[0] for name in delivery.score.splits["test"].metrics}),
        eval_results=_eval_results(delivery, task.pipeline_tag),
    )


def _base_model(delivery: Delivery, candidate: Candidate) -> dict[str, str]:
    """Only a model of the hub can be linked."""
    if candidate.source != "hub":
        return {}
    relation = "adapter" if delivery.keeps_adapter else "finetune"
    return {"base_model": origin(candidate), "base_model_relation": relation}


def _languages(stated: Sequence[str]) -> dict[str, list[str]]:
    """The hub takes ISO 639 codes under one name and longer ones (``zh-Hans``) under another."""
    plain_codes = [one for one in stated if re.fullmatch(r"[a-z]{2,3}|code|multilingual", one)]
    longer = [one for one in stated if re.fullmatch(r"[a-z]{2,3}([-_][A-Za-z0-9]{2,8})+", one)]
    found = {"language": plain_codes, "language_bcp47": [one.replace("_", "-") for one in longer]}
    return {name: values for name, values in found.items() if values}


def _emissions(delivery: Delivery) -> dict[str, Any]:
    """The estimate in the hub's own form: grams, and how they were come by."""
    found = delivery.energy
    if found is None:
        return {}
    source = (
        f"estimated by automl: {found.device_seconds / 3600:.3g} {found.kind} hours x "
        f"{found.watts:.3g} W x {found.grams_per_kwh:.3g} g/kWh"
    )
    emissions = {"emissions": float(f"{found.grams:.3g}"), "source": source}
    return {"co2_eq_emissions": {**emissions, "training_type": "fine-tuning"}}


def _eval_results(delivery: Delivery, pipeline_tag: str) -> list[EvalResult]:
    from huggingface_hub import EvalResult

    plan, test = delivery.plan, delivery.score.splits["test"]
    hub = _hub_data(plan)
    results = []
    finite = [name for name, value in test.metrics.items() if isfinite(value)]
    for name in sorted(finite, key=lambda name: (name != plan.goal.metric, name)):
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
