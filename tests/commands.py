"""``automl`` as its console script calls it, in this process: what it imports is paid for once.

What belongs to the process itself (signals, kills, what ``--help`` may import) is not tested so.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from automl import cli


def automl(
    *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in ``cwd`` with these variables set; return its exit code and its output."""
    out, err = io.StringIO(), io.StringIO()
    with (
        chdir(cwd),
        mock.patch.dict(os.environ, environment or {}),
        mock.patch.object(sys, "argv", ["automl", *arguments]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as left:
            code = left.code
        else:
            code = 0
    assert isinstance(code, int | None), code
    return subprocess.CompletedProcess(sys.argv, code or 0, out.getvalue(), err.getvalue())
