"""``automl doctor``: is this machine ready, and if not, what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

PACKAGES = (
    "automl",
    "torch",
    "transformers",
    "datasets",
    "accelerate",
    "optuna",
    "huggingface_hub",
    "tokenizers",
    "safetensors",
    "pyarrow",
    "scikit-learn",
    "pydantic",
    "ruamel.yaml",
)
TORCH = """
import json, torch
print(json.dumps({"cuda": torch.version.cuda, "gpus": torch.cuda.device_count(),
  "bf16": torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
  "mps": torch.backends.mps.is_available(), "threads": torch.get_num_threads()}))
"""


def command(
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the hub.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check this machine: versions, torch, devices, memory, disk, hub."""
    import json

    from automl.errors import AutoMLError

    facts: dict[str, Any] = {
        "python": sys.version.split()[0],
        "packages": _versions(),
        "torch": _torch(),
        "devices": _devices(),
        "disk": _disk(Path.cwd()),
        "hub": _hub(offline),
    }
    problems = _problems(facts)
    if as_json:
        print(json.dumps({**facts, "problems": problems}, indent=2))
    else:
        _print(facts, problems)
    if problems:
        raise AutoMLError(f"{len(problems)} problem{'s' if len(problems) > 1 else ''} found")


def _versions() -> dict[str, str | None]:
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _torch() -> dict[str, Any]:
    """Asked in a process of its own: a broken driver then breaks that one."""
    import json

    done = subprocess.run(
        [sys.executable, "-c", TORCH], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        return {"error": (done.stderr.strip().splitlines() or ["no output"])[-1]}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _devices() -> dict[str, Any]:
    from automl import machine

    return {
        "description": machine.describe(),
        "cores": machine.cores(),
        "memory_gib": round(machine.memory_bytes() / 2**30, 1),
        "gpus": [f"{gpu.name} ({gpu.memory_bytes / 2**30:.0f} GiB)" for gpu in machine.gpus()],
        "bf16_on_cpu": machine.bf16_on_cpu(),
        "cuda_mps": str(machine.cuda_mps() or ""),
    }


def _disk(folder: Path) -> dict[str, Any]:
    import shutil

    free = shutil.disk_usage(folder).free
    return {"folder": str(folder), "free_gib": round(free / 2**30, 1)}


def _hub(offline: bool) -> dict[str, Any]:
    """Whether the hub answers, within three seconds, and whether there is a token for it."""
    from huggingface_hub import constants, get_token

    facts: dict[str, Any] = {"endpoint": constants.ENDPOINT, "token": get_token() is not None}
    if offline or constants.HF_HUB_OFFLINE:
        return {**facts, "reachable": None}
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        urlopen(f"{constants.ENDPOINT}/api/models?limit=1", timeout=3).close()
    except HTTPError:
        return {**facts, "reachable": True}
    except OSError as error:
        return {**facts, "reachable": False, "why": str(error)}
    return {**facts, "reachable": True}


def _problems(facts: dict[str, Any]) -> list[str]:
    problems = [
        f"{name} is not installed: pip install {name}"
        for name, version in facts["packages"].items()
        if version is None
    ]
    if "error" in facts["torch"]:
        problems.append(f"torch does not import: {facts['torch']['error']}")
    elif facts["devices"]["gpus"] and not facts["torch"]["cuda"]:
        problems.append("there is a GPU, but torch was built without CUDA: install a CUDA build")
    elif facts["devices"]["gpus"] and not facts["torch"]["gpus"]:
        problems.append("there is a GPU, but torch cannot use it: check the driver's CUDA version")
    if facts["disk"]["free_gib"] < 5:
        problems.append(f"{facts['disk']['free_gib']} GiB free here: checkpoints need more")
    return problems


def _print(facts: dict[str, Any], problems: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_row("python", facts["python"])
    for name, version in facts["packages"].items():
        table.add_row(name, version or "[bold red]missing[/bold red]")
    table.add_row("machine", facts["devices"]["description"])
    torch = facts["torch"]
    built = f"CUDA {torch['cuda']}" if torch.get("cuda") else "CPU build"
    table.add_row("torch runs on", torch.get("error") or built)
    table.add_row("bf16 on CPU", "native" if facts["devices"]["bf16_on_cpu"] else "not native")
    if facts["devices"]["gpus"]:
        where = facts["devices"]["cuda_mps"]
        served = f"NVIDIA Multi-Process Service, {where}" if where else "in turns (no NVIDIA MPS)"
        table.add_row("trials share a GPU", served)
    table.add_row("disk", f"{facts['disk']['free_gib']} GiB free")
    reachable = {True: "reachable", False: "not reachable", None: "not asked"}
    hub = facts["hub"]
    table.add_row(
        "hub",
        f"{hub['endpoint']} {reachable[hub['reachable']]}, "
        f"{'a token is set' if hub['token'] else 'no token'}",
    )
    console.print(table)
    for problem in problems:
        console.print(f"[bold red]problem:[/bold red] {problem}")
    if not problems:
        console.print("ready")
