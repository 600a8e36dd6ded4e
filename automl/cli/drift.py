"""``automl drift``: whether rows are still like those that a bundle was scored on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl.cli._bundles import BaseModel, Bundle, TrustRemoteCode

if TYPE_CHECKING:
    from automl.monitoring.comparing import Movement
    from automl.reference import Reference

MOVED = 3
"""Exit code where something has moved, as for a check that is missed."""


def command(
    bundle: Bundle,
    source: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="csv, tsv, jsonl, json or txt (one text a line); - is stdin. For a bundle that "
            "sees or hears also files and folders of them.",
        ),
    ],
    input_format: Annotated[
        str | None, typer.Option(help="Format of INPUT where its name does not tell.")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="Column of the texts. Left out: as in training.")
    ] = None,
    pair_column: Annotated[
        str | None, typer.Option(help="Column of the second texts. Left out: as in training.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    trust_remote_code: TrustRemoteCode = False,
    base_model: BaseModel = None,
) -> None:
    """Say how rows differ from those that a bundle was scored on; exit code 3 where they do."""
    from automl.cli import _predictions
    from automl.monitoring.comparing import compare
    from automl.serving.predict import Predictor, find_bundle, quieten, task_of
    from automl.serving.watching import needed_reference, observations

    folder = find_bundle(bundle)
    reference = needed_reference(folder)
    rows = _predictions.rows(source, [], [], input_format, task_of(folder))
    quieten()
    predictor = Predictor(
        folder, device, trust_remote_code=trust_remote_code, base_model=base_model
    )
    seen = observations(
        predictor,
        reference,
        rows,
        column=column,
        pair_column=pair_column,
        on_fault=_predictions.say,
    )
    movements = compare(reference, seen)
    if as_json:
        _print_json(movements, len(seen), reference)
    else:
        _print(movements, len(seen), reference)
    if any(each.matters for each in movements):
        raise typer.Exit(MOVED)


def _print_json(movements: tuple[Movement, ...], rows: int, reference: Reference) -> None:
    import json

    from automl.monitoring import telling

    told = {
        "rows": rows,
        "reference_rows": reference.rows,
        "threshold": telling.THRESHOLD,
        "moved": [each.feature.name for each in movements if each.matters],
        "features": [telling.plain(each) for each in movements],
    }
    print(json.dumps(told, indent=2, ensure_ascii=False))


def _print(movements: tuple[Movement, ...], rows: int, reference: Reference) -> None:
    from automl.cli import _console
    from automl.monitoring import telling

    console = _console.stdout()
    splits = " and ".join(reference.splits)
    console.print(f"{rows:,} rows, beside {reference.rows:,} of {splits}\n", markup=False)
    table = _console.table(
        "feature", "verdict", "PSI", "chance", "then → now", folding=("then → now",)
    )
    for each in sorted(movements, key=lambda each: -each.psi):
        known = each.verdict != "too few rows"
        table.add_row(
            each.feature.name,
            each.verdict,
            f"{each.psi:.3f}" if known else "",
            f"< {each.noise:.3f}" if known else "",
            telling.in_words(each) if known else f"{each.rows} rows",
            style="bold" if each.matters else None,
        )
    console.print(table)
    console.print(f"\n{telling.summary(movements)}", markup=False, soft_wrap=True)
