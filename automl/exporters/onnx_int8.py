"""ONNX graphs with weights in eight bits, in onnx/. Copies what was verified."""

from __future__ import annotations

from automl.exporters._converted import Converted
from automl.tasks._weights import ONNX_INT8

EXPORTER = Converted(ONNX_INT8, order=13)
