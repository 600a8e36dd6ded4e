"""What was tuned on validation, for the model card: how far probabilities can be trusted, and from
which of them on a class is predicted. Decides nothing."""

from __future__ import annotations

from automl import tasks
from automl.exporters import Delivery
from automl.exporters._markdown import code, plain, table
from automl.jobs import Thresholds

SHOWN_CLASSES = 60


def sentences(delivery: Delivery) -> list[str]:
    """What was done and what came of it, a point each; empty for what says no probabilities."""
    if "test" not in delivery.score.reliability:
        return []
    said = [_calibration(delivery)]
    tuned = delivery.tuned.thresholds if delivery.tuned else None
    return said if tuned is None else [*said, _thresholds(delivery, tuned)]


def thresholds(delivery: Delivery) -> str:
    """The threshold of each class, where they differ."""
    found = delivery.thresholds
    if len(set(found.values())) < 2:
        return ""
    shown = list(found.items())[:SHOWN_CLASSES]
    rows = [(plain(label), f"{least:.3g}") for label, least in shown]
    if len(found) > len(shown):
        rows.append((f"*{len(found) - len(shown)} more in config.json*", ""))
    return table(("Class", "Predicted from"), rows, right=(1,))


def limit(delivery: Delivery) -> str:
    """How an answer is to be taken."""
    count, task = len(delivery.plan.data.labels), tasks.get(delivery.plan.task)
    error = delivery.score.reliability.get("test")
    answers = (
        f"It knows {count} classes and no others, whatever the {task.thing}; "
        if task.probabilities == "sigmoid"
        else f"It knows {count} classes and answers with one of them whatever the {task.thing}; "
    )
    if error is None or not _calibrated(delivery):
        return answers + "the score is not a calibrated probability."
    return answers + (
        f"its probabilities were off by {error.error:.3f} on average over the test rows, and will "
        f"be by more for {task.things} of another kind."
    )


def _calibrated(delivery: Delivery) -> bool:
    found = delivery.tuned.calibration if delivery.tuned else None
    return found is not None and found.taken


def _calibration(delivery: Delivery) -> str:
    after = delivery.score.reliability["test"].error
    found = delivery.tuned.calibration if delivery.tuned else None
    if found is None or not found.taken:
        why = "the recipe asks for none" if found is None else plain(found.why_not, 300)
        return (
            f"Probabilities are left as the model says them ({why}); their expected calibration "
            f"error on the test split is {after:.3f}."
        )
    before = delivery.score.uncalibrated["test"].error
    return (
        f"Probabilities are calibrated: the logits are divided by a temperature of "
        f"{found.temperature:.2f}, fitted on the validation split. It is part of the last layer's "
        "weights, so that whatever loads the model gets calibrated probabilities; no class becomes "
        f"more probable than another by it. Expected calibration error on the test split: "
        f"{before:.3f} before, {after:.3f} after; of validation rows held out from the fit: "
        f"{found.error[0]:.3f} and {found.error[1]:.3f}."
    )


def _thresholds(delivery: Delivery, found: Thresholds) -> str:
    if not found.by_class:
        return f"No threshold but a half: {plain(found.why_not, 300)}."
    metric = code(delivery.plan.goal.metric)
    return (
        f"{_from(found)}, chosen on the validation split (there {metric} of rows held out from the "
        f"choice is {found.tuned:.3f} with and {found.plain:.3f} without, give or take "
        f"{found.noise:.3f}). The results above are with that, and so is `automl predict`. "
        "A `pipeline` by itself knows nothing of it: the code above reads `automl_thresholds` from "
        "the model's config and applies it."
    )


def _from(found: Thresholds) -> str:
    values = sorted(set(found.by_class.values()))
    if len(found.by_class) == 1:
        (label,) = found.by_class
        return f"{code(label)} is predicted from a probability of {values[0]:.2f} on"
    if len(values) == 1:
        return f"A class is predicted from a probability of {values[0]:.2f} on"
    alike = f" ({len(found.alike)} with few validation rows share one)" if found.alike else ""
    return f"Each class is predicted from a probability of its own on{alike}"
