"""``automl push``: a bundle to the hub, or what that would do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl.cli._bundles import Bundle

if TYPE_CHECKING:
    from automl.exporters._hub import Preview, Push


def command(
    bundle: Bundle,
    repository: Annotated[
        str | None,
        typer.Argument(
            help="Hub repository (owner/name). Left out: the recipe's export.push_to_hub.",
            show_default=False,
        ),
    ] = None,
    private: Annotated[
        bool | None,
        typer.Option(
            "--private/--public",
            help="Whether a new repository is private. Left out: as export.private, else private.",
            show_default=False,
        ),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Branch to upload to; made where it is not there.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be uploaded; change nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Upload a bundle that missed checks, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Upload a bundle to the hub as one commit; a bundle that missed checks is refused."""
    from automl.bundle import find_bundle
    from automl.exporters import _hub

    folder = find_bundle(bundle)
    what = _wanted(folder, repository, private, revision, force)
    if dry_run:
        found = _hub.preview(what)
        _show_json(what, found) if as_json else _show(what, found)
        raise typer.Exit(0 if not found.card and (force or not found.missed) else 3)
    address = _hub.push(what, lambda text: print(text, file=sys.stderr))
    if as_json:
        _print_json({"repository": what.repository, "address": address})
    else:
        print(f"uploaded: {address}")


def _wanted(
    folder: Path, repository: str | None, private: bool | None, revision: str | None, force: bool
) -> Push:
    """What the arguments leave out is as the recipe's ``export`` says, by the bundle's plan."""
    from automl import documents
    from automl.errors import InputError, Problem
    from automl.exporters._hub import Push
    from automl.plan import Plan

    plan = folder / "plan.json"
    export = documents.read(Plan, plan).export if plan.is_file() else None
    target = repository or (export.push_to_hub if export else None)
    if target is None:
        raise InputError(
            Problem(
                "where to push to is not said, and the recipe has no export.push_to_hub",
                hint=f"automl push {folder} owner/name",
            )
        )
    hidden = private if private is not None else (export.private if export else True)
    return Push(folder, target, hidden, revision, force)


def _show(what: Push, found: Preview) -> None:
    kind = "private" if found.private else "public"
    at = f" at branch {what.revision}" if what.revision else ""
    print(f"{what.folder} → {what.repository}{at}")
    print(f"repository: {'exists' if found.exists else 'would be created'}, {kind}")
    if what.revision and not found.branch_exists:
        print(f"branch: {what.revision} would be made from main")
    width = max(len(each.path) for each in found.files)
    for each in found.files:
        print(f"  {each.path:<{width}}  {each.bytes:>13,}  {each.state}")
    print(f"{sum(e.state != 'the same' for e in found.files)} files, {found.bytes:,} bytes to send")
    if found.stays:
        print(f"not in the bundle, stay there: {', '.join(found.stays)}")
    print("card: " + ("; ".join(found.card) if found.card else "valid"))
    if found.missed:
        verdict = "uploaded all the same" if what.force else "would be refused; --force uploads it"
        print(f"checks missed: {'; '.join(found.missed)} ({verdict})")
    print("nothing was changed")


def _show_json(what: Push, found: Preview) -> None:
    from dataclasses import asdict

    facts = {"repository": what.repository, "revision": what.revision, "bytes": found.bytes}
    _print_json({**facts, **asdict(found)})


def _print_json(value: dict[str, object]) -> None:
    import json

    print(json.dumps(value, indent=2, ensure_ascii=False))
