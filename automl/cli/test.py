"""``automl test``: ask a bundle's checks again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl.cli._bundles import BaseModel, Bundle, TrustRemoteCode


def command(
    bundle: Bundle,
    data: Annotated[
        str | None,
        typer.Argument(
            help="Labelled rows, as a recipe names them: file, folder, hub id, URL.",
            show_default="the test rows of its run",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="Bundle to compare with, where a check is not_worse_than."),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="JUnit XML to write, for CI.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print checks and metrics as JSON.")
    ] = False,
    trust_remote_code: TrustRemoteCode = False,
    base_model: BaseModel = None,
) -> None:
    """Ask a bundle its checks again, on the test rows of its run or on others; exit code 3 if one
    is missed."""
    import sys
    import tempfile

    from automl import documents
    from automl.cli import _result
    from automl.events import RunEvent, StageBegan
    from automl.finish import junit as report
    from automl.finish.retest import retest

    def say(event: RunEvent) -> None:
        if isinstance(event, StageBegan):
            print(f"{event.stage}: {event.detail}", file=sys.stderr)

    with tempfile.TemporaryDirectory(prefix="automl-test-") as work:
        found = retest(
            bundle,
            data,
            against,
            Path(work),
            say,
            base_model=base_model,
            trust_remote_code=trust_remote_code,
        )
    if junit is not None:
        report.write(junit, found.name, found.checks, found.seconds)
    if as_json:
        print(documents.to_json(found).decode())
    else:
        _result.show_retest(found)
    raise typer.Exit(0 if found.passed else 3)
