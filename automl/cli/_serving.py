"""What ``automl serve`` needs before it starts: its packages, a token, threads, a log."""

from __future__ import annotations

import logging
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.errors import InputError, Problem

if TYPE_CHECKING:
    from automl.serving.server.settings import Settings

PACKAGES = ("fastapi", "uvicorn", "prometheus_client")
TOKEN = "AUTOML_TOKEN"


def refuse_missing() -> None:
    """Raise InputError where what serves is not installed."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(
            Problem(f"serving needs {', '.join(missing)}", hint="pip install 'automl[serve]'")
        )


def token(file: Path | None) -> str:
    """Return the token that requests must bring; empty for none. A file's blanks don't count."""
    if file is None:
        return os.environ.get(TOKEN, "").strip()
    try:
        found = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            Problem(f"--token-file {file} can't be read: {error}", hint=f"or set {TOKEN}")
        ) from None
    if not found:
        raise InputError(
            Problem(
                f"--token-file {file} is empty",
                hint="python -c 'import secrets; print(secrets.token_urlsafe())' > " + str(file),
            )
        )
    return found


def say(text: str) -> None:
    """Print a line to stderr."""
    print(text, file=sys.stderr, flush=True)


def run(
    folder: Path,
    settings: Settings,
    host: str,
    port: int,
    threads: int | None,
    **how: Any,
) -> None:
    """Serve the bundle; ``how`` is what a ``Predictor`` is given besides it."""
    # Threads that spin while they wait take the cores that answer requests; to be set before torch.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    from automl import machine
    from automl.serving.predict import Predictor, quieten
    from automl.serving.server.run import serve
    from automl.serving.server.service import Service

    _log()
    service = Service(folder, settings)

    def load() -> Predictor:
        import torch

        quieten()
        torch.set_num_threads(threads or machine.physical_cores())
        return Predictor(folder, **how)

    serve(service, load, host, port)


def _log() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("automl.serve")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
