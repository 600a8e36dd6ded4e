"""What was ordinary when the model was scored, for whoever watches it in use."""

from __future__ import annotations

from pathlib import Path

from automl import documents
from automl.exporters import Delivery
from automl.reference import PROFILE


class Profile:
    """Writes profile.json, where the score job has looked (older ones have not)."""

    name = "profile"
    format = False
    order = 25

    def export(self, delivery: Delivery, folder: Path) -> None:
        """Write the reference of the model that leaves."""
        if delivery.score.reference is not None:
            documents.write(folder / PROFILE, delivery.score.reference)


EXPORTER = Profile()
