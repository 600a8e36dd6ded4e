"""Libraries are told not to report, in this process and in its workers."""

from __future__ import annotations

import subprocess
import sys

from automl import processes, telemetry


def test_what_the_user_has_set_stays() -> None:
    environ = {"RAY_USAGE_STATS_ENABLED": "1"}
    telemetry.switch_off(environ)
    assert environ == {**telemetry.OFF, "RAY_USAGE_STATS_ENABLED": "1"}


def test_workers_are_told_too() -> None:
    assert telemetry.OFF.items() <= processes.environment(1, ()).items()


def test_importing_automl_is_enough_for_libraries_that_look_at_import() -> None:
    code = (
        "import automl; from huggingface_hub import constants; "
        "assert constants.HF_HUB_DISABLE_TELEMETRY"
    )
    subprocess.run([sys.executable, "-c", code], env={}, check=True)
