"""Pictures of the search and the test split, PNG files in ``plots/``. Leaves drawing to others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from automl.documents import write_bytes
from automl.exporters import Delivery
from automl.exporters._front_plot import pareto
from automl.exporters._reliability_plot import reliability
from automl.exporters._score_plots import confusion, per_class
from automl.exporters._search_plots import candidates, curves, history
from automl.exporters._style import styled

FOLDER = "plots"


def _examples(delivery: Delivery) -> bytes | None:
    return None if delivery.examples is None else delivery.examples.read_bytes()


_PLOTS: dict[str, Callable[[Delivery], bytes | None]] = {
    "examples": _examples,
    "confusion": confusion,
    "classes": per_class,
    "reliability": reliability,
    "history": history,
    "curves": curves,
    "candidates": candidates,
    "pareto": pareto,
}


class Plots:
    """Draws what there is data for."""

    name = "plots"
    format = False
    order = 30

    def export(self, delivery: Delivery, folder: Path) -> None:
        """Write ``plots/<name>.png`` for each plot that has something to show."""
        with styled():
            for name, draw in _PLOTS.items():
                image = draw(delivery)
                if image is not None:
                    write_bytes(folder / FOLDER / f"{name}.png", image)


EXPORTER = Plots()
