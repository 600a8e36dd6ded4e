"""A format whose files a worker has written: puts them into the bundle, unless it was refused."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from automl.errors import AutoMLError
from automl.exporters import Delivery


@dataclass(slots=True)
class Converted:
    """Copies the files of the format called ``name``."""

    name: str
    order: int
    format: bool = True

    def export(self, delivery: Delivery, folder: Path) -> None:
        """Copy the files to their places; nothing of a format that was refused.

        Raises AutoMLError where the plan asks for the format and nobody has tried it.
        """
        facts = delivery.formats.get(self.name)
        if facts is None or delivery.converted is None:
            raise AutoMLError(f"{self.name} is asked for, but was not made")
        for file in facts.files:
            target = folder / file
            if target.exists():
                continue  # the graphs' manifest: what they take is the same in eight bits
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(delivery.converted / self.name / file, target)
            target.chmod(0o644)
