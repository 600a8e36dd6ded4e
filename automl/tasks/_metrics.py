"""The metrics of classification, tagging and regression by name, light to import.

``_classes``, ``_several_classes``, ``_entities`` and ``_numbers`` compute them.
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
SEVERAL_CLASSES = (
    Metric("macro_f1", "maximize", "F1 averaged over the classes, each weighing the same."),
    Metric("micro_f1", "maximize", "F1 over all decisions, of all rows and classes."),
    Metric("samples_f1", "maximize", "F1 of each row's classes, averaged over the rows."),
    Metric("accuracy", "maximize", "Share of rows whose classes are all right."),
    Metric("hamming_loss", "minimize", "Share of wrong decisions, of all rows and classes."),
    Metric("log_loss", "minimize", "Mean negative log-probability of the true decisions."),
)
TAGGING = (
    Metric("f1", "maximize", "F1 of entities, right where bounds and type are; of single tags "
           "where these have no B- and I-."),
    Metric("precision", "maximize", "Share of the predicted entities that are right."),
    Metric("recall", "maximize", "Share of the true entities that are found."),
    Metric("macro_f1", "maximize", "F1 averaged over the types, each weighing the same."),
    Metric("accuracy", "maximize", "Share of words whose tag is right."),
)  # fmt: skip
REGRESSION = (
    Metric("r2", "maximize", "Share of the numbers' variance that is explained; 0 is a guess."),
    Metric("rmse", "minimize", "Root of the mean squared error, in the unit of the data."),
    Metric("mae", "minimize", "Mean absolute error, in the unit of the data."),
    Metric("pearson", "maximize", "Linear correlation of predicted and true numbers."),
    Metric("spearman", "maximize", "Rank correlation of predicted and true numbers."),
)
