"""automl: machine learning as code. Off-the-shelf models, fine-tuned from a YAML recipe."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from automl import telemetry

if TYPE_CHECKING:
    from automl.pipeline import compile_recipe, load_recipe, run

__version__ = "0.1.0"
telemetry.switch_off(os.environ)
__all__ = ["__version__", "compile_recipe", "load_recipe", "run"]


def __getattr__(name: str) -> object:
    """Import the pipeline only when it is asked for, so that ``import automl`` costs nothing."""
    if name in ("compile_recipe", "load_recipe", "run"):
        from automl import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module 'automl' has no attribute {name!r}")
