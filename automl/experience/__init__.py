"""What finished studies teach later ones: records without data, compared by similarity.

Knows plans and files; refuses to know how trials are run or configurations are sampled.
"""

from __future__ import annotations

from automl.experience.costs import predicted_seconds_per_sample
from automl.experience.record import Record, record_of
from automl.experience.similarity import Similar, similar
from automl.experience.starts import starts
from automl.experience.store import Reading, folder, read_all, write

__all__ = [
    "Reading",
    "Record",
    "Similar",
    "folder",
    "predicted_seconds_per_sample",
    "read_all",
    "record_of",
    "similar",
    "starts",
    "write",
]
