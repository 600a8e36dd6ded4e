"""A folder from which an image is built that serves a bundle: all it needs lies in it.

The bundle, the automl that wrote the folder, pinned requirements, a Dockerfile and a compose file.
Builds nothing and asks no index.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from automl import documents
from automl.bundle import INFO, BundleInfo
from automl.errors import InputError, Problem
from automl.serving import base, pins
from automl.serving.server.settings import Settings
from automl.tasks import _hollow

PORT = 8000
SERVED = "/srv/bundle"
_LEFT_OUT = ("plots", "__pycache__")
_IGNORED = "**/__pycache__\n**/*.pyc\n.git\nDockerfile\ncompose.yaml\n.dockerignore\n"


def write(
    bundle: Path,
    target: Path,
    *,
    gpu: bool = False,
    trust_remote_code: bool = False,
    base_model: Path | None = None,
) -> tuple[Path, ...]:
    """Write the folder, which must not exist or be empty; return the files at its top.

    Raises InputError where it holds something, and where the bundle needs code that is not
    trusted, or a base model that is not here.
    """
    info = documents.read(BundleInfo, bundle / INFO)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(
            Problem(f"{target} is there, and not an empty folder", hint="-o another-folder")
        )
    if info.trust_remote_code and not trust_remote_code:
        raise InputError(
            Problem(
                f"{bundle} only loads by running Python code that lies in it",
                hint="read that code; if you trust it: --trust-remote-code",
            )
        )
    found = base.find(info, base_model) if info.adapter else None
    target.mkdir(parents=True, exist_ok=True)
    _copy(bundle, target / "bundle", _LEFT_OUT)
    _copy(Path(__file__).parent.parent, target / "source" / "automl", ("__pycache__",))
    if found is not None:
        _copy(found, target / "base", ())
    usual = Settings()
    made = pins.pinned(info.versions, gpu=gpu, graphs=(bundle / _hollow.FOLDER).is_dir())
    values = {
        "name": _name(info.name),
        "python": ".".join(info.versions.get("python", "3.11").split(".")[:2]),
        "port": PORT,
        "gpu": gpu,
        "base": found is not None,
        "drain": int(usual.drain),
        "timeout": int(usual.timeout),
        "command": _command(trust_remote_code, found is not None),
    }
    files = {
        "Dockerfile": _rendered("Dockerfile", values),
        "compose.yaml": _rendered("compose.yaml", values),
        "requirements.txt": _requirements(made),
        ".dockerignore": _IGNORED,
    }
    for name, text in files.items():
        documents.write_bytes(target / name, text.encode())
    return tuple(target / name for name in files)


def _command(trusted: bool, with_base: bool) -> list[str]:
    return [
        *("python", "-m", "automl", "serve", SERVED, "--host", "0.0.0.0", "--port", str(PORT)),
        *(["--trust-remote-code"] if trusted else []),
        *(["--base-model", "/srv/base"] if with_base else []),
    ]


def _copy(source: Path, target: Path, left_out: tuple[str, ...]) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*left_out, "*.pyc"))


def _name(name: str) -> str:
    """Return the name as images and services may have it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "bundle"


def _requirements(made: pins.Pins) -> str:
    lines = ["# What the bundle was made with, and what that stood on."]
    lines += made.lines
    if made.loose:
        lines.append("# Where this was written, other versions than the bundle's were installed:")
        lines.append("# the following are left to pip, within bounds.")
        lines += made.loose
    return "\n".join(lines) + "\n"


def _rendered(name: str, values: dict[str, object]) -> str:
    environment = Environment(
        loader=PackageLoader("automl.serving"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    return environment.get_template(f"{name}.jinja").render(values)
