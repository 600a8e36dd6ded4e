"""The metrics of classification and of tagging by name, light to import.

``_classes`` and ``_entities`` compute them.
"""

from __future__ import annotations

from automl.tasks import Metric

CLASSIFICATION = (
    Metric("accuracy", "maximize", "Share of rows whose class is predicted."),
    Metric("macro_f1", "maximize", "F1 averaged over the classes, each weighing the same."),
    Metric("weighted_f1", "maximize", "F1 averaged over the classes, weighted by their rows."),
    Metric("balanced_accuracy", "maximize", "Recall averaged over the classes."),
    Metric(
        "matthews_correlation",
        "maximize",
        "Correlation of predicted and true classes: 0 is chance, 1 is perfect.",
    ),
    Metric("log_loss", "minimize", "Mean negative log-probability of the true class."),
)
TAGGING = (
    Metric("f1", "maximize", "F1 of entities, right where bounds and type are; of single tags "
           "where these have no B- and I-."),
    Metric("precision", "maximize", "Share of the predicted entities that are right."),
    Metric("recall", "maximize", "Share of the true entities that are found."),
    Metric("macro_f1", "maximize", "F1 averaged over the types, each weighing the same."),
    Metric("accuracy", "maximize", "Share of words whose tag is right."),
)  # fmt: skip
