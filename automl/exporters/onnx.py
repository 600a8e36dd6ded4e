"""ONNX graphs for onnxruntime, in onnx/. Copies what was verified."""

from __future__ import annotations

from automl.exporters._converted import Converted
from automl.tasks._weights import ONNX

# Before onnx-int8: the manifest that both have names the whole graphs where both are there.
EXPORTER = Converted(ONNX, order=12)
