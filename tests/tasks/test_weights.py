from __future__ import annotations

from pathlib import Path

from automl.tasks import _weights


def test_variants_are_not_counted_with_the_weights_they_lie_beside(tmp_path: Path) -> None:
    for name, count in {
        "model-00001-of-00002.safetensors": 3,
        "model-00002-of-00002.safetensors": 4,
        "model.bf16.safetensors": 100,
        "model.fp16-00001-of-00001.safetensors": 100,
        "config.json": 100,
    }.items():
        (tmp_path / name).write_bytes(b"x" * count)
    assert _weights.size(tmp_path) == 7
