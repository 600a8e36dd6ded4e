"""The weights in float16, as a variant beside safetensors. Copies what was verified."""

from __future__ import annotations

from automl.exporters._converted import Converted
from automl.tasks._weights import FP16

EXPORTER = Converted(FP16, order=11)
