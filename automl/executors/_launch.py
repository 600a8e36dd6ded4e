"""The command line and environment that start one trial on several processes.

accelerate's launcher, with a rendezvous port of the trial's own (port 0) so that trials don't meet.
Every setting that a user's accelerate configuration file might hold is given here, so that the
file has no say. ``--cpu`` is not among them: with it the launcher silently starts one process;
ACCELERATE_USE_CPU keeps the workers on the CPU instead.
"""

from __future__ import annotations

import sys
from pathlib import Path


def launch_command(spec: Path, processes: int) -> list[str]:
    """Return the command line that runs the worker for ``spec`` on ``processes`` processes."""
    return [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--multi_gpu",
        "--num_processes",
        str(processes),
        "--num_machines",
        "1",
        "--machine_rank",
        "0",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--main_process_port",
        "0",
        "--module",
        "automl.worker",
        str(spec),
    ]


def launch_environment(devices: tuple[str, ...]) -> dict[str, str]:
    """Return what ``launch_command`` needs on top of ``processes.environment``."""
    return {} if devices else {"ACCELERATE_USE_CPU": "true"}
