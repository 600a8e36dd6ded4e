"""The weights in bfloat16, as a variant beside safetensors. Copies what was verified."""

from __future__ import annotations

from automl.exporters._converted import Converted
from automl.tasks._weights import BF16

EXPORTER = Converted(BF16, order=11)
