"""No library that automl uses reports to its makers, unless the user has said that it may."""

from __future__ import annotations

from collections.abc import MutableMapping

OFF = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "WANDB_ERROR_REPORTING": "false",
}
"""Variables by which they are told; most are read when a library is imported."""


def switch_off(environ: MutableMapping[str, str]) -> None:
    """Set every variable of ``OFF`` that is not set; processes started later inherit them."""
    for name, value in OFF.items():
        environ.setdefault(name, value)
