"""Where the bundle comes from: recipe, lock and plan, and ``automl.json`` for whoever loads it."""

from __future__ import annotations

from pathlib import Path

from automl import documents, tasks
from automl.bundle import INFO, BundleInfo, Check
from automl.exporters import Delivery
from automl.exporters._paths import hide, machine_paths, origin
from automl.exporters._verdict import verdict
from automl.plan import FileHash


class Provenance:
    """Writes recipe.yaml, recipe.lock, plan.json and automl.json."""

    name = "provenance"
    format = False
    order = 20

    def export(self, delivery: Delivery, folder: Path) -> None:
        """Write the four files; a path of this machine is replaced by ``~``, ``.`` or ``…``."""
        paths = machine_paths(delivery, folder)
        for name, text in (
            ("recipe.yaml", delivery.recipe),
            ("recipe.lock", delivery.lock.decode()),
            ("plan.json", documents.to_json(delivery.plan).decode()),
        ):
            documents.write_bytes(folder / name, hide(text, paths).encode())
        documents.write(folder / INFO, bundle_info(delivery))


EXPORTER = Provenance()


def _is_weights(file: FileHash) -> bool:
    return file.path.endswith(".safetensors")


def _errors(delivery: Delivery) -> dict[str, float]:
    told = {
        "before": delivery.score.uncalibrated.get("test"),
        "after": delivery.score.reliability.get("test"),
    }
    return {name: found.error for name, found in told.items() if found is not None}


def bundle_info(delivery: Delivery) -> BundleInfo:
    """Return what the bundle of this delivery says of itself."""
    plan = delivery.plan
    task = tasks.get(plan.task)
    candidate = plan.candidate(delivery.winner.configuration.candidate)
    test = delivery.score.splits["test"]
    return BundleInfo(
        name=plan.name,
        task=plan.task,
        pipeline_tag=task.pipeline_tag,
        labels=plan.data.labels,
        columns=plan.data.columns,
        max_length=delivery.max_length,
        trust_remote_code=candidate.trust_remote_code,
        candidate=candidate.id,
        base_model=origin(candidate),
        revision=candidate.revision,
        metric=plan.goal.metric,
        direction=plan.goal.direction,
        validation=delivery.validation,
        rows=plan.data.rows,
        metrics=test.metrics,
        intervals=test.intervals,
        floor=delivery.floor.splits["test"].metrics,
        beats_floor=verdict(delivery).standing != "below",
        checks=tuple(Check(c.expression, c.actual, c.passed, c.detail) for c in delivery.checks),
        versions=plan.versions,
        costs=delivery.score.costs,
        adapter=delivery.keeps_adapter,
        base_source=candidate.source,
        base_weights={file.path: file.sha256 for file in candidate.files if _is_weights(file)}
        if delivery.keeps_adapter
        else {},
        calibration=delivery.tuned.calibration if delivery.tuned else None,
        thresholds=delivery.tuned.thresholds if delivery.tuned else None,
        without_thresholds=delivery.score.plain.get("test", {}),
        calibration_error=_errors(delivery),
        untrained=delivery.untrained.splits["test"].metrics if delivery.untrained else {},
        formats=delivery.formats,
    )
