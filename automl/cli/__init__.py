"""The command line: one module a command, arguments and printing, no decisions.

Each module offers ``command``, a typer-annotated function whose docstring is its ``--help``, or a
``typer.Typer`` with commands of its own; the directory listing is the registry. Modules import
what they need when they are called, so that ``--help`` and ``check`` answer at once.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import typer

from automl import plugins
from automl.errors import AutoMLError, InputError, Interrupted, JobFailed, render

ORDER = (
    "run",
    "worker",
    "check",
    "plan",
    "lock",
    "explain",
    "fmt",
    "schema",
    "status",
    "trials",
    "report",
    "compare",
    "logs",
    "pause",
    "stop",
    "predict",
    "test",
    "serve",
    "container",
    "drift",
    "export",
    "push",
    "pull",
    "bundle-inputs",
    "clean",
    "doctor",
    "experience",
)
"""The order of ``--help``: as a project goes; commands not named here follow, then groups."""


def app() -> typer.Typer:
    """Return the command line with every command of the registry."""
    root = typer.Typer(
        name="automl",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help="Machine learning as code: fine-tune off-the-shelf models from a YAML recipe.",
        epilog="Exit codes: 0 ok, 2 recipe or input refused, 3 checks missed, 4 study failed, "
        "130 interrupted.",
    )
    root.callback()(_options)
    names = plugins.names(__name__)
    for name in sorted(names, key=lambda n: (ORDER.index(n) if n in ORDER else len(ORDER), n)):
        command: Callable[..., Any] | typer.Typer = plugins.load(__name__, name, "command")
        if isinstance(command, typer.Typer):
            root.add_typer(command, name=name)
        else:
            root.command(name)(command)
    return root


def _version(wanted: bool) -> None:
    if wanted:
        from automl import __version__

        print(__version__)
        raise typer.Exit


def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """Machine learning as code: fine-tune off-the-shelf models from a YAML recipe."""


def explain_error(error: AutoMLError) -> str:
    """Return an error as the text a person reads: every problem, then how many there are."""
    if isinstance(error, InputError):
        text = "\n".join(f"error: {render(problem)}" for problem in error.problems)
        count = len(error.problems)
        return text if count == 1 else f"{text}\n{count} problems"
    if isinstance(error, Interrupted):
        return str(error)
    if isinstance(error, JobFailed) and error.log_tail:
        return f"error: {error}\n{error.log_tail}"
    return f"error: {error}"


def _said_plainly(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """Return our own warnings without the line of code that gave them; others as they are."""
    if f"{os.sep}automl{os.sep}" in filename:
        return f"warning: {message}\n"
    return _plain_format(message, category, filename, lineno, line)


_plain_format = warnings.formatwarning


def main() -> None:
    """Run the command line; the console script's entry point."""
    warnings.formatwarning = _said_plainly
    try:
        app()()
    except AutoMLError as error:
        print(explain_error(error), file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(0) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
